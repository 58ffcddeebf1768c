/** Schemas of credits: a balance of a key or an owner, and its refill. */
import * as v from 'valibot';
import { isoTime } from '../../../domain/keys/changed-attributes.ts';
import type { BalanceChange, Credits } from '../../../domain/limits/credits.ts';
import { UNITS_MAX } from '../../../domain/limits/limit.ts';
import { closedObject } from '../../http/bounded-schemas.ts';
import { timeOut, wholeNumber } from '../fields.ts';

const balance = wholeNumber(0, UNITS_MAX);
const refillAmount = wholeNumber(1, UNITS_MAX);

const refill = v.variant(
  'interval',
  [
    closedObject({ amount: refillAmount, interval: v.literal('day') }),
    closedObject({ amount: refillAmount, interval: v.literal('month'), day: wholeNumber(1, 31) }),
  ],
  'must be a day or a month',
);

/** Credits that a new key or owner begins with. */
export const newCredits = v.nullable(
  closedObject({ remaining: balance, refill: v.optional(v.nullable(refill), null) }),
);

/** A field that is absent stays as it is; null takes the credits away. */
export const creditsPatch = v.nullable(
  v.pipe(
    closedObject({ remaining: v.exactOptional(balance), refill: v.exactOptional(v.nullable(refill)) }),
    v.check((patch) => Object.keys(patch).length > 0, 'must have remaining, refill, or both'),
  ),
);

export const balanceBody = v.pipe(
  closedObject({ operation: v.picklist(['set', 'increment', 'decrement']), amount: balance }),
  v.transform(({ operation, amount }): BalanceChange => ({ type: operation, amount })),
);

const refillOut = v.variant('interval', [
  v.strictObject({ amount: v.number(), interval: v.literal('day') }),
  v.strictObject({ amount: v.number(), interval: v.literal('month'), day: v.number() }),
]);

export const creditsOut = v.nullable(
  v.strictObject({ remaining: v.number(), refill: v.nullable(refillOut), nextRefillAt: v.nullable(timeOut) }),
);

/** A result that an earlier version kept has none. */
export function toCredits(credits: Credits | null | undefined): v.InferOutput<typeof creditsOut> {
  if (credits === null || credits === undefined) return null;
  const { remaining, refill: refilling, nextRefillAt } = credits;
  return { remaining, refill: refilling, nextRefillAt: isoTime(nextRefillAt) };
}

/** What is left of the credits that a verification was asked to draw on. */
export const remainingCredits = v.strictObject({ remaining: v.number() });
