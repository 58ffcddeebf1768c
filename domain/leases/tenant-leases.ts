/**
 * All that a tenant's object knows of its leases: what it grants (granter.ts), how long results wait, and what storage
 * has to know so that a later instance of the object waits as well.
 *
 * The granter is in memory and is lost with the instance. Beside it there is one stored flag. It is set before the
 * first lease of a busy period and cleared when the last one has ended. When an instance finds it set at its start, any
 * key may be leased, so changes wait for the longest lease that may be in force. The flag says only whether a lease may
 * be out, never until when, since that would compare the clocks of two machines.
 *
 * Pure: times are passed in (ms). The methods `before…` return how long a result has to wait from `now` on (ms).
 */
import type { LeaseGranter } from './granter.ts';
import {
  type Concerned,
  type Known,
  LEASE_OUTLAST_MAX_MS,
  LEASE_SECONDS_MAX,
  outlastMs,
  type Renewal,
} from './lease.ts';

const LEASE_MAX_MS = LEASE_SECONDS_MAX * 1000;

/** What the leases need from the object. */
export type LeaseSurroundings = {
  /** The longest lease that may be in force on the tenant (seconds); null while there is no tenant. */
  readonly secondsInForce: () => number | null;
  /** Stores the flag. */
  readonly writeFlag: (areOut: boolean) => void;
};

export class TenantLeases {
  readonly #surroundings: LeaseSurroundings;
  readonly #startedAt: number;
  readonly #granter: LeaseGranter;
  #areOut = false;
  /** Whether this instance found a stored tenant at its start and nobody has asked for a lease since. */
  #isFresh = false;
  /** Incarnations that this instance deleted itself. Its granter knows the leases on them. */
  readonly #destroyed = new Set<string>();

  constructor(granter: LeaseGranter, surroundings: LeaseSurroundings, now: number) {
    this.#granter = granter;
    this.#surroundings = surroundings;
    this.#startedAt = now;
  }

  /** Starts with a stored tenant. `areOut` is the stored flag. */
  resume(areOut: boolean): void {
    this.#isFresh = true;
    this.#areOut = areOut;
    if (areOut && this.#inForceMs > 0) this.#granter.assumeLeased(this.#startedAt + outlastMs(this.#inForceMs));
  }

  /** The flag: whether a lease may be out. */
  get areOut(): boolean {
    return this.#areOut;
  }

  /** Sets or clears the flag. If the transaction around it does not commit, call `restore` with the value of before. */
  note(areOut: boolean): void {
    this.#surroundings.writeFlag(areOut);
    this.#areOut = areOut;
  }

  restore(areOut: boolean): void {
    this.#areOut = areOut;
  }

  /**
   * Grants a holder a lease on the tenant, with what it has to hear of first. `keyId` is the key whose record the
   * holder gets in the same turn; null for none. Returns null when no lease is granted.
   *
   * The first lease of a busy period is recorded in storage before the result leaves the object. If that write fails,
   * the platform resets this object, and the Worker asks again without wanting a lease. The first call after a sleep
   * gets no lease: often no second one follows, and then the object saves a write, and a change saves its wait. Nor
   * does a call that brings its holder nothing to keep.
   */
  grant(known: Known | null, keyId: string | null, leaseSeconds: number, now: number): Renewal | null {
    const leaseMs = leaseSeconds * 1000;
    const isFirst = this.#isFresh;
    this.#isFresh = false;
    if (leaseMs === 0 || (isFirst && !this.#areOut)) return null;
    if (keyId === null && !this.#granter.isKnown(known)) return null;
    if (!this.#areOut) this.note(true);
    return this.#granter.renew(known, keyId, leaseMs, now);
  }

  // ---- what waits ----

  /** For a result that tells the state of these keys; with an empty list, of the tenant alone. */
  beforeTelling(about: Concerned, now: number): number {
    return this.#granter.telling(about, this.#inForceMs, now);
  }

  /** For the result of a mutation that changed `changed` (null for nothing) and tells the state of `about`. */
  beforeResult(changed: Concerned | null, about: Concerned, now: number): number {
    return this.#granter.mutation(changed, about, this.#inForceMs, now);
  }

  /** For the result that there is no such tenant. It waits until this is true for every isolate. */
  beforeMissing(now: number): number {
    return this.#granter.telling([], LEASE_MAX_MS, now);
  }

  /** Records that these keys were deleted long after they had ended. Nobody waits for that. */
  removed(keyIds: readonly string[]): void {
    this.#granter.removed(keyIds);
  }

  // ---- the end of a busy period ----

  /** Whether the flag is set and no lease is left. */
  isOver(now: number): boolean {
    return this.#areOut && this.#granter.isQuiet(now);
  }

  /** Removes what has ended. */
  sweep(now: number): void {
    this.#granter.sweep(now);
  }

  /** How long until the last lease has ended (ms), as far as this instance knows. */
  untilOver(now: number): number {
    return this.#granter.endOfAll - now;
  }

  // ---- creation and deletion of the tenant (domain/tenants/lifecycle.ts) ----

  /** For a creation: leases on keys of an earlier tenant with this id may still be in force. */
  beforeCreation(earlierDeletion: boolean, now: number): number {
    return earlierDeletion ? this.#afterDeletions(now) : this.beforeMissing(now);
  }

  /** Call this when a tenant was created whose results wait for `waitMs`: until then any lease may be out. */
  created(waitMs: number, now: number): void {
    this.#granter.assumeLeased(now + waitMs);
  }

  /** For the deletion of the tenant. Call it while the tenant is still there. */
  beforeDestroyed(now: number): number {
    this.#areOut = false;
    return this.#granter.change('everything', this.#inForceMs, now);
  }

  /** Records that this instance has deleted an incarnation. */
  destroyed(incarnation: string): void {
    this.#destroyed.add(incarnation);
  }

  /** For the repeated deletion of an incarnation that does not exist. */
  beforeDestroyedAgain(incarnation: string, now: number): number {
    return this.#destroyed.has(incarnation) ? this.#afterKnown(now) : this.#afterDeletions(now);
  }

  /** For leases on tenants that this instance deleted. */
  #afterKnown(now: number): number {
    return this.#granter.telling('everything', LEASE_MAX_MS, now);
  }

  /**
   * For leases on any deleted tenant with this id. No row is left of a tenant that an earlier instance deleted, so the
   * longest possible lease is assumed.
   */
  #afterDeletions(now: number): number {
    const unknown = Math.min(this.#startedAt + LEASE_OUTLAST_MAX_MS - now, LEASE_OUTLAST_MAX_MS);
    return Math.max(this.#afterKnown(now), unknown, 0);
  }

  /** The longest lease that may be in force (ms), on a deleted tenant too. */
  get #inForceMs(): number {
    const seconds = this.#surroundings.secondsInForce();
    return seconds === null ? LEASE_MAX_MS : seconds * 1000;
  }
}
