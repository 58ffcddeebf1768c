/**
 * Budgets: units of a limit that the object of a tenant leaves with a holder, an isolate of the Worker for example. The
 * holder spends them without a call, and nobody else can. The object counts them as used until it is told what became
 * of them, or until a window after the last moment at which the holder could have spent them. So whatever calls are
 * late, lost or repeated, no unit is spent twice.
 *
 * A budget travels on the call that renews the lease on the tenant (domain/leases), and lasts as long as that lease:
 * each renewal lasts for all budgets of the holder. The object takes a budget back by *recalling* it: it lets no
 * further renewal last for it and names it in every answer until the holder has returned it. A change of a limit
 * recalls, and waits for the leases of before anyway; so when it has returned, nobody has a unit of before.
 *
 * The clocks of two machines are never compared: the holder counts from before it sent its call, the object from when
 * it processed it, and the object adds the margin of leases.
 */
import { outlastMs } from '../leases/lease.ts';
import type { Limit, Standing } from './limit.ts';

/** Running totals of one budget, in a call of its holder. Totals can be repeated without being counted twice. */
export type BudgetReport = {
  readonly budget: string;
  /** Number of the call among those that report this budget. The holder takes answers to the last one only. */
  readonly call: number;
  /** Units granted, as far as the holder has heard. */
  readonly granted: number;
  readonly spent: number;
  /** Units that the holder had and will not spend: it has let go of them before it sent the call. */
  readonly returned: number;
  /** Whether the holder used units since its last report, or needs some now: else it gets none. */
  readonly wants: boolean;
};

/** What a holder tells with a call. */
export type BudgetCall = {
  readonly holder: string;
  /** The instance of the object that it has heard from; null for none. What it tells of budgets is about that one. */
  readonly epoch: string | null;
  /** The last recall that it has heard of. */
  readonly seq: number;
  readonly reports: readonly BudgetReport[];
};

/** What becomes of a budget, in answer to a report. */
export type BudgetGrant = {
  readonly budget: string;
  readonly call: number;
  /** Units granted in all. */
  readonly granted: number;
  /** For how long they may be spent (ms), if the lease lasts: those of a quota end with its period. Else null. */
  readonly forMs: number | null;
  readonly standing: Standing;
};

/** A limit that has refused a cost. */
export type HeldRefusal = {
  readonly budget: string;
  readonly cost: number;
  readonly standing: Standing;
  readonly retryAfterMs: number | null;
};

export type BudgetAnswer = {
  readonly epoch: string;
  readonly seq: number;
  /** Budgets that were recalled after the last recall that the holder had heard of. */
  readonly recalled: readonly string[] | 'everything';
  readonly leaseMs: number;
  readonly grants: readonly BudgetGrant[];
  readonly refusals: readonly HeldRefusal[];
};

/**
 * Names a budget: it is good for one limit of one counter. Keys with different limits may share a counter, that of
 * their owner, and none may spend what was granted to another limit.
 */
export function budgetName(counter: string, limit: Limit): string {
  return `${counter} ${limit.limit} ${limit.kind === 'rate' ? limit.windowMs : limit.period}`;
}

/** How long (ms) a holder may spend what has to be over in `ms` by the object's clock: turns `outlastMs` round. */
export function inlastMs(ms: number): number {
  const unitMs = outlastMs(2) - outlastMs(1);
  const marginMs = outlastMs(1) - unitMs;
  return Math.max(Math.floor((ms - marginMs) / unitMs) - 1, 0);
}

/** Share of the limit that all holders together may have. */
const ALL_SHARE = 0.1;
/** Share of what remains that one holder may get. */
const ONE_SHARE = 0.1;
/** Share of the limit below which nothing is granted, and what was granted is recalled. */
export const SCARCE_SHARE = 0.25;
/** Share of the limit from which on a holder has at least one unit. */
const AMPLE_SHARE = 0.5;
/** For how much of its use in a lease a holder gets units. */
const LEASES_AHEAD = 2;

export type BudgetNeed = {
  readonly limit: number;
  /** Units that are neither spent nor outstanding. */
  readonly remaining: number;
  /** Units that this holder has, and that all have. */
  readonly held: number;
  readonly outstanding: number;
  /** Units that this holder used in its last lease. */
  readonly used: number;
};

/** How many units a holder gets beside those that it has. */
export function budgetUnits({ limit, remaining, held, outstanding, used }: BudgetNeed): number {
  if (remaining < SCARCE_SHARE * limit) return 0;
  const share = Math.min(LEASES_AHEAD * used, Math.floor(ONE_SHARE * remaining));
  const wanted = Math.max(Math.ceil(share), remaining >= AMPLE_SHARE * limit ? 1 : 0) - held;
  const free = Math.max(1, Math.floor(ALL_SHARE * limit)) - outstanding;
  return Math.max(Math.min(wanted, free, remaining), 0);
}
