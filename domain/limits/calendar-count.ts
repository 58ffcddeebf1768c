/**
 * Units that were used in the present hour, day, week and month. All four are counted, whichever the quota is for:
 * otherwise a quota that is changed from months to days and back would bring a new allowance.
 *
 * Pure: times are passed in (ms). A period never comes back: what is counted at an earlier time than before is counted
 * in the latest period that was seen.
 */
import { endOfPeriod, PERIODS, type Period, startOfPeriod } from './calendar.ts';

/** By how much the clock may be set back without a period being counted twice (ms). */
const SET_BACK_MAX_MS = 86_400_000;

/** One for each of `PERIODS`: when the period started (ms), and the units that were used in it. */
export type Tally = { start: number; units: number };

export class CalendarCount {
  readonly #tallies: readonly Tally[];

  constructor(tallies: readonly Tally[] = []) {
    this.#tallies = PERIODS.map((_, i) => ({ start: 0, units: 0, ...tallies[i] }));
  }

  get tallies(): readonly Readonly<Tally>[] {
    return this.#tallies;
  }

  used(period: Period, now: number): number {
    return this.#present(period, now).units;
  }

  /** When the period started that counts at `now` (ms). */
  start(period: Period, now: number): number {
    return this.#present(period, now).start;
  }

  /** When that period ends (ms). */
  end(period: Period, now: number): number {
    return endOfPeriod(period, this.#present(period, now).start);
  }

  /** When the last of the periods ends in which units count that are used until `at` (ms). */
  overAt(at: number): number {
    return Math.max(...PERIODS.map((period) => endOfPeriod(period, Math.max(at, this.#tally(period).start))));
  }

  /**
   * Whether nothing counts any more, and would not even if the clock were set back by less than a day: a period that is
   * forgotten could be counted once more.
   */
  isOver(now: number): boolean {
    return PERIODS.every((period) => {
      const { start, units } = this.#tally(period);
      const since = units > 0 ? endOfPeriod(period, start) : start;
      return since + SET_BACK_MAX_MS <= now;
    });
  }

  /** Counts units as used at `at`, not later than `now`, in those present periods that `at` falls into. */
  add(units: number, at: number, now: number): void {
    for (const period of PERIODS) if (this.isPresent(period, at, now)) this.#present(period, now).units += units;
  }

  /** Whether `at` is in the period that counts at `now`. After the clock has gone back, every later time is. */
  isPresent(period: Period, at: number, now: number): boolean {
    const start = this.start(period, now);
    return at >= start || now < start;
  }

  /**
   * Counts units that were used at unknown times until now, while a quota of `quotaOf` was counted: before the end of
   * its period.
   */
  addUnknown(units: number, quotaOf: Period, now: number): void {
    const isPast = (period: Period) => startOfPeriod(period, now) > this.#tally(period).start;
    const before = new Set(PERIODS.filter(isPast));
    for (const period of PERIODS) {
      // Units of a period that is over count if the clock is set back into it.
      const isOfPast = before.has(period) && before.has(quotaOf);
      (isOfPast ? this.#tally(period) : this.#present(period, now)).units += units;
    }
  }

  #present(period: Period, now: number): Tally {
    const tally = this.#tally(period);
    const start = startOfPeriod(period, now);
    if (start > tally.start) {
      tally.start = start;
      tally.units = 0;
    }
    return tally;
  }

  #tally(period: Period): Tally {
    const tally = this.#tallies[PERIODS.indexOf(period)];
    if (tally === undefined) throw new Error(`no tally of ${period}`);
    return tally;
  }
}
