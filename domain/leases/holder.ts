/**
 * The holder's half of leases: records of keys, used only while a lease on their tenant is in force. Every call to a
 * tenant's object renews the lease on all that is held of the tenant, and tells what was changed in the meantime.
 *
 * A tenant is named by whatever names its object. Pure: times are passed in (ms) and must come from one clock.
 */
import { isolateMemory, type MemoryBudget } from '../memory/budget.ts';
import { LruCache } from '../memory/lru-cache.ts';
import { TEXT_BYTES } from '../memory/size.ts';
import type { TenantIdentity } from '../tenants/target.ts';
import { HolderUsage } from '../usage/reports.ts';
import { CHANGE_LIST_IDS_MAX, ChangeList } from './change-list.ts';
import type { HolderCall, Known, Renewal } from './lease.ts';
import { UnreportedUses } from './unreported-uses.ts';

/** A call on its way to a tenant's object. A lease that comes back with its result counts from `at`. */
export type Asking = {
  readonly at: number;
  /** The epoch that this holder knew then; undefined when it held nothing of the tenant. */
  readonly epoch: string | undefined;
  /** Whether a lease is to be passed on to another holder. */
  readonly isForOther: boolean;
  /** What to send along with the call. */
  readonly call: HolderCall;
  /** How often this holder had seen its clock go back. */
  readonly clockChanges: number;
};

/** A record that a call has brought. */
export type Received<R> = {
  readonly keyId: string;
  readonly record: R;
  readonly bytes: number;
  /** The tenant that the record is of. */
  readonly tenant?: TenantIdentity;
};

/** What a holder hands to another one: a part of its own lease, and a record if it holds the one that was asked for. */
export type PassedOn<R> = { readonly renewal: Renewal; readonly record: R | null };

/** A tenant of which something is held. When all of it becomes void, another object takes its place. */
type Tenancy = {
  readonly epoch: string;
  seq: number;
  until: number;
  /** Length of the last lease that was granted (ms). */
  grantedMs: number;
  /** What was changed, for holders to whom leases are passed on; null while there are none. */
  changes: ChangeList | null;
  /** The tenant, as the last record has told. */
  identity: TenantIdentity | null;
};

type Held<R> = {
  readonly record: R;
  readonly tenancy: Tenancy;
  /** Minute of the last use that the object has recorded or is to be told of. */
  usedMinute: number;
};

/** A tenancy with its name. */
const TENANCY_BYTES = 400;
/** The list of changes of one. */
const CHANGES_BYTES = CHANGE_LIST_IDS_MAX * (TEXT_BYTES + 32) + 200;
/** What a held record takes beside the record itself. */
const HELD_BYTES = 60;

/**
 * A holder renews its own lease before it passes on less than this share of it. Then those who live on what is passed
 * on ask at most 1.15 times as often as if they had asked the object, and the object is asked at most eight times
 * during one lease, however many they are.
 */
const PASSED_ON_SHARE_MIN = 7 / 8;

/** `lastUsedAt` is kept to the minute, so only the first use in each has to be reported. */
const minuteOf = (now: number) => Math.floor(now / 60_000);

export class LeaseHolder<R> {
  readonly #tenancies: LruCache<Tenancy>;
  readonly #records: LruCache<Held<R>>;
  readonly #uses = new UnreportedUses();
  /** What was verified by held records. */
  readonly usage: HolderUsage;
  /** What `get` has found last, since a use of it is noted right after. */
  #latestId = '';
  #latest: Held<R> | undefined;
  #lastNow = 0;
  #clockChanges = 0;

  constructor(budget: MemoryBudget = isolateMemory, usage = new HolderUsage()) {
    this.#tenancies = new LruCache(budget);
    this.#records = new LruCache(budget);
    this.usage = usage;
  }

  /** The record of a key of this tenant, if it is held and the lease is in force at `now`; null otherwise. */
  get(tenant: string, keyId: string, now: number): R | null {
    this.#see(now);
    const held = this.#records.get(keyId);
    if (held === undefined || now >= held.tenancy.until) return null;
    this.#latestId = keyId;
    this.#latest = held;
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

  /**
   * Call this before a call to the object of a tenant is sent. `other` is what the holder knows for whom it is made, if
   * a lease is to be passed on. When this one holds nothing of the tenant, it asks as if it knew that itself.
   */
  ask(tenant: string, now: number, other: Known | null = null): Asking {
    const asking = this.askOnly(tenant, now, other);
    const { known } = asking.call;
    const uses = this.#uses.take(tenant, now);
    const usage = this.usage.take(tenant, now);
    return { ...asking, call: usage === null ? { known, uses } : { known, uses, usage } };
  }

  /** As `ask`, for a call that takes no reports along. */
  askOnly(tenant: string, now: number, other: Known | null = null): Asking {
    this.#see(now);
    const tenancy = this.#tenancies.get(tenant);
    const known = tenancy === undefined ? other : { epoch: tenancy.epoch, seq: tenancy.seq };
    return {
      at: now,
      epoch: tenancy?.epoch,
      isForOther: other !== null,
      call: { known, uses: [] },
      clockChanges: this.#clockChanges,
    };
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
    tenancy.identity = got.tenant ?? null;
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
  #renewed(tenant: string, asking: Asking, renewal: Renewal): Tenancy | null {
    const { epoch, seq, from, changed, leaseMs } = renewal;
    const tenancy = this.#tenancies.get(tenant);
    const until = asking.at + leaseMs;
    if (tenancy?.epoch !== epoch) {
      // Another instance of the object, unless this holder has heard of a further one since it asked.
      return tenancy?.epoch === asking.epoch ? this.#begin(tenant, asking, renewal, seq, until) : null;
    }
    // A lease that was granted earlier covers later states too: the latest end counts, and `seq` never goes back.
    tenancy.until = Math.max(tenancy.until, until);
    if (from > tenancy.seq) return this.#begin(tenant, asking, renewal, Math.max(tenancy.seq, seq), tenancy.until);
    for (const keyId of changed) this.#records.delete(keyId);
    if (seq > tenancy.seq) {
      tenancy.changes?.add(seq, changed);
      tenancy.seq = seq;
    }
    tenancy.grantedMs = leaseMs;
    return tenancy;
  }

  /** Makes everything void that is held of a tenant. */
  #begin(tenant: string, { isForOther }: Asking, renewal: Renewal, seq: number, until: number): Tenancy {
    const { epoch, from, changed, leaseMs } = renewal;
    const changes = isForOther ? new ChangeList(Math.min(from, seq)) : null;
    changes?.add(seq, changed);
    const tenancy = { epoch, seq, until, grantedMs: leaseMs, changes, identity: null };
    this.#tenancies.set(tenant, tenancy, TENANCY_BYTES + (isForOther ? CHANGES_BYTES : 0));
    return tenancy;
  }

  // ---- passing on ----

  /** Whether so much is left of the lease on this tenant that it is worth passing on. */
  isWorthPassingOn(tenant: string, now: number): boolean {
    this.#see(now);
    const tenancy = this.#tenancies.get(tenant);
    return tenancy !== undefined && tenancy.until - now >= PASSED_ON_SHARE_MIN * tenancy.grantedMs;
  }

  /**
   * What another holder gets that knows `known` (null for nothing) and wants the record of a key (null for none): what
   * is left of the lease on the tenant, and what was changed. Null when no lease is in force. It is one turn, so the
   * record, the list of changes and the lease belong together.
   */
  passOn(tenant: string, keyId: string | null, known: Known | null, now: number): PassedOn<R> | null {
    this.#see(now);
    const tenancy = this.#tenancies.get(tenant);
    if (tenancy === undefined) return null;
    const leaseMs = Math.floor(tenancy.until - now);
    if (leaseMs <= 0) return null;
    const { epoch, seq } = tenancy;
    const { from, changed } = this.#listOf(tenant, tenancy).since(known?.epoch === epoch ? known.seq : seq, seq);
    return {
      renewal: { epoch, seq, from, changed, leaseMs },
      record: keyId === null ? null : this.get(tenant, keyId, now),
    };
  }

  /** The tenant of which something is held, if a record of it has told; null otherwise. */
  identityOf(tenant: string): TenantIdentity | null {
    return this.#tenancies.get(tenant)?.identity ?? null;
  }

  /** The list of changes of a tenancy. It starts when it is first wanted. */
  #listOf(tenant: string, tenancy: Tenancy): ChangeList {
    if (tenancy.changes !== null) return tenancy.changes;
    tenancy.changes = new ChangeList(tenancy.seq);
    this.#tenancies.set(tenant, tenancy, TENANCY_BYTES + CHANGES_BYTES);
    return tenancy.changes;
  }

  // ---- uses ----

  /**
   * Notes that a held record has decided a verification at `now`. Returns whether this is the tenant's first use that
   * is to be reported: then it is time to see that some call does so. Tells too when a call should be made at once.
   */
  noteUse(tenant: string, keyId: string, now: number): 'nothing new' | 'first' | 'more' | 'full' {
    const held = keyId === this.#latestId ? this.#latest : this.#records.get(keyId);
    const minute = minuteOf(now);
    if (held === undefined || held.usedMinute >= minute) return 'nothing new';
    held.usedMinute = minute;
    return this.#uses.add(tenant, keyId, now);
  }

  /** Notes uses that another holder has decided, by records that were passed on to it. Returns as `noteUse` does. */
  noteUseOfOther(tenant: string, keyId: string, at: number): 'first' | 'more' | 'full' {
    return this.#uses.add(tenant, keyId, at);
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
    if (now < this.#lastNow) this.drop();
    this.#lastNow = now;
  }

  /** Makes everything void that is held, and what calls under way will bring: a clock has not measured the leases. */
  drop(): void {
    this.#tenancies.clear();
    this.#clockChanges += 1;
  }
}
