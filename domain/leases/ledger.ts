/**
 * Leases as the tenant's object sees them (Gray and Cheriton, "Leases", SOSP 1989). With an answer the object may promise an isolate: this record will not
 * change for so long. A change commits at once but returns only when every promise about the old record has ended. So after it has returned,
 * no verification that starts later sees the old record, in any isolate, and verifications in between cost no call.
 *
 * Whatever else tells a caller that the change has happened (a refusal, a 404, a read of the key) is held back as long as the change itself:
 * else a caller whose first call was cut off would learn too early that the old record is gone.
 *
 * No clock is compared with another machine's: the isolate counts from before it asked, the object from when it answered, plus a margin for
 * clocks that do not run alike. Pure: time is passed in.
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

/** The longest that any lease outlasts its grant. */
export const LEASE_OUTLAST_MAX_MS = outlastMs(LEASE_SECONDS_MAX * 1000);

/** Keys with a lease that are remembered one by one (about 2 MB); beyond that every key counts as leased for a while. */
const KEYS_MAX = 20_000;
/** Changes under way that are remembered before ended ones are swept. */
const SWEEP_RETURNS_AT = 1000;

/** Keys by id, or everything of the tenant. */
export type Concerned = readonly string[] | 'everything';

export class LeaseLedger {
  /** End of the latest lease on each key. */
  readonly #endOf = new Map<string, number>();
  /** End of the latest lease on any key. */
  #endOfAll = 0;
  /** Until then any key may have a lease: one that an earlier instance of the object granted, or one too many to remember. */
  #endOfUnknown: number;
  /** When the latest change of each key returns. */
  readonly #returnOf = new Map<string, number>();
  /** When the latest change of everything returns. */
  #returnOfEverything = 0;
  /** When the last of all changes under way returns. */
  #lastReturn = 0;
  #sweepReturnsAt = SWEEP_RETURNS_AT;

  /** `unknownUntil` (ms): until when leases of an earlier instance may be in force, 0 when none are. */
  constructor(unknownUntil: number) {
    this.#endOfUnknown = unknownUntil;
  }

  /**
   * The ledger of an object that starts at `now`. `leasesOut`: whether storage says that an earlier instance may have granted leases; `inForceMs`: the
   * longest that may be in force.
   */
  static ofStart(leasesOut: boolean, inForceMs: number, now: number): LeaseLedger {
    return new LeaseLedger(leasesOut && inForceMs > 0 ? now + outlastMs(inForceMs) : 0);
  }

  /** Whether no lease is left. */
  isQuiet(now: number): boolean {
    return this.endOfAll <= now;
  }

  /** When the last lease ends (ms), as far as this instance knows. */
  get endOfAll(): number {
    return Math.max(this.#endOfAll, this.#endOfUnknown);
  }

  /** Notes a lease that is being granted at `now`. */
  grant(keyId: string, leaseMs: number, now: number): void {
    const end = Math.max(now + outlastMs(leaseMs), this.#endOf.get(keyId) ?? 0);
    this.#endOf.set(keyId, end);
    this.#endOfAll = Math.max(this.#endOfAll, end);
    if (this.#endOf.size >= KEYS_MAX) this.#fold(now);
  }

  /**
   * How long a change that commits at `now` has to wait before it returns (ms): until no lease on what it concerns is left. `inForceMs` is the
   * longest lease that may be in force.
   */
  change(concerned: Concerned, inForceMs: number, now: number): number {
    let end = this.#endOfUnknown;
    if (concerned === 'everything') {
      end = Math.max(end, this.#endOfAll);
      this.#returnOfEverything = Math.max(this.#returnOfEverything, end);
    } else {
      for (const keyId of concerned) end = Math.max(end, this.#endOf.get(keyId) ?? 0);
      if (concerned.length === 0 || end <= now) return 0;
      for (const keyId of concerned) this.#returnOf.set(keyId, Math.max(end, this.#returnOf.get(keyId) ?? 0));
      if (this.#returnOf.size >= this.#sweepReturnsAt) this.#sweepReturns(now);
    }
    this.#lastReturn = Math.max(this.#lastReturn, end);
    return waitUntil(end, inForceMs, now);
  }

  /**
   * How long an answer at `now` that tells the state of these has to wait (ms): until changes of them that are under way have returned. With an
   * empty list: changes of everything.
   */
  telling(about: Concerned, inForceMs: number, now: number): number {
    // A change of an earlier instance may be under way for all that anybody knows.
    let end = Math.max(this.#endOfUnknown, this.#returnOfEverything);
    if (about === 'everything') end = Math.max(end, this.#lastReturn);
    else for (const keyId of about) end = Math.max(end, this.#returnOf.get(keyId) ?? 0);
    return waitUntil(end, inForceMs, now);
  }

  /**
   * How long the answer to a mutation at `now` has to wait (ms): for what it changed, null for nothing, and for changes by others that it tells of, since
   * it may have found a part of its work done already.
   */
  answer(changed: Concerned | null, about: Concerned, inForceMs: number, now: number): number {
    const othersMs = this.telling(about, inForceMs, now);
    if (changed === null) return othersMs;
    // What was only added was never leased, and tells of nothing else.
    if (changed.length === 0) return 0;
    return Math.max(this.change(changed, inForceMs, now), othersMs);
  }

  /** Forgets what has ended. */
  sweep(now: number): void {
    for (const [keyId, end] of this.#endOf) if (end <= now) this.#endOf.delete(keyId);
    this.#sweepReturns(now);
  }

  #sweepReturns(now: number): void {
    for (const [keyId, end] of this.#returnOf) if (end <= now) this.#returnOf.delete(keyId);
    // Each change then pays for one look on average.
    this.#sweepReturnsAt = Math.max(SWEEP_RETURNS_AT, 2 * this.#returnOf.size);
  }

  #fold(now: number): void {
    this.sweep(now);
    if (this.#endOf.size < KEYS_MAX / 2) return;
    this.#endOfUnknown = Math.max(this.#endOfUnknown, this.#endOfAll);
    this.#endOf.clear();
  }
}

/** A clock that was set back must not make anybody wait longer than any lease lasts. */
function waitUntil(end: number, inForceMs: number, now: number): number {
  return Math.min(Math.max(end - now, 0), outlastMs(inForceMs));
}
