/**
 * The units of one limit that count as used, whichever kind of limit it is: those that were spent, and those that are
 * outstanding. Outstanding units were written off to somebody who may spend them until `end`, and are counted as if
 * they were spent then, until it is known better.
 *
 * Pure: times are passed in (ms), and must never go back.
 */
import { PERIODS } from './calendar.ts';
import { CalendarCount } from './calendar-count.ts';
import { readRow, writeCount, writeWindow } from './counter-row.ts';
import type { Allowances, Limit, Quota, RateLimit } from './limit.ts';
import { SlidingWindow } from './sliding-window.ts';

export type Outstanding = { units: number; readonly end: number };

export abstract class UsedUnits {
  /** What others may still spend, or may have spent. */
  readonly #outstanding = new Set<Outstanding>();

  /** Units that were spent and count at `now`. */
  abstract spent(now: number): number;
  abstract addSpent(units: number, at: number, now: number): void;
  /** Whether units that were spent at `at` count at `now`. */
  abstract counts(at: number, now: number): boolean;
  /** Whether they never will again, even if the limit is changed. */
  abstract isOver(at: number, now: number): boolean;
  /** In how long (ms) this many of the used units are free again. */
  abstract freeIn(units: number, now: number): number;
  /** When all is free again, if no more is used (ms). */
  abstract resetsAt(now: number): number;
  /** The last moment at which units may be spent that are written off at `now` (ms). */
  abstract spendableUntil(now: number): number;
  /** For a row: all that was spent, and `open` units that may be spent before the row is written again. */
  abstract row(open: number): Uint8Array;
  /** When nothing counts any more that is used until `at` (ms), even if the limit is changed. */
  abstract overAt(at: number): number;
  /** What is there for which blocks that were opened at `now` are good: a value that changes when they are void. */
  abstract era(now: number): number;

  used(now: number): number {
    return this.spent(now) + this.outstandingUnits(now);
  }

  outstandingUnits(now: number): number {
    let units = 0;
    for (const each of this.outstanding(now)) units += each.units;
    return units;
  }

  /** Whether nothing is known that would count, even if the limit is changed. */
  isUnused(now: number): boolean {
    for (const _ of this.outstanding(now)) return false;
    return this.hasNoneSpent(now) && this.#outstanding.size === 0;
  }

  protected abstract hasNoneSpent(now: number): boolean;

  lend(outstanding: Outstanding): void {
    this.#outstanding.add(outstanding);
  }

  *outstanding(now: number): Generator<Outstanding> {
    for (const each of this.#outstanding) {
      if (each.units === 0 || this.isOver(each.end, now)) this.#outstanding.delete(each);
      else if (this.counts(each.end, now)) yield each;
    }
  }
}

export class UsedInWindow extends UsedUnits {
  readonly #window: SlidingWindow;
  #limit: RateLimit;
  /** What an earlier instance of the object had written off. Nobody will report on it. */
  #unknown: Outstanding | null = null;

  constructor(limit: RateLimit, window: SlidingWindow) {
    super();
    this.#limit = limit;
    this.#window = window;
  }

  /** Returns whether the window is the longest so far. */
  change(limit: RateLimit): boolean {
    const isLongest = limit.windowMs > this.#window.horizonMs;
    this.#limit = limit;
    this.#window.resize(limit.windowMs);
    return isLongest;
  }

  addUnknown(units: number, end: number): void {
    if (units === 0) return;
    this.#unknown = { units, end };
    this.lend(this.#unknown);
  }

  override spent(now: number): number {
    if (this.#unknown !== null && now >= this.#unknown.end) {
      const { units, end } = this.#unknown;
      this.#unknown.units = 0;
      this.#unknown = null;
      this.#window.add(units, end, this.#limit.limit, now);
    }
    return this.#window.used(now);
  }

  override addSpent(units: number, at: number, now: number): void {
    this.#window.add(units, at, this.#limit.limit, now);
  }

  override counts(at: number, now: number): boolean {
    return this.#window.leavesAt(at) > now;
  }

  override isOver(at: number, now: number): boolean {
    return this.#window.isOver(at, now);
  }

  protected override hasNoneSpent(now: number): boolean {
    return this.spent(now) === 0 && this.#window.isEmpty(now);
  }

  override freeIn(units: number, now: number): number {
    let free = 0;
    for (const leaving of this.#leaving(now)) {
      free += leaving.units;
      if (free >= units) return Math.max(leaving.at - now, 1);
    }
    return 0;
  }

  override resetsAt(now: number): number {
    let last = this.#window.used(now) > 0 ? this.#window.lastAt : Number.NEGATIVE_INFINITY;
    for (const { end } of this.outstanding(now)) last = Math.max(last, end);
    return Math.max(this.#window.leavesAt(last), now);
  }

  override spendableUntil(): number {
    return Number.POSITIVE_INFINITY;
  }

  override row(open: number): Uint8Array {
    return writeWindow(this.#window, open);
  }

  override overAt(at: number): number {
    return this.#window.overAt(at);
  }

  override era(): number {
    return 0;
  }

  #leaving(now: number): { readonly at: number; readonly units: number }[] {
    const lent = [...this.outstanding(now)].map(({ end, units }) => ({ at: this.#window.leavesAt(end), units }));
    const spent = [...this.#window.leaving()].filter(({ at }) => at > now);
    return [...spent, ...lent].sort((a, b) => a.at - b.at);
  }
}

export class UsedInPeriod extends UsedUnits {
  readonly #count: CalendarCount;
  readonly #clockStepMs: number;
  #limit: Quota;

  constructor(limit: Quota, count: CalendarCount, clockStepMs: number) {
    super();
    this.#limit = limit;
    this.#count = count;
    this.#clockStepMs = clockStepMs;
  }

  change(limit: Quota): void {
    this.#limit = limit;
  }

  override spent(now: number): number {
    return this.#count.used(this.#limit.period, now);
  }

  override addSpent(units: number, at: number, now: number): void {
    this.#count.add(units, at, now);
  }

  override counts(at: number, now: number): boolean {
    return this.#count.isPresent(this.#limit.period, at, now);
  }

  override isOver(at: number, now: number): boolean {
    return !PERIODS.some((period) => this.#count.isPresent(period, at, now));
  }

  protected override hasNoneSpent(now: number): boolean {
    return this.#count.isOver(now);
  }

  override freeIn(_units: number, now: number): number {
    return Math.max(this.resetsAt(now) - now, 1);
  }

  override resetsAt(now: number): number {
    return this.#count.end(this.#limit.period, now);
  }

  /** A later instance of the object may have a clock that is ahead of this one's, and start the next period earlier. */
  override spendableUntil(now: number): number {
    return this.resetsAt(now) - this.#clockStepMs;
  }

  override row(open: number): Uint8Array {
    return writeCount(this.#count, this.#limit.period, open);
  }

  override overAt(at: number): number {
    return this.#count.overAt(at);
  }

  override era(now: number): number {
    return this.#count.start(this.#limit.period, now);
  }
}

/** Nothing used yet. */
export function noneUsed(limit: Limit, { windowDrift, clockStepMs }: Allowances): UsedUnits {
  if (limit.kind === 'quota') return new UsedInPeriod(limit, new CalendarCount(), clockStepMs);
  return new UsedInWindow(limit, new SlidingWindow(limit.windowMs, windowDrift));
}

/**
 * What a row tells, read at `now`. The clock may be ahead of the one that the times in the row were read off, so they
 * are moved later; but nothing in the row was spent later than now. What was open may have been spent until
 * `openUntil`. The window is the longest that the row knows of, until the limit is told to `change`.
 */
export function usedByRow(bytes: Uint8Array, limit: Limit, by: Allowances, openUntil: number, now: number): UsedUnits {
  const row = readRow(bytes);
  if (row.kind !== limit.kind) throw new Error(`a row of a ${row.kind} is none of a ${limit.kind}`);
  if (row.kind === 'quota') {
    row.count.addUnknown(row.open, row.period, now);
    return new UsedInPeriod(limit as Quota, row.count, by.clockStepMs);
  }
  const moved = (at: number) => Math.min(at + by.clockStepMs, now);
  const buckets = row.buckets.map(({ since, at, units }) => ({ since: moved(since), at: moved(at), units }));
  const used = new UsedInWindow(limit as RateLimit, new SlidingWindow(row.horizonMs, by.windowDrift, { buckets }));
  used.addUnknown(row.open, openUntil);
  return used;
}

/** Whether a row tells nothing that would count, whatever the limit is. */
export function isRowOver(bytes: Uint8Array, by: Allowances, openUntil: number, now: number): boolean {
  const row = readRow(bytes);
  const limit: Limit =
    row.kind === 'quota'
      ? { kind: 'quota', limit: 0, period: row.period }
      : { kind: 'rate', limit: 0, windowMs: row.horizonMs };
  return usedByRow(bytes, limit, by, openUntil, now).isUnused(now);
}
