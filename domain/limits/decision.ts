/**
 * Decides a verification by several limits and credits, all or nothing: what one refuses, no other is charged for.
 *
 * Pure: times are passed in (ms).
 */
import type { Counter, WriteRow } from './counter.ts';
import { type Credits, refilled, spend } from './credits.ts';
import type { Standing } from './limit.ts';

export type Charge = {
  readonly name: string;
  readonly counter: Counter;
  readonly cost: number;
  readonly write: WriteRow;
};

/** Credits that a verification draws on. */
export type CreditCharge = { readonly credits: Credits; readonly cost: number };

/** How a limit stands after the decision. `retryAfterMs` is there if it refused: null if it always will. */
export type LimitResult = Standing & { readonly name: string; readonly retryAfterMs?: number | null };

/** Why a verification is refused, in the order in which it is decided. */
export const REFUSALS = ['RATE_LIMITED', 'QUOTA_EXCEEDED', 'INSUFFICIENT_CREDITS'] as const;
export type Refusal = (typeof REFUSALS)[number];

export type Decision = {
  readonly refusal: Refusal | null;
  readonly limits: readonly LimitResult[];
  /** The credits afterwards, to be written in the same transaction; null if there are none. */
  readonly credits: Credits | null;
};

/** Decides, and charges if nothing refuses. What it writes and returns belongs in one transaction. */
export function decide(charges: readonly Charge[], credit: CreditCharge | null, now: number): Decision {
  const sums = new Map<Counter, number>();
  for (const { counter, cost } of charges) sums.set(counter, (sums.get(counter) ?? 0) + cost);
  const refusing = new Set(
    [...sums].filter(([counter, cost]) => !counter.admits(cost, now)).map(([counter]) => counter),
  );
  const after = credit === null ? null : spend(credit.credits, credit.cost, now);
  const refusal = firstRefusal([...refusing], credit !== null && after === null);
  if (refusal === null) for (const { counter, cost, write } of charges) if (cost > 0) counter.spend(cost, now, write);
  const limits = charges.map(({ name, counter }) => {
    const standing = { name, ...counter.standing(now) };
    return refusing.has(counter)
      ? { ...standing, retryAfterMs: counter.retryAfterMs(sums.get(counter) ?? 0, now) }
      : standing;
  });
  return { refusal, limits, credits: credit && (refusal === null ? after : refilled(credit.credits, now)) };
}

function firstRefusal(refusing: readonly Counter[], lacksCredits: boolean): Refusal | null {
  if (refusing.some(({ limit }) => limit.kind === 'rate')) return 'RATE_LIMITED';
  if (refusing.length > 0) return 'QUOTA_EXCEEDED';
  return lacksCredits ? 'INSUFFICIENT_CREDITS' : null;
}
