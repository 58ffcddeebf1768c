/**
 * The leases that a tenant's object has granted: how long answers wait for them, and what storage has to know so that a
 * later instance of the object waits as well.
 *
 * The ledger is in memory and is lost with the instance. Beside it there is one stored flag, `leases_out`. It is set
 * before the first lease of a busy period and cleared when the last one has ended. Where an instance finds it set at
 * its start, any key may have a lease, so changes wait for the longest one that may be in force.
 *
 * Times are passed in (ms). The methods `before…` return how long an answer has to wait from `now` on (ms).
 */
import { type Concerned, LEASE_OUTLAST_MAX_MS, LEASE_SECONDS_MAX, LeaseLedger } from '../../domain/leases/ledger.ts';
import { writeLeasesOut } from './table.ts';

const LEASE_MAX_MS = LEASE_SECONDS_MAX * 1000;

export class TenantLeases {
  readonly #sql: SqlStorage;
  /** The longest lease that may be in force on the tenant (seconds), null while there is no tenant. */
  readonly #secondsInForce: () => number | null;
  readonly #startedAt: number;
  #ledger = new LeaseLedger(0);
  #areOut = false;
  /** Whether nobody has verified since this instance woke up for a tenant that slept. */
  #isFresh = false;
  /** Incarnations that this instance has deleted itself, so that their leases are in its ledger. */
  readonly #destroyed = new Set<string>();

  constructor(sql: SqlStorage, secondsInForce: () => number | null, now: number) {
    this.#sql = sql;
    this.#secondsInForce = secondsInForce;
    this.#startedAt = now;
  }

  /** Starts with a stored tenant. `areOut`: what the flag says. */
  resume(areOut: boolean): void {
    this.#isFresh = true;
    this.#areOut = areOut;
    this.#ledger = LeaseLedger.ofStart(areOut, this.#inForceMs, this.#startedAt);
  }

  /** Whether a lease may be out, as the flag says. */
  get areOut(): boolean {
    return this.#areOut;
  }

  /** Sets or clears the flag. If the transaction around it does not commit, call `restore` with what `areOut` was. */
  note(areOut: boolean): void {
    writeLeasesOut(this.#sql, areOut);
    this.#areOut = areOut;
  }

  restore(areOut: boolean): void {
    this.#areOut = areOut;
  }

  /**
   * Grants a lease on a key; returns its length (ms), 0 for none. The first of a busy period is noted in storage before
   * the answer leaves. If that cannot be written, the platform gives up this object, and the Worker asks again without
   * wanting a lease. The first answer after a sleep grants none: that spares a write, and a change its wait, where
   * nothing more may follow.
   */
  grant(keyId: string, leaseSeconds: number, now: number): number {
    const leaseMs = leaseSeconds * 1000;
    const isFirst = this.#isFresh;
    this.#isFresh = false;
    if (leaseMs === 0 || (isFirst && !this.#areOut)) return 0;
    if (!this.#areOut) this.note(true);
    this.#ledger.grant(keyId, leaseMs, now);
    return leaseMs;
  }

  // ---- what waits ----

  /** For an answer that tells the state of these keys; with an empty list, of the tenant alone. */
  beforeTelling(about: Concerned, now: number): number {
    return this.#ledger.telling(about, this.#inForceMs, now);
  }

  /** For the answer to a mutation that changed `changed`, null for nothing, and tells the state of `about`. */
  beforeAnswer(changed: Concerned | null, about: Concerned, now: number): number {
    return this.#ledger.answer(changed, about, this.#inForceMs, now);
  }

  /** For the answer that there is no such tenant, which is told when it is true everywhere. */
  beforeMissing(now: number): number {
    return this.#ledger.telling([], LEASE_MAX_MS, now);
  }

  // ---- the end of a busy period ----

  /** Whether the flag is set and no lease is left. */
  isOver(now: number): boolean {
    return this.#areOut && this.#ledger.isQuiet(now);
  }

  /** Forgets what has ended. */
  sweep(now: number): void {
    this.#ledger.sweep(now);
  }

  /** Until the last lease has ended, as far as this instance knows. */
  untilOver(now: number): number {
    return this.#ledger.endOfAll - now;
  }

  // ---- the tenant's own life (domain/tenants/lifecycle.ts) ----

  /** For a creation: a key string of an earlier tenant of this id may still be leased. */
  beforeCreation(earlierDeletion: boolean, now: number): number {
    return earlierDeletion ? this.#afterDeletions(now) : this.beforeMissing(now);
  }

  /** A tenant was created whose answers wait for `waitMs`: until then any lease may be out. */
  created(waitMs: number, now: number): void {
    this.#ledger = new LeaseLedger(now + waitMs);
  }

  /** For the deletion of the tenant. To be called while the tenant is still there, just before it goes. */
  beforeDestroyed(now: number): number {
    this.#areOut = false;
    return this.#ledger.change('everything', this.#inForceMs, now);
  }

  /** Notes that this instance has deleted an incarnation. */
  destroyed(incarnation: string): void {
    this.#destroyed.add(incarnation);
  }

  /** For the repeated deletion of an incarnation that is not there. */
  beforeDestroyedAgain(incarnation: string, now: number): number {
    return this.#destroyed.has(incarnation) ? this.#afterKnown(now) : this.#afterDeletions(now);
  }

  /** Leases on what this instance deleted itself. */
  #afterKnown(now: number): number {
    return this.#ledger.telling('everything', LEASE_MAX_MS, now);
  }

  /**
   * Leases on whatever was deleted under this id. No row is left of a deletion that an earlier instance did not see to
   * its end, so the longest lease that there can be is assumed.
   */
  #afterDeletions(now: number): number {
    const unknown = Math.min(this.#startedAt + LEASE_OUTLAST_MAX_MS - now, LEASE_OUTLAST_MAX_MS);
    return Math.max(this.#afterKnown(now), unknown, 0);
  }

  /** The longest lease that may be in force (ms), also on what was deleted. */
  get #inForceMs(): number {
    const seconds = this.#secondsInForce();
    return seconds === null ? LEASE_MAX_MS : seconds * 1000;
  }
}
