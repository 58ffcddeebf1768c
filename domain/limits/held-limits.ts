/** The limits of a key whose record a holder has, and decisions about them by the budgets that it holds. */
import { budgetName } from './budget.ts';
import type { LimitResult, Refusal } from './decision.ts';
import type { HeldBudgets, HeldStanding } from './held-budgets.ts';
import { charges, type KeyLimit, type Spending } from './named-limit.ts';
import type { LimitCharge } from './tenant-limits.ts';

/** One limit of a verification, with the name of the budget that it is charged to. */
export type HeldCharge = LimitCharge & { readonly budget: string };

export type HeldLimits = {
  readonly all: readonly (KeyLimit & { readonly budget: string })[];
  /** What a verification is charged that says nothing of cost and limits. */
  readonly usual: readonly HeldCharge[];
};

export function heldLimits(limits: readonly KeyLimit[]): HeldLimits {
  const all = limits.map((limit) => ({ ...limit, budget: budgetName(limit.counter, limit.limit) }));
  return { all, usual: charges(all, { cost: 1, limits: [] }) };
}

/** What a verification is charged. */
export function heldCharges({ all, usual }: HeldLimits, spending: Spending | null): readonly HeldCharge[] {
  return spending === null ? usual : charges(all, spending);
}

export type HeldOutcome =
  | { readonly refusal: Exclude<Refusal, 'INSUFFICIENT_CREDITS'> | null; readonly limits: readonly LimitResult[] }
  /** The object has to decide. `mayWait`: a call is on its way that may bring what is missing. */
  | { readonly mayWait: boolean };

/** Decides by budgets alone, and charges them if nothing refuses. */
export function decideByBudgets(charged: readonly HeldCharge[], budgets: HeldBudgets, now: number): HeldOutcome {
  const decided = budgets.spend(charged, now);
  if (decided.type === 'ask') return decided;
  const limits = charged.map((charge, i) => toResult(charge, decided.standings[i], now));
  if (decided.type === 'spent') return { refusal: null, limits };
  const isRate = limits.some(({ retryAfterMs }, i) => retryAfterMs !== undefined && charged[i]?.limit.kind === 'rate');
  return { refusal: isRate ? 'RATE_LIMITED' : 'QUOTA_EXCEEDED', limits };
}

function toResult({ name, limit, cost }: HeldCharge, standing: HeldStanding | undefined, now: number): LimitResult {
  if (standing === undefined) throw new Error('a limit without a standing');
  const isSpent = limit.kind === 'rate' && cost > 0 && standing.retryAfterMs === undefined;
  // The object could not know of what was spent since.
  return { name, ...standing, ...(isSpent ? { resetsAt: Math.max(standing.resetsAt, now + limit.windowMs) } : {}) };
}
