/**
 * The two series of usage, in UTC. A row of the first holds the hours of a day, a row of the second the days of a
 * month. Periods and slots are numbered so that a later one has a larger number.
 */

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export type Series = 'hours' | 'days';

/** Where a time belongs in a series. */
export type Place = { readonly period: number; readonly slot: number };

/** The day since 1970-01-01 and the hour in it; or the month since year 0 and the day in it, both from 0. */
export function placeOf(series: Series, at: number): Place {
  if (series === 'hours') {
    const hour = Math.floor(at / HOUR_MS);
    return { period: Math.floor(hour / 24), slot: hour % 24 };
  }
  const date = new Date(at);
  return { period: date.getUTCFullYear() * 12 + date.getUTCMonth(), slot: date.getUTCDate() - 1 };
}

/** When a period starts (ms). */
export function startOfPeriod(series: Series, period: number): number {
  return series === 'hours' ? period * DAY_MS : Date.UTC(Math.floor(period / 12), period % 12, 1);
}

/** When a slot of a period starts (ms). */
export function startOfSlot(series: Series, { period, slot }: Place): number {
  return startOfPeriod(series, period) + slot * SLOT_MS[series];
}

/** Length of a slot. */
export const SLOT_MS: Readonly<Record<Series, number>> = { hours: HOUR_MS, days: DAY_MS };

/** The month that a time is in, as a period of the series of days. */
export const monthOf = (at: number) => placeOf('days', at).period;

/** The start of the hour around `at` (ms). */
export const hourOf = (at: number) => at - (at % HOUR_MS);
