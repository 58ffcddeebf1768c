/**
 * Leases as the tenant's object keeps them (Gray and Cheriton, "Leases", SOSP 1989). With the result of a verification
 * the object may promise an isolate that the record will not change for some time. A change commits at once, but
 * returns only when every promise about the old record has ended. So once it has returned, no verification that starts
 * later sees the old record, in any isolate, and until then verifications need no call.
 *
 * Whatever else tells a caller that the change has happened (a refusal, a 404, a read of the key) waits as long as the
 * change itself. Otherwise a caller whose first call was cut off would learn too early that the old record is gone.
 *
 * The clocks of two machines are never compared. The isolate counts from before it sent its call, the object from when
 * it granted the lease, and the object adds a margin for clocks that run at different rates. Pure: time is passed in.
 */

/** Longest lease that a tenant can have (seconds). */
export const LEASE_SECONDS_MAX = 10;

/**
 * How much two clocks may differ while they measure one lease: the larger of 5 % and 50 ms. That is far more than
 * working clocks drift apart within seconds.
 */
const DRIFT_SHARE = 0.05;
const DRIFT_MIN_MS = 50;

/** How long (ms) after a lease of `leaseMs` was granted its holder may still use it, measured by the object's clock. */
export function outlastMs(leaseMs: number): number {
  return leaseMs === 0 ? 0 : leaseMs + Math.max(leaseMs * DRIFT_SHARE, DRIFT_MIN_MS);
}

/** The longest time between granting a lease and its end (ms). */
export const LEASE_OUTLAST_MAX_MS = outlastMs(LEASE_SECONDS_MAX * 1000);

/**
 * Keys whose leases are remembered one by one (about 2 MB). Beyond that every key counts as leased until all those
 * leases have ended.
 */
const KEYS_MAX = 20_000;
/** Changes under way that are remembered before the ended ones are removed. */
const SWEEP_RETURNS_AT = 1000;

/** What a change or a result is about: keys by id, or everything of the tenant. */
export type Concerned = readonly string[] | 'everything';

/** The leases that one instance of a tenant's object has granted, and the changes that wait for them. */
export class LeaseLedger {
  /** End of the latest lease on each key (ms). */
  readonly #endOf = new Map<string, number>();
  /** End of the latest lease on any key (ms). */
  #endOfAll = 0;
  /**
   * Until then any key may be leased (ms): by an earlier instance of the object, or because there were too many leases
   * to remember each.
   */
  #endOfUnknown: number;
  /** When the latest change of each key returns (ms). */
  readonly #returnOf = new Map<string, number>();
  /** When the latest change of everything returns (ms). */
  #returnOfEverything = 0;
  /** When the last of all changes under way returns (ms). */
  #lastReturn = 0;
  #sweepReturnsAt = SWEEP_RETURNS_AT;

  /** `unknownUntil`: until when leases of an earlier instance may be in force (ms), 0 when there are none. */
  constructor(unknownUntil: number) {
    this.#endOfUnknown = unknownUntil;
  }

  /**
   * The ledger of an object that starts at `now`. `leasesOut` is whether an earlier instance may have granted leases,
   * as storage says; `inForceMs` is the longest that may be in force.
   */
  static ofStart(leasesOut: boolean, inForceMs: number, now: number): LeaseLedger {
    return new LeaseLedger(leasesOut && inForceMs > 0 ? now + outlastMs(inForceMs) : 0);
  }

  /** Whether no lease is in force. */
  isQuiet(now: number): boolean {
    return this.endOfAll <= now;
  }

  /** When the last lease ends (ms), as far as this instance knows. */
  get endOfAll(): number {
    return Math.max(this.#endOfAll, this.#endOfUnknown);
  }

  /** Records a lease that is granted at `now`. */
  grant(keyId: string, leaseMs: number, now: number): void {
    const end = Math.max(now + outlastMs(leaseMs), this.#endOf.get(keyId) ?? 0);
    this.#endOf.set(keyId, end);
    this.#endOfAll = Math.max(this.#endOfAll, end);
    if (this.#endOf.size >= KEYS_MAX) this.#fold(now);
  }

  /**
   * Records a change that commits at `now`. Returns how long (ms) it has to wait before it returns: until no lease on
   * what it concerns is left. `inForceMs` is the longest lease that may be in force.
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
   * How long (ms) a result that tells the state of these keys has to wait at `now`: until the changes of them that are
   * under way have returned. An empty list stands for changes of everything only.
   */
  telling(about: Concerned, inForceMs: number, now: number): number {
    // A change by an earlier instance may be under way.
    let end = Math.max(this.#endOfUnknown, this.#returnOfEverything);
    if (about === 'everything') end = Math.max(end, this.#lastReturn);
    else for (const keyId of about) end = Math.max(end, this.#returnOf.get(keyId) ?? 0);
    return waitUntil(end, inForceMs, now);
  }

  /**
   * How long (ms) the result of a mutation has to wait at `now`: for what it changed (`changed`, null for nothing), and
   * for changes by others that it tells of (`about`), since it may have found a part of its work done already.
   */
  mutation(changed: Concerned | null, about: Concerned, inForceMs: number, now: number): number {
    const othersMs = this.telling(about, inForceMs, now);
    if (changed === null) return othersMs;
    // Nothing was changed that existed before: at most, keys were added. No lease is on them.
    if (changed.length === 0) return 0;
    return Math.max(this.change(changed, inForceMs, now), othersMs);
  }

  /** Removes what has ended. */
  sweep(now: number): void {
    for (const [keyId, end] of this.#endOf) if (end <= now) this.#endOf.delete(keyId);
    this.#sweepReturns(now);
  }

  #sweepReturns(now: number): void {
    for (const [keyId, end] of this.#returnOf) if (end <= now) this.#returnOf.delete(keyId);
    // The threshold doubles with the table, so a change pays for one look on average.
    this.#sweepReturnsAt = Math.max(SWEEP_RETURNS_AT, 2 * this.#returnOf.size);
  }

  #fold(now: number): void {
    this.sweep(now);
    if (this.#endOf.size < KEYS_MAX / 2) return;
    this.#endOfUnknown = Math.max(this.#endOfUnknown, this.#endOfAll);
    this.#endOf.clear();
  }
}

/** How long to wait for `end` (ms). If the clock was set back, nobody waits longer than the longest lease lasts. */
function waitUntil(end: number, inForceMs: number, now: number): number {
  return Math.min(Math.max(end - now, 0), outlastMs(inForceMs));
}
