/**
 * The holder's half of leases: records of keys, used only while a lease on their tenant is in force. Every call to a
 * tenant's object renews the lease on all that is held of the tenant, and tells what was changed in the meantime.
 *
 * A tenant is named by whatever names its object. Pure: times are passed in (ms) and must come from one clock.
 */
import { isolateMemory, type MemoryBudget } from '../memory/budget.ts';
import { LruCache } from '../memory/lru-cache.ts';
import { HolderUsage } from '../usage/reports.ts';
import type { HolderCall, Known, Renewal } from './lease.ts';
import { UnreportedUses } from './unreported-uses.ts';

/** A call on its way to a tenant's object. A lease that comes back with its result counts from `at`. */
export type Asking = {
  readonly at: number;
  /** What to send along with the call. */
  readonly call: HolderCall;
  /** How often this holder had seen its clock go back. */
  readonly clockChanges: number;
};

/** A record that a call has brought. */
export type Received<R> = { readonly keyId: string; readonly record: R; readonly bytes: number };

/** A tenant of which something is held. When all of it becomes void, another object takes its place. */
type Tenancy = { readonly epoch: string; seq: number; until: number };

type Held<R> = {
  readonly record: R;
  readonly tenancy: Tenancy;
  /** Minute of the last use that the object has recorded or is to be told of. */
  usedMinute: number;
};

/** A tenancy with its name. */
const TENANCY_BYTES = 250;
/** What a held record takes beside the record itself. */
const HELD_BYTES = 60;

/** `lastUsedAt` is kept to the minute, so only the first use in each has to be reported. */
const minuteOf = (now: number) => Math.floor(now / 60_000);

export class LeaseHolder<R> {
  readonly #tenancies: LruCache<Tenancy>;
  readonly #records: LruCache<Held<R>>;
  readonly #uses = new UnreportedUses();
  /** What was verified by held records. */
  readonly usage = new HolderUsage();
  #lastNow = 0;
  #clockChanges = 0;

  constructor(budget: MemoryBudget = isolateMemory) {
    this.#tenancies = new LruCache(budget);
    this.#records = new LruCache(budget);
  }

  /** The record of a key of this tenant, if it is held and the lease is in force at `now`; null otherwise. */
  get(tenant: string, keyId: string, now: number): R | null {
    this.#see(now);
    const held = this.#records.get(keyId);
    if (held === undefined || now >= held.tenancy.until) return null;
    return this.#isOf(tenant, held) ? held.record : null;
  }

  /** Whether only the lease has to be renewed for `get` to find the record. */
  awaitsRenewal(tenant: string, keyId: string): boolean {
    const held = this.#records.get(keyId);
    return held !== undefined && this.#isOf(tenant, held);
  }

  /** Whether anything of this tenant was leased before. */
  knows(tenant: string): boolean {
    return this.#tenancies.get(tenant) !== undefined;
  }

  /** Whether the record is of this tenant as it is known now. A void one stays until memory is short. */
  #isOf(tenant: string, held: Held<R>): boolean {
    return this.#tenancies.get(tenant) === held.tenancy;
  }

  // ---- calls ----

  /** Call this before a call to the object of a tenant is sent. */
  ask(tenant: string, now: number): Asking {
    this.#see(now);
    const tenancy = this.#tenancies.get(tenant);
    const known: Known | null = tenancy === undefined ? null : { epoch: tenancy.epoch, seq: tenancy.seq };
    const uses = this.#uses.take(tenant, now);
    const usage = this.usage.take(tenant, now);
    const call = usage === null ? { known, uses } : { known, uses, usage };
    return { at: now, call, clockChanges: this.#clockChanges };
  }

  /** Call this when a call was answered, whatever the answer is. */
  answered(tenant: string, { call: { usage } }: Asking): void {
    if (usage !== undefined) this.usage.answered(tenant, usage);
  }

  /** Takes what a call has brought: a renewal, and a record that the object read in the same turn; null for none. */
  receive(tenant: string, asking: Asking, renewal: Renewal, got: Received<R> | null, now: number): void {
    this.#see(now);
    // A clock that went back has not measured the lease.
    if (asking.clockChanges !== this.#clockChanges) return;
    const tenancy = this.#renewed(tenant, asking, renewal);
    // Overtaken by a later call: this record may be from before a change that the holder has heard of already.
    if (tenancy === null || got === null || renewal.seq < tenancy.seq) return;
    // The object has recorded this use itself.
    const held = { record: got.record, tenancy, usedMinute: minuteOf(asking.at) };
    this.#records.set(got.keyId, held, got.bytes + HELD_BYTES);
  }

  /** Call this when a call has failed: what it should have reported is reported by a later one. */
  failed(tenant: string, { at, call: { uses, usage } }: Asking): void {
    if (usage !== undefined) this.usage.failed(tenant, usage);
    for (const { keyId, agoMs } of uses) this.#uses.add(tenant, keyId, at - agoMs);
  }

  /** The tenancy after a renewal; null when the renewal is from an instance of the object that has been succeeded. */
  #renewed(tenant: string, { at, call: { known } }: Asking, renewal: Renewal): Tenancy | null {
    const { epoch, seq, from, changed, leaseMs } = renewal;
    const tenancy = this.#tenancies.get(tenant);
    if (tenancy?.epoch !== epoch) {
      // Another instance of the object, unless this holder has heard of a further one since it asked.
      return tenancy?.epoch === known?.epoch ? this.#begin(tenant, { epoch, seq, until: at + leaseMs }) : null;
    }
    // A lease that was granted earlier covers later states too: the latest end counts, and `seq` never goes back.
    const until = Math.max(tenancy.until, at + leaseMs);
    const latest = Math.max(tenancy.seq, seq);
    if (from > tenancy.seq) return this.#begin(tenant, { epoch, seq: latest, until });
    for (const keyId of changed) this.#records.delete(keyId);
    tenancy.seq = latest;
    tenancy.until = until;
    return tenancy;
  }

  /** Makes everything void that is held of a tenant. */
  #begin(tenant: string, tenancy: Tenancy): Tenancy {
    this.#tenancies.set(tenant, tenancy, TENANCY_BYTES);
    return tenancy;
  }

  // ---- uses ----

  /**
   * Notes that a held record has decided a verification at `now`. Returns whether this is the tenant's first use that
   * is to be reported: then it is time to see that some call does so. Tells too when a call should be made at once.
   */
  noteUse(tenant: string, keyId: string, now: number): 'nothing new' | 'first' | 'more' | 'full' {
    const held = this.#records.get(keyId);
    const minute = minuteOf(now);
    if (held === undefined || held.usedMinute >= minute) return 'nothing new';
    held.usedMinute = minute;
    return this.#uses.add(tenant, keyId, now);
  }

  /** Whether there are uses of this tenant's keys to report. */
  hasUses(tenant: string): boolean {
    return this.#uses.any(tenant);
  }

  /** How long the lease on this tenant is in force from `now` on (ms); 0 when it is over. */
  remainingMs(tenant: string, now: number): number {
    return Math.max((this.#tenancies.get(tenant)?.until ?? 0) - now, 0);
  }

  /** A clock that went back measures no durations, so every lease that was counted with it is void. */
  #see(now: number): void {
    if (now < this.#lastNow) {
      this.#tenancies.clear();
      this.#clockChanges += 1;
    }
    this.#lastNow = now;
  }
}
