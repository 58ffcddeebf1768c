/**
 * Leases: what a tenant's object and the holders of its records agree on. (Gray and Cheriton, "Leases", SOSP 1989. A
 * lease on all of a tenant: Yin, Alvisi, Dahlin and Lin, "Volume Leases for Consistency in Large-Scale Systems", 1999.)
 *
 * A holder, an isolate of the Worker for example, keeps records of keys. The object promises it for a short time that
 * no change will return to its caller before the holder has heard of it, or the time is over. While that lease on the
 * tenant is in force, the holder decides verifications by its records, and needs no call. Every call that it makes
 * anyway renews the lease on all that it holds of the tenant, and brings the changes since the last one.
 *
 * The clocks of two machines are never compared. The holder counts from before it sent its call, the object from when
 * it granted the lease, and the object adds a margin for clocks that run at different rates.
 */
import type { UsageReport } from '../usage/reports.ts';

/** Longest lease that a tenant can have (seconds). */
export const LEASE_SECONDS_MAX = 10;

/**
 * How much two clocks may differ while they measure one lease: 5 % because clocks run at different rates, which is far
 * more than working clocks drift apart, plus 50 ms because clocks are read late and in coarse steps. Both can happen
 * at once, so the margin is their sum.
 */
const DRIFT_SHARE = 0.05;
const DRIFT_MS = 50;

/** How long (ms) after a lease of `leaseMs` was granted its holder may still use it, measured by the object's clock. */
export function outlastMs(leaseMs: number): number {
  return leaseMs === 0 ? 0 : leaseMs * (1 + DRIFT_SHARE) + DRIFT_MS;
}

/** The longest time between granting a lease and its end (ms). */
export const LEASE_OUTLAST_MAX_MS = outlastMs(LEASE_SECONDS_MAX * 1000);

/** What a change or a result is about: keys by id, or everything of the tenant. */
export type Concerned = readonly string[] | 'everything';

/** How far a holder knows the changes of a tenant's object. */
export type Known = {
  /** The instance of the object. Sequence numbers of different instances have nothing to do with each other. */
  readonly epoch: string;
  /** The last change that the holder has heard of. */
  readonly seq: number;
};

/** A lease on the tenant, and what its holder has to hear of first. */
export type Renewal = Known & {
  /** `changed` names all that was changed after this one. A holder that knows less has to drop all that it holds. */
  readonly from: number;
  readonly changed: readonly string[];
  /** Length of the lease (ms), more than 0. */
  readonly leaseMs: number;
};

/** Uses of keys that a holder has decided itself: when, in ms before the call that reports them was sent. */
export type ReportedUse = { readonly keyId: string; readonly agoMs: number };

/** What a holder tells the object with a call. */
export type HolderCall = {
  /** Null when it holds nothing of the tenant. */
  readonly known: Known | null;
  readonly uses: readonly ReportedUse[];
  /** What the holder has verified itself. */
  readonly usage?: UsageReport;
};
