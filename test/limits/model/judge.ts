/**
 * Knows every unit that was admitted with its true time, and looks at every interval: an excess is an admission that is
 * one too many under each of the limits that may be in force at that moment.
 */
import { type Period, startOfPeriod } from '../../../domain/limits/calendar.ts';
import type { Limit } from '../../../domain/limits/limit.ts';

/** When the latest period of each kind started of which the row knows (ms). */
export type PeriodStarts = Partial<Readonly<Record<Period, number>>>;

/** `t` is true time; `reading` is what the object's clock shows then. */
type Unit = { readonly t: number; readonly reading: number; readonly starts: PeriodStarts; readonly units: number };

/** A limit that is in force from when it was set until a change of it has returned (true time). */
type InForce = { readonly limit: Limit; until: number };

type Counted = {
  readonly units: Unit[];
  readonly limits: InForce[];
  /** When the object learnt of a longer window, and what the longest was before. */
  readonly longer: { readonly t: number; readonly before: number }[];
  horizonMs: number;
  starts: PeriodStarts;
};

export type Excess = { readonly counter: string; readonly t: number; readonly limit: Limit; readonly units: number };

export class Judge {
  readonly excesses: Excess[] = [];
  readonly #counters = new Map<string, Counted>();

  /** Units of a counter that were admitted in all. */
  admittedOf(counter: string): number {
    return this.#of(counter).units.reduce((sum, { units }) => sum + units, 0);
  }

  get admitted(): number {
    let sum = 0;
    for (const counter of this.#counters.keys()) sum += this.admittedOf(counter);
    return sum;
  }

  /** A limit is set. The one before is out of force when `returned` is called. */
  setLimit(counter: string, limit: Limit): void {
    this.#of(counter).limits.push({ limit, until: Number.POSITIVE_INFINITY });
  }

  /** What was in force before the latest limit is out of force after `t`. */
  returned(counter: string, limit: Limit, t: number): void {
    const { limits } = this.#of(counter);
    const index = limits.findIndex((each) => each.limit === limit);
    for (const earlier of limits.slice(0, index)) earlier.until = Math.min(earlier.until, t);
  }

  /**
   * The object writes the row, which it does before the first unit of each period. If its clock goes back later, units
   * still count in the period that the row knows.
   */
  written(counter: string, starts: PeriodStarts): void {
    this.#of(counter).starts = starts;
  }

  /** The row is removed, since nothing of it counts. With it goes what the longest window was. */
  removed(counter: string, t: number): void {
    const counted = this.#of(counter);
    counted.longer.push({ t, before: counted.horizonMs });
    counted.horizonMs = 0;
  }

  /** The object knows of this window, and will after a start. */
  knows(counter: string, limit: Limit, t: number): void {
    const counted = this.#of(counter);
    if (limit.kind === 'quota' || limit.windowMs <= counted.horizonMs) return;
    if (counted.horizonMs > 0) counted.longer.push({ t, before: counted.horizonMs });
    counted.horizonMs = limit.windowMs;
  }

  admit(counter: string, units: number, t: number, clock: number): void {
    if (units === 0) return;
    const counted = this.#of(counter);
    counted.units.push({ t, reading: clock, starts: counted.starts, units });
    const results = counted.limits
      .filter(({ until }) => until >= t)
      .map(({ limit }) => ({ limit, units: sum(counted, limit) }));
    if (results.some((each) => each.units <= each.limit.limit)) return;
    const [first] = results;
    if (first !== undefined) this.excesses.push({ counter, t, ...first });
  }

  #of(name: string): Counted {
    const known = this.#counters.get(name);
    if (known !== undefined) return known;
    const made = { units: [], limits: [], longer: [], horizonMs: 0, starts: {} };
    this.#counters.set(name, made);
    return made;
  }
}

/** Units that count for this limit at the last one's time. */
function sum({ units, longer }: Counted, limit: Limit): number {
  const last = units.at(-1);
  if (last === undefined) return 0;
  const counts = limit.kind === 'rate' ? inWindow(limit.windowMs, last.t, longer) : inPeriod(limit.period, last);
  return units.filter(counts).reduce((total, each) => total + each.units, 0);
}

/** What had left the longest window of before, when a longer one was set, is not known any more. */
function inWindow(windowMs: number, now: number, longer: Counted['longer']) {
  return ({ t }: Unit) => t > now - windowMs && !longer.some((each) => each.t > t && each.t - t >= each.before);
}

function inPeriod(period: Period, last: Unit) {
  const startOf = ({ reading, starts }: Unit) => startOfPeriod(period, Math.max(reading, starts[period] ?? 0));
  const start = startOf(last);
  return (unit: Unit) => startOf(unit) === start;
}
