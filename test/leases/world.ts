/**
 * A small world to test leases in: one object, several isolates, each with a clock of its own that drifts, messages that take their time and
 * overtake one another. The code under test is the real one (LeaseLedger, LeaseCache, the transitions and the decision); only network, clocks
 * and storage are played here. Times named `t` are true time, which nobody in the world can read.
 */
import type { KeyRecord } from '../../durable-objects/keys/record.ts';
import { verifiedKeyOf } from '../../durable-objects/keys/status.ts';
import { createKey, revokeKey, updateKey } from '../../durable-objects/keys/transitions.ts';
import { decide, mayLease } from '../../durable-objects/keys/verification.ts';
import { LeaseLedger, outlastMs } from '../../durable-objects/leases/ledger.ts';
import { LeaseCache } from '../../src/leases/cache.ts';

/** What is taken out of the design to see that the checker misses it. */
export type Sabotage = 'no wait' | 'no restart rule' | 'no clock rule' | null;

export type Event =
  | { at: number; type: 'verify'; isolate: number; there: number; back: number }
  | { at: number; type: 'change'; revoke: boolean; there: number }
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

/** A verification as it was answered: when it was asked, and by what version of the record. */
type Answer = { readonly startedAt: number; readonly version: number };

type Isolate = { readonly clock: Clock; readonly cache: LeaseCache; lastNow: number };

export class World {
  readonly answers: Answer[] = [];
  /** Changes that have returned: when, and the version they made. */
  readonly returned: { readonly t: number; readonly version: number }[] = [];

  readonly #sabotage: Sabotage;
  readonly #isolates: Isolate[];
  readonly #queue: { t: number; run: (t: number) => void }[] = [];
  #objectClock: Clock;
  #ledger: LeaseLedger;
  #instance = 0;
  #record: KeyRecord = newRecord();
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
  violation(): { readonly answer: Answer; readonly returned: { readonly t: number; readonly version: number } } | null {
    for (const answer of this.answers) {
      const returned = this.returned.find((change) => change.t <= answer.startedAt && change.version > answer.version);
      if (returned !== undefined) return { answer, returned };
    }
    return null;
  }

  #start(event: Event, t: number): void {
    switch (event.type) {
      case 'verify':
        this.#verify(event.isolate, event.there, event.back, t);
        return;
      case 'change':
        this.#later(t + event.there, (arrived) => this.#change(event.revoke, arrived));
        return;
      case 'restart':
        this.#instance += 1;
        this.#objectClock = new Clock(
          this.#objectClock.now(t) + event.offset - t * this.#objectClock.rate,
          this.#objectClock.rate,
        );
        this.#ledger = new LeaseLedger(
          this.#sabotage === 'no restart rule' ? 0 : this.#objectClock.now(t) + outlastMs(this.#inForceSeconds * 1000),
        );
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
    this.#return('everything', t, () => {
      if (this.#settings === setting) this.#inForceSeconds = seconds;
    });
  }

  #verify(index: number, there: number, back: number, startedAt: number): void {
    const isolate = this.#isolates[index];
    if (isolate === undefined) return;
    const { cache } = isolate;
    const nowAt = (t: number) => this.#clockOf(isolate, t);
    const leased = cache.get(this.#record.id, DIGEST, nowAt(startedAt));
    if (leased !== null) {
      this.answers.push({ startedAt, version: Number(leased.key.name) });
      return;
    }
    const asking = cache.ask(nowAt(startedAt));
    this.#later(startedAt + there, (arrived) => {
      const now = this.#objectClock.now(arrived);
      const key = verifiedKeyOf(this.#record);
      const { code } = decide('active', this.#record, [], now);
      const leaseMs = mayLease(code) ? this.#leaseSeconds * 1000 : 0;
      if (leaseMs > 0) this.#ledger.grant(key.id, leaseMs, now);
      this.#later(arrived + back, (t) => {
        if (leaseMs > 0) cache.put({ tenant: TENANT, key, digest: DIGEST }, leaseMs, asking, nowAt(t));
        this.answers.push({ startedAt, version: Number(key.name) });
      });
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

  #change(revoke: boolean, t: number): void {
    const now = this.#objectClock.now(t);
    const updated = updateKey(this.#record, { name: `${this.#record.version}` }, now);
    const changed = revoke ? revokeKey(this.#record, now, 'admin') : updated.ok ? updated.value : this.#record;
    // A change that finds itself done already must not return before the one that did it.
    const concerned = changed === this.#record ? null : [changed.id];
    // A verification tells the name of a key, not its version.
    this.#record = changed === this.#record ? changed : { ...changed, name: `${changed.version}` };
    this.#return(concerned, t, () => {});
  }

  #return(concerned: readonly string[] | 'everything' | null, t: number, done: () => void): void {
    const { version } = this.#record;
    const instance = this.#instance;
    const [inForceMs, now] = [this.#inForceSeconds * 1000, this.#objectClock.now(t)];
    const waitMs =
      concerned === null
        ? this.#ledger.telling([this.#record.id], inForceMs, now)
        : this.#ledger.change(concerned, inForceMs, now);
    const wait = this.#sabotage === 'no wait' ? 0 : waitMs;
    this.#later(t + wait / this.#objectClock.rate, (end) => {
      // Who waits at an object that dies gets no answer.
      if (instance !== this.#instance) return;
      this.returned.push({ t: end, version });
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

function newRecord(): KeyRecord {
  const minted = { id: 'key_model', prefix: 'ks', lastFour: 'abcd', digest: DIGEST, signingKeyId: 1 };
  const attributes = { name: '1', owner: null, scopes: [], metadata: '{}', expiresAt: null, enabled: true };
  const created = createKey({ ...minted, envelope: null, sealingKeyId: null }, attributes, 'admin', 0);
  if (!created.ok) throw new Error('the key of the world was refused');
  return created.value;
}
