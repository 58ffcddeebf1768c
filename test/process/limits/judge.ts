/**
 * Judges what was admitted, by the times at which requests were sent and answers received. Units of an answer were
 * admitted at some moment in between. So those that were sent at `a` or later and answered by `b` were all admitted
 * from `a` to `b`. More of them than the limit, in less than a window, is an excess that no order of events explains.
 * Units without an answer never prove anything, and are not passed in.
 *
 * Pure: times are passed in (ms).
 */
import type { LimitHistory } from './limit-history.ts';

/** Units that one answer admitted. */
export type Admission = { readonly sentAt: number; readonly receivedAt: number; readonly units: number };

/** What a limit counts over: any interval of a length, or each period of a length, counted from the epoch. */
export type Rule = { readonly kind: 'window' | 'period'; readonly ms: number };

/** An interval, what was certainly admitted in it, and what may have been admitted at most. */
export type Interval = {
  readonly from: number;
  readonly to: number;
  readonly units: number;
  readonly bound: number;
};

/**
 * Interval lengths in windows. In several windows there can be an excess that none shows by itself, where answers took
 * so long that many were under way at the end of each window.
 */
const WINDOWS_MAX = 3;

/** Clocks may differ by so much from the calendar that a period is counted by (ms). */
const CALENDAR_MS = 1000;

export const isExcess = ({ units, bound }: Interval) => units > bound;

/** How full an interval is: 1 is at its bound. */
export function fullness({ units, bound }: Interval): number {
  if (bound > 0) return units / bound;
  return units > 0 ? Number.POSITIVE_INFINITY : 0;
}

/** Returns the fullest interval of all; null when nothing was admitted. */
export function fullest(admissions: readonly Admission[], rule: Rule, limits: LimitHistory): Interval | null {
  const byReceipt = admissions.toSorted((a, b) => a.receivedAt - b.receivedAt);
  const intervals =
    rule.kind === 'window' ? inWindows(byReceipt, rule.ms, limits) : inPeriods(byReceipt, rule.ms, limits);
  let found: Interval | null = null;
  for (const interval of intervals) if (found === null || fullness(interval) > fullness(found)) found = interval;
  return found;
}

function* inWindows(byReceipt: readonly Admission[], windowMs: number, limits: LimitHistory): Generator<Interval> {
  for (const { sentAt: from } of byReceipt) {
    for (let windows = 1; windows <= WINDOWS_MAX; windows++) {
      yield* growing(byReceipt, from, from + windows * windowMs, (lastSentAt, to) =>
        // The last of these units was admitted after it was sent. All others counted for it then.
        windows === 1 ? limits.most(lastSentAt, to) : windows * limits.most(from, to),
      );
    }
  }
}

function* inPeriods(byReceipt: readonly Admission[], periodMs: number, limits: LimitHistory): Generator<Interval> {
  const starts = new Set(byReceipt.map(({ sentAt }) => Math.floor(sentAt / periodMs) * periodMs));
  for (const start of starts) {
    const [from, end] = [start + CALENDAR_MS, start + periodMs - CALENDAR_MS];
    yield* growing(byReceipt, from, end, (lastSentAt, to) => limits.most(lastSentAt, to));
  }
}

/** The intervals that start at `from` and end with an answer before `end`, each with what was admitted in it. */
function* growing(
  byReceipt: readonly Admission[],
  from: number,
  end: number,
  boundOf: (lastSentAt: number, to: number) => number,
): Generator<Interval> {
  let units = 0;
  let lastSentAt = from;
  for (let i = firstSince(byReceipt, from); i < byReceipt.length; i++) {
    const admission = byReceipt[i];
    if (admission === undefined || admission.receivedAt >= end) return;
    if (admission.sentAt < from) continue;
    units += admission.units;
    lastSentAt = Math.max(lastSentAt, admission.sentAt);
    const to = admission.receivedAt;
    yield { from, to, units, bound: boundOf(lastSentAt, to) };
  }
}

/** The place of the first that was received at `at` or later. */
function firstSince(byReceipt: readonly Admission[], at: number): number {
  let [low, high] = [0, byReceipt.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((byReceipt[middle]?.receivedAt ?? at) < at) low = middle + 1;
    else high = middle;
  }
  return low;
}
