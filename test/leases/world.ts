/**
 * A small world to test leases in: one object, several isolates, each with a clock of its own that drifts, messages that take their time and
 * overtake one another. The code under test is the real one (LeaseLedger, LeaseCache, the transitions and the decision); only network, clocks
 * and storage are played here. Times named `t` are true time, which nobody in the world can read.
 */

import type { KeyRecord } from '../../domain/keys/record.ts';
import { verifiedKeyOf } from '../../domain/keys/status.ts';
import { createKey, revokeKey, updateKey } from '../../domain/keys/transitions.ts';
import { decide, mayLease } from '../../domain/keys/verification.ts';
import { LeaseCache } from '../../domain/leases/cache.ts';
import { LeaseLedger, outlastMs } from '../../domain/leases/ledger.ts';
import { FLUSH_AFTER_MS } from '../../durable-objects/tenant/keys/last-used.ts';

/** What is taken out of the design to see that the checker misses it. */
export const SABOTAGES = [
  'no wait',
  'no restart rule',
  'no clock rule',
  'flag never set',
  'flag cleared too early',
  'no margin',
  'counted from the answer',
  'told at once',
] as const;
export type Sabotage = (typeof SABOTAGES)[number] | null;

export const KEYS = 2;

export type Event =
  | { at: number; type: 'verify'; key: number; isolate: number; there: number; back: number }
  /** Of one key, or of all in one step. */
  | { at: number; type: 'change'; key: number | 'all'; revoke: boolean; there: number }
  | { at: number; type: 'read'; key: number; there: number }
  | { at: number; type: 'restart'; offset: number }
  | { at: number; type: 'clock back'; isolate: number; by: number }
  | { at: number; type: 'lease seconds'; seconds: number };

/** Measures durations with its own rate, and shows a time of its own. */
class Clock {
  #offset: number;
  readonly rate: number;

  constructor(offset: number, rate: number) {
    this.#offset = offset;
    this.rate = rate;
  }

  now(t: number): number {
    return Math.floor(this.#offset + t * this.rate);
  }

  setBack(by: number): void {
    this.#offset -= by;
  }
}

const TENANT = { id: 't', incarnation: 'inc_t', createdAt: 0 };
const DIGEST = new Uint8Array(20);

/** A verification as it was answered: when it was asked, and by what version of which record. */
type Answer = { readonly startedAt: number; readonly key: number; readonly version: number };

/** Somebody was told that a record has this version: by the change that made it, or by whatever else tells. */
type Returned = { readonly t: number; readonly key: number; readonly version: number };

type Isolate = { readonly clock: Clock; readonly cache: LeaseCache; lastNow: number };

export class World {
  readonly answers: Answer[] = [];
  readonly returned: Returned[] = [];

  readonly #sabotage: Sabotage;
  readonly #isolates: Isolate[];
  readonly #queue: { t: number; run: (t: number) => void }[] = [];
  #objectClock: Clock;
  #ledger: LeaseLedger;
  #instance = 0;
  readonly #records: KeyRecord[] = Array.from({ length: KEYS }, (_, key) => newRecord(`key_${key}`));
  /** What storage says of leases, as the tenant's row does. */
  #leasesOut = false;
  #settling = false;
  #leaseSeconds = 1;
  #inForceSeconds = 1;
  #settings = 0;

  constructor(rates: readonly number[], sabotage: Sabotage) {
    const [objectRate = 1, ...isolateRates] = rates;
    this.#sabotage = sabotage;
    this.#objectClock = new Clock(1_000_000, objectRate);
    this.#ledger = new LeaseLedger(0);
    this.#isolates = isolateRates.map((rate, i) => {
      return { clock: new Clock(5_000_000 * (i + 1), rate), cache: new LeaseCache(), lastNow: 0 };
    });
  }

  run(events: readonly Event[]): void {
    for (const event of events) this.#queue.push({ t: event.at, run: (t) => this.#start(event, t) });
    for (;;) {
      this.#queue.sort((a, b) => a.t - b.t);
      const next = this.#queue.shift();
      if (next === undefined) return;
      next.run(next.t);
    }
  }

  /** A verification that started after a change had returned and yet saw the record from before it. */
  violation(): { readonly answer: Answer; readonly returned: Returned } | null {
    for (const answer of this.answers) {
      const returned = this.returned.find(
        ({ t, key, version }) => key === answer.key && t <= answer.startedAt && version > answer.version,
      );
      if (returned !== undefined) return { answer, returned };
    }
    return null;
  }

  #start(event: Event, t: number): void {
    switch (event.type) {
      case 'verify':
        this.#verify(event, t);
        return;
      case 'change':
        this.#later(t + event.there, (arrived) => this.#change(event.key, event.revoke, arrived));
        return;
      case 'read':
        this.#later(t + event.there, (arrived) => this.#return([event.key], null, arrived));
        return;
      case 'restart':
        this.#instance += 1;
        this.#objectClock = new Clock(
          this.#objectClock.now(t) + event.offset - t * this.#objectClock.rate,
          this.#objectClock.rate,
        );
        this.#ledger = LeaseLedger.ofStart(
          this.#leasesOut && this.#sabotage !== 'no restart rule',
          this.#inForceSeconds * 1000,
          this.#objectClock.now(t),
        );
        this.#settling = false;
        if (this.#leasesOut) this.#settleSoon(t);
        return;
      case 'clock back':
        this.#setBack(event.isolate, event.by, t);
        return;
      case 'lease seconds':
        this.#leaseSeconds = event.seconds;
        this.#settings += 1;
        this.#settle(event.seconds, this.#settings, t);
        return;
    }
  }

  /** A change of the setting, which is what is in force only when nothing from before is left and no other change came meanwhile. */
  #settle(seconds: number, setting: number, t: number): void {
    this.#inForceSeconds = Math.max(this.#inForceSeconds, seconds);
    this.#return([], 'everything', t, () => {
      if (this.#settings === setting) this.#inForceSeconds = seconds;
    });
  }

  #verify(event: Event & { type: 'verify' }, startedAt: number): void {
    const { key: index, there, back } = event;
    const isolate = this.#isolates[event.isolate];
    if (isolate === undefined) return;
    const { cache } = isolate;
    const nowAt = (t: number) => this.#clockOf(isolate, t);
    const leased = cache.get(this.#recordOf(index).id, DIGEST, nowAt(startedAt));
    if (leased !== null) {
      this.answers.push({ startedAt, key: index, version: Number(leased.key.name) });
      return;
    }
    const asking = cache.ask(nowAt(startedAt));
    this.#later(startedAt + there, (arrived) => {
      const now = this.#objectClock.now(arrived);
      const record = this.#recordOf(index);
      const key = verifiedKeyOf(record);
      const { code } = decide('active', record, [], now);
      const leaseMs = mayLease(code) ? this.#leaseSeconds * 1000 : 0;
      if (leaseMs > 0) this.#grant(key.id, leaseMs, now, arrived);
      this.#later(arrived + back, (t) => {
        const from = this.#sabotage === 'counted from the answer' ? { ...asking, at: nowAt(t) } : asking;
        if (leaseMs > 0) cache.put({ tenant: TENANT, key, digest: DIGEST }, leaseMs, from, nowAt(t));
        this.answers.push({ startedAt, key: index, version: Number(key.name) });
      });
    });
  }

  #recordOf(index: number): KeyRecord {
    const record = this.#records[index];
    if (record === undefined) throw new Error(`no key ${index}`);
    return record;
  }

  #grant(keyId: string, leaseMs: number, now: number, t: number): void {
    if (this.#sabotage !== 'flag never set') this.#leasesOut = true;
    const margin = outlastMs(leaseMs) - leaseMs;
    this.#ledger.grant(keyId, leaseMs, this.#sabotage === 'no margin' ? now - margin : now);
    this.#settleSoon(t);
  }

  /** Some seconds later storage is told that no lease is out, if that is so; else it is looked at again. */
  #settleSoon(t: number, ms = FLUSH_AFTER_MS): void {
    if (this.#settling) return;
    this.#settling = true;
    const instance = this.#instance;
    this.#later(t + ms / this.#objectClock.rate, (then) => {
      if (instance !== this.#instance) return;
      this.#settling = false;
      const now = this.#objectClock.now(then);
      if (this.#ledger.isQuiet(now) || this.#sabotage === 'flag cleared too early') this.#leasesOut = false;
      this.#ledger.sweep(now);
      if (this.#leasesOut) this.#settleSoon(then, Math.max(FLUSH_AFTER_MS, this.#ledger.endOfAll - now));
    });
  }

  /**
   * Sets an isolate's clock back while it works: it looks at the clock just before and just after. One that sleeps through a step back cannot
   * know of it by any means that the platform gives; the documentation says so.
   */
  #setBack(index: number, by: number, t: number): void {
    const isolate = this.#isolates[index];
    if (isolate === undefined) return;
    isolate.cache.get('another key', DIGEST, this.#clockOf(isolate, t));
    isolate.clock.setBack(by);
    isolate.cache.get('another key', DIGEST, this.#clockOf(isolate, t));
  }

  /** What an isolate reads off its clock. Sabotaged, it is shown one that stands still where the real one went back. */
  #clockOf(isolate: Isolate, t: number): number {
    const now = isolate.clock.now(t);
    isolate.lastNow = this.#sabotage === 'no clock rule' ? Math.max(isolate.lastNow, now) : now;
    return isolate.lastNow;
  }

  #change(which: number | 'all', revoke: boolean, t: number): void {
    const keys = which === 'all' ? this.#records.map((_, key) => key) : [which];
    const changed = keys.filter((key) => this.#changeOne(key, revoke, this.#objectClock.now(t)));
    // A change that finds itself done already must not return before the one that did it.
    this.#return(keys, changed.length === 0 ? null : changed.map((key) => this.#recordOf(key).id), t);
  }

  /** Whether there was anything to change. */
  #changeOne(key: number, revoke: boolean, now: number): boolean {
    const record = this.#recordOf(key);
    const updated = updateKey(record, { name: `${record.version}` }, now);
    const changed = revoke ? revokeKey(record, now, 'admin') : updated.ok ? updated.value : record;
    if (changed === record) return false;
    // A verification tells the name of a key, not its version.
    this.#records[key] = { ...changed, name: `${changed.version}` };
    return true;
  }

  /** Answers with the state of these keys, when the leases on what was changed have ended; null for nothing. */
  #return(keys: readonly number[], changed: readonly string[] | 'everything' | null, t: number, done = () => {}): void {
    const told = keys.map((key) => ({ key, version: this.#recordOf(key).version }));
    const ids = keys.map((key) => this.#recordOf(key).id);
    const instance = this.#instance;
    const [inForceMs, now] = [this.#inForceSeconds * 1000, this.#objectClock.now(t)];
    const waitMs = this.#ledger.mutation(changed, ids, inForceMs, now);
    const isSkipped = this.#sabotage === 'no wait' || (changed === null && this.#sabotage === 'told at once');
    this.#later(t + (isSkipped ? 0 : waitMs) / this.#objectClock.rate, (end) => {
      // Who waits at an object that dies gets no answer.
      if (instance !== this.#instance) return;
      for (const each of told) this.returned.push({ t: end, ...each });
      done();
    });
  }

  #later(t: number, run: (t: number) => void): void {
    this.#queue.push({ t, run });
  }
}

/** Rates by which two clocks measure a lease of 10 s alike within the margin. */
export const RATE_MIN = 0.98;
export const RATE_MAX = 1.02;

/** Longest time that any lease lasts, for events to fall within it. */
export const LEASE_MS = outlastMs(1000);

function newRecord(id: string): KeyRecord {
  const minted = { id, prefix: 'ks', lastFour: 'abcd', digest: DIGEST, signingKeyId: 1 };
  const attributes = { name: '1', owner: null, scopes: '[]', metadata: '{}', expiresAt: null, enabled: true };
  const created = createKey({ ...minted, envelope: null, sealingKeyId: null }, attributes, 'admin', 0);
  if (!created.ok) throw new Error('the key of the world was refused');
  return { ...created.value, scopes: [] };
}
