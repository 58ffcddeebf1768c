/**
 * Leases as the tenant's object sees them (Gray and Cheriton, "Leases", SOSP 1989). With an answer the object may promise an isolate: this record will not
 * change for so long. A change commits at once but returns only when every promise about the old record has ended. So after it has returned,
 * no verification that starts later sees the old record, in any isolate, and verifications in between cost no call.
 *
 * No clock is compared with another machine's: the isolate counts from before it asked, the object from when it answered, plus a margin for
 * clocks that do not run alike. Nothing is stored for a lease. Pure: time is passed in.
 */

/** Longest lease that a tenant can have (seconds). */
export const LEASE_SECONDS_MAX = 10;

/** What clocks may differ by while they measure one lease: the larger of 5 % and 50 ms, far above what working clocks drift in seconds. */
const DRIFT_SHARE = 0.05;
const DRIFT_MIN_MS = 50;

/** How long after granting a lease of `leaseMs` its holder may still use it, as the object measures it. */
export function outlastMs(leaseMs: number): number {
  return leaseMs === 0 ? 0 : leaseMs + Math.max(leaseMs * DRIFT_SHARE, DRIFT_MIN_MS);
}

/** Ended leases are forgotten when this many keys have one, or twice as many as the last sweep left: so each grant pays for one look on average. */
const SWEEP_AT = 10_000;

export class LeaseLedger {
  /** End of the latest lease on each key. */
  readonly #endOf = new Map<string, number>();
  /** End of the latest lease on any key. */
  #endOfAll = 0;
  /** Until then a key may have a lease that an earlier instance of the object granted. */
  #endOfUnknown: number;
  /** End of the latest lease that a change under way waits for. */
  #endOfWaits = 0;
  #sweepAt = SWEEP_AT;

  /** `inForceMs`: the longest lease that an earlier instance may have granted, 0 when there was none. */
  constructor(startedAt: number, inForceMs: number) {
    this.#endOfUnknown = startedAt + outlastMs(inForceMs);
  }

  /** Notes a lease that is being granted at `now`. */
  grant(keyId: string, leaseMs: number, now: number): void {
    const end = Math.max(now + outlastMs(leaseMs), this.#endOf.get(keyId) ?? 0);
    this.#endOf.set(keyId, end);
    this.#endOfAll = Math.max(this.#endOfAll, end);
    if (this.#endOf.size >= this.#sweepAt) this.#sweep(now);
  }

  /**
   * How long a change at `now` has to wait before it returns (ms): until no lease on what it changed is left. `null` stands for a call that
   * changed nothing itself but must not return before the changes it found, such as a repeated one.
   */
  waitMs(changed: Iterable<string> | 'everything' | null, inForceMs: number, now: number): number {
    let end = this.#endOfUnknown;
    if (changed === null) end = Math.max(end, this.#endOfWaits);
    else if (changed === 'everything') end = Math.max(end, this.#endOfAll);
    else {
      const keys = [...changed];
      if (keys.length === 0) return 0;
      for (const keyId of keys) end = Math.max(end, this.#endOf.get(keyId) ?? 0);
    }
    this.#endOfWaits = Math.max(this.#endOfWaits, end);
    // A clock that was set back must not make anybody wait longer than any lease lasts.
    return Math.min(Math.max(end - now, 0), outlastMs(inForceMs));
  }

  #sweep(now: number): void {
    for (const [keyId, end] of this.#endOf) if (end <= now) this.#endOf.delete(keyId);
    this.#sweepAt = Math.max(SWEEP_AT, 2 * this.#endOf.size);
  }
}
