/** Periods of the UTC calendar, and what is counted in them. */
import { describe, expect, it } from 'vitest';
import { endOfPeriod, nextDayOfMonth, PERIODS, startOfPeriod } from '../../domain/limits/calendar.ts';
import { CalendarCount } from '../../domain/limits/calendar-count.ts';

const at = (time: string) => Date.parse(`${time}Z`);

describe('periods', () => {
  it.each([
    ['hour', '2024-02-29T13:00', '2024-02-29T14:00'],
    ['day', '2024-02-29T00:00', '2024-03-01T00:00'],
    ['week', '2024-02-26T00:00', '2024-03-04T00:00'],
    ['month', '2024-02-01T00:00', '2024-03-01T00:00'],
  ] as const)('of a %s start and end where the UTC calendar says', (period, start, end) => {
    for (const now of [at('2024-02-29T13:59:59.999'), at('2024-02-29T13:00')]) {
      expect(startOfPeriod(period, now)).toBe(at(start));
      expect(endOfPeriod(period, now)).toBe(at(end));
    }
  });

  it('of a week start on Monday, across the end of a year too', () => {
    expect(startOfPeriod('week', at('2027-01-03T23:59'))).toBe(at('2026-12-28T00:00'));
    expect(endOfPeriod('week', at('2027-01-03T23:59'))).toBe(at('2027-01-04T00:00'));
    expect(startOfPeriod('month', at('2026-12-31T23:59'))).toBe(at('2026-12-01T00:00'));
    expect(endOfPeriod('month', at('2026-12-31T23:59'))).toBe(at('2027-01-01T00:00'));
  });

  it('have a 31st on the last day of shorter months', () => {
    expect(nextDayOfMonth(31, at('2024-01-31T00:00'))).toBe(at('2024-02-29T00:00'));
    expect(nextDayOfMonth(31, at('2025-02-01T00:00'))).toBe(at('2025-02-28T00:00'));
    expect(nextDayOfMonth(31, at('2025-02-28T00:00'))).toBe(at('2025-03-31T00:00'));
    expect(nextDayOfMonth(15, at('2025-12-15T00:00'))).toBe(at('2026-01-15T00:00'));
  });
});

describe('a count by periods', () => {
  it('starts anew with each period', () => {
    const count = new CalendarCount();
    count.add(5, at('2025-01-31T23:30'), at('2025-01-31T23:30'));
    expect(PERIODS.map((period) => count.used(period, at('2025-02-01T00:00')))).toEqual([0, 0, 5, 0]);
  });

  it('does not start a period again when the clock goes back', () => {
    const count = new CalendarCount();
    count.add(5, at('2025-02-01T00:00'), at('2025-02-01T00:00'));
    count.add(2, at('2025-01-31T23:59'), at('2025-01-31T23:59'));
    expect(count.used('day', at('2025-01-31T23:59'))).toBe(7);
    expect(count.end('day', at('2025-01-31T23:59'))).toBe(at('2025-02-02T00:00'));
  });

  it('forgets nothing when the period is changed and changed back', () => {
    const count = new CalendarCount();
    count.add(5, at('2025-01-10T10:00'), at('2025-01-10T10:00'));
    expect(count.used('day', at('2025-01-11T10:00'))).toBe(0);
    expect(count.used('month', at('2025-01-11T10:00'))).toBe(5);
  });

  it('counts what was used at unknown times wherever that may have been', () => {
    const count = new CalendarCount();
    count.add(5, at('2025-01-08T10:00'), at('2025-01-08T10:00'));
    count.addUnknown(3, 'day', at('2025-01-09T10:00'));
    expect(PERIODS.map((period) => count.used(period, at('2025-01-09T10:00')))).toEqual([0, 0, 8, 8]);
    count.addUnknown(4, 'month', at('2025-01-10T10:00'));
    expect(PERIODS.map((period) => count.used(period, at('2025-01-10T10:00')))).toEqual([4, 4, 12, 12]);
  });
});
