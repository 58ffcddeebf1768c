/**
 * Credits of a key or an owner: a balance that is spent, never below zero, and refilled by the calendar. Each change is
 * written in the transaction that answers, so nothing of it is kept in memory alone.
 *
 * A refill fills the balance up to its amount. It does not add to what is left, so refills that were missed while
 * nobody looked are as good as one, and nobody saves up by not using a key. Nor does it take away: whoever has more,
 * because credits were bought on top, keeps them.
 *
 * Pure: times are passed in (ms). A refill is due once even if the clock goes back, since the next one is stored.
 */
import { nextDay, nextDayOfMonth } from './calendar.ts';
import { UNITS_MAX } from './limit.ts';

export type Refill =
  | { readonly amount: number; readonly interval: 'day' }
  /** `day` of the month, 1 to 31. Shorter months have it on their last day. */
  | { readonly amount: number; readonly interval: 'month'; readonly day: number };

export type Credits = {
  readonly remaining: number;
  readonly refill: Refill | null;
  /** When the next refill is due (ms); null without one. */
  readonly nextRefillAt: number | null;
};

/** New credits. The first refill is due at its next time after `now`. */
export function newCredits(remaining: number, refill: Refill | null, now: number): Credits {
  return { remaining: bounded(remaining), refill, nextRefillAt: refill === null ? null : nextRefillAt(refill, now) };
}

/** The credits at `now`, refilled if that is due. Returns the same object when nothing is due. */
export function refilled(credits: Credits, now: number): Credits {
  const { remaining, refill, nextRefillAt: due } = credits;
  if (refill === null || due === null || now < due) return credits;
  return { remaining: Math.max(remaining, refill.amount), refill, nextRefillAt: nextRefillAt(refill, now) };
}

/** The credits after spending; null when there are too few. A cost of 0 asks, and is always granted. */
export function spend(credits: Credits, cost: number, now: number): Credits | null {
  const present = refilled(credits, now);
  if (cost === 0) return present;
  return cost > present.remaining ? null : { ...present, remaining: present.remaining - cost };
}

/** The credits that somebody asks for when there are none yet. */
export type NewCredits = { readonly remaining: number; readonly refill: Refill | null };

/** New values. An absent one stays as it is; null instead of a patch takes the credits away. */
export type CreditsPatch = Partial<NewCredits>;

/**
 * The credits after a patch, refilled as of `now`. `missing` when there are none yet and the patch names no balance to
 * begin with.
 */
export function patchCredits(
  credits: Credits | null,
  patch: CreditsPatch | null,
  now: number,
): Credits | null | 'missing' {
  if (patch === null) return null;
  const { remaining, refill } = patch;
  if (credits === null) return remaining === undefined ? 'missing' : newCredits(remaining, refill ?? null, now);
  const present = refilled(credits, now);
  const refilling = refill === undefined || isSameRefill(refill, present.refill);
  const changed = refilling ? present : changeRefill(present, refill, now);
  return remaining === undefined ? changed : { ...changed, remaining: bounded(remaining) };
}

/** Whether callers see the same credits. */
export function sameCredits(a: Credits | null, b: Credits | null): boolean {
  if (a === null || b === null) return a === b;
  return a.remaining === b.remaining && isSameRefill(a.refill, b.refill);
}

const isSameRefill = (a: Refill | null, b: Refill | null) => JSON.stringify(dayOf(a)) === JSON.stringify(dayOf(b));
const dayOf = (refill: Refill | null) =>
  refill === null ? null : [refill.amount, refill.interval, refill.interval === 'month' ? refill.day : 0];

/** Who has credits: the lineage of a key, so that a rotation neither doubles nor loses them, or an owner. */
export const creditsOfKey = ({ id, lineage }: { readonly id: string; readonly lineage: string | null }): string =>
  `key/${lineage ?? id}`;
export const creditsOfOwner = (owner: string): string => `owner/${owner}`;

/** How the balance may be changed. A decrement takes what is there, down to zero. */
export type BalanceChange = {
  readonly type: 'set' | 'increment' | 'decrement';
  readonly amount: number;
};

export function changeBalance(credits: Credits, { type, amount }: BalanceChange, now: number): Credits {
  const present = refilled(credits, now);
  if (type === 'set') return { ...present, remaining: bounded(amount) };
  return { ...present, remaining: bounded(present.remaining + (type === 'increment' ? amount : -amount)) };
}

/** Replaces the refill. One that is due under the old one is made first. */
export function changeRefill(credits: Credits, refill: Refill | null, now: number): Credits {
  return newCredits(refilled(credits, now).remaining, refill, now);
}

function nextRefillAt(refill: Refill, now: number): number {
  return refill.interval === 'day' ? nextDay(now) : nextDayOfMonth(refill.day, now);
}

const bounded = (units: number) => Math.min(Math.max(units, 0), UNITS_MAX);
