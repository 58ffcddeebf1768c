/** Periods of the UTC calendar. Leap seconds do not exist here: every day has 86,400 s, as in POSIX time. */

export const PERIODS = ['hour', 'day', 'week', 'month'] as const;
export type Period = (typeof PERIODS)[number];

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** 1970-01-05, the first Monday: ISO 8601 weeks start on Mondays. */
const FIRST_MONDAY_MS = 4 * DAY_MS;
const WEEK_MS = 7 * DAY_MS;

/** When the period around `now` started (ms). */
export function startOfPeriod(period: Period, now: number): number {
  if (period === 'month') return startOfMonth(now, 0);
  const [length, origin] = LENGTHS[period];
  return now - modulo(now - origin, length);
}

/** When the period around `now` ends and the next one starts (ms). */
export function endOfPeriod(period: Period, now: number): number {
  return period === 'month' ? startOfMonth(now, 1) : startOfPeriod(period, now) + LENGTHS[period][0];
}

const LENGTHS = {
  hour: [HOUR_MS, 0],
  day: [DAY_MS, 0],
  week: [WEEK_MS, FIRST_MONDAY_MS],
} as const;

/** The first start of a day that is later than `now` (ms). */
export const nextDay = (now: number): number => endOfPeriod('day', now);

/** The first start of this day of a month that is later than `now` (ms). A shorter month has it on its last day. */
export function nextDayOfMonth(day: number, now: number): number {
  const thisMonth = dayOfMonth(day, now, 0);
  return thisMonth > now ? thisMonth : dayOfMonth(day, now, 1);
}

function dayOfMonth(day: number, now: number, later: number): number {
  const start = startOfMonth(now, later);
  const days = Math.round((startOfMonth(now, later + 1) - start) / DAY_MS);
  return start + (Math.min(day, days) - 1) * DAY_MS;
}

/** The start of the month around `now`, or of one that is `later` months after it. */
function startOfMonth(now: number, later: number): number {
  const date = new Date(now);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + later, 1);
}

const modulo = (a: number, b: number) => ((a % b) + b) % b;
