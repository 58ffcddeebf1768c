/**
 * The counter of one limit, in the object that decides. Whoever spends units may spend only what was written off to it
 * beforehand: holders, out of budgets (budget-granter.ts), and the memory of the object likewise. Before memory spends,
 * it writes off a block of units in the counter's row; what is open in the row counts as spent when a later instance
 * of the object reads it. So a crash loses units, and never brings any back. Blocks grow 1, 2, 4 … up to a 20th of the
 * limit, so that what a crash or an eviction loses is never more than what was used since the start.
 *
 * Pure: times are passed in (ms), and must never go back within one instance. `write` writes the row. It must be in the
 * same transaction as all else that is decided in this turn, and no answer may leave before it is durable.
 */
import type { Allowances, Limit, Quota, RateLimit, Standing } from './limit.ts';
import {
  noneUsed,
  type Outstanding,
  type UsedInPeriod,
  type UsedInWindow,
  type UsedUnits,
  usedByRow,
} from './used-units.ts';

/** Of the limit, the largest part that is written off to memory at once. */
const BLOCK_SHARE = 1 / 20;

/** A block is void so long after it was written (ms), so that it is known when its row is worth nothing any more. */
export const BLOCK_LASTS_MS = 3_600_000;

/** Share of the limit from which on a limit counts as nearly used up. */
const TIGHT_SHARE = 0.8;

/** Writes the row. `overAt` is when nothing of it counts any more (ms). */
export type WriteRow = (bytes: Uint8Array, overAt: number) => void;

export class Counter {
  #limit: Limit;
  readonly #used: UsedUnits;
  /** Units that the row has written off and memory may spend. */
  #rest = 0;
  /** Size of the next block. */
  #next = 1;
  #era = 0;
  /** When the row was written (ms). */
  #writtenAt = 0;
  /** Whether the row covers all that is outstanding and `#rest`. */
  #isRowGood = false;
  /** Whether memory knows more than the row tells, beside what is outstanding. */
  #isAhead = false;
  #hasLongerWindow = false;
  /** Whether the limit may have been changed since it was last told. */
  #isDoubted = false;
  /** When the limit was nearly used up last (ms). */
  #tightAt = Number.NEGATIVE_INFINITY;

  constructor(limit: Limit, used: UsedUnits) {
    this.#limit = limit;
    this.#used = used;
  }

  static fresh(limit: Limit, allowances: Allowances): Counter {
    return new Counter(limit, noneUsed(limit, allowances));
  }

  /** The counter of a row. What is open in the row may have been spent until `openUntil` (ms). */
  static ofRow(bytes: Uint8Array, limit: Limit, allowances: Allowances, openUntil: number, now: number): Counter {
    const counter = new Counter(limit, usedByRow(bytes, limit, allowances, openUntil, now));
    counter.change(limit);
    return counter;
  }

  get limit(): Limit {
    return this.#limit;
  }

  get used(): UsedUnits {
    return this.#used;
  }

  /**
   * Changes the limit. What was used stays used: a higher limit counts at once, a lower one brings nothing back.
   */
  change(limit: Limit): void {
    if (limit.kind !== this.#limit.kind) throw new Error('a rate limit and a quota never share a counter');
    this.#limit = limit;
    if (limit.kind === 'quota') {
      // The row states the kind of period that its open block is for.
      this.#isRowGood = false;
      (this.#used as UsedInPeriod).change(limit as Quota);
      return;
    }
    const isLongest = (this.#used as UsedInWindow).change(limit as RateLimit);
    this.#hasLongerWindow ||= isLongest;
  }

  /** Whether the window is longer than the row knows, so that the row has to be written. */
  get hasLongerWindow(): boolean {
    return this.#hasLongerWindow;
  }

  /** Says that the limit may have been changed: nothing is lent by it before it is told again. */
  doubtLimit(): void {
    this.#isDoubted = true;
  }

  /** Says that the limit is as it is known. */
  confirmLimit(): void {
    this.#isDoubted = false;
  }

  get mayLend(): boolean {
    return !this.#isDoubted;
  }

  // ---- questions ----

  remaining(now: number): number {
    return Math.max(this.#limit.limit - this.#used.used(now), 0);
  }

  /** Whether this may be spent. A cost of 0 asks, and is always granted. */
  admits(cost: number, now: number): boolean {
    return cost === 0 || cost <= this.remaining(now);
  }

  standing(now: number): Standing {
    return { limit: this.#limit.limit, remaining: this.remaining(now), resetsAt: this.#used.resetsAt(now) };
  }

  /** In how long this may be spent (ms) if nothing else is; null for never. */
  retryAfterMs(cost: number, now: number): number | null {
    if (cost > this.#limit.limit) return null;
    const missing = cost - (this.#limit.limit - this.#used.used(now));
    return missing <= 0 || cost === 0 ? 0 : this.#used.freeIn(missing, now);
  }

  /** Whether the limit was nearly used up in the last two windows; for a quota, whether it is. */
  wasTight(now: number): boolean {
    this.#noteTight(now);
    return this.#limit.kind === 'rate' && now - this.#tightAt < 2 * this.#limit.windowMs;
  }

  // ---- spending ----

  /** Spends what `admits` has granted. */
  spend(cost: number, now: number, write: WriteRow): void {
    const block = this.#covers(cost, now) ? null : this.#nextBlock(cost, now);
    this.#used.addSpent(cost, now, now);
    this.#isAhead = true;
    if (block === null) this.#rest -= cost;
    else this.#open(block - cost, 0, now, write);
    this.#noteTight(now);
  }

  /** Lends units to a holder, who may spend them until the `end` that `outstanding` says. */
  lend(units: number, outstanding: Outstanding, now: number, write: WriteRow): void {
    if (this.#covers(units, now)) this.#rest -= units;
    else this.#open(this.#nextBlock(units, now) - units, units, now, write);
    outstanding.units += units;
    this.#used.lend(outstanding);
  }

  /** Takes a report of what became of outstanding units. */
  settle(outstanding: Outstanding, { spent, returned }: { spent: number; returned: number }, now: number): void {
    const back = Math.min(Math.max(returned, 0), Math.max(outstanding.units - spent, 0));
    // What was outstanding in a window or a period that is over is not covered by the row any more.
    if (this.#used.counts(outstanding.end, now) && this.#era === this.#used.era(now)) this.#rest += back;
    outstanding.units = Math.max(outstanding.units - spent - back, 0);
    this.#isAhead = true;
    this.#used.addSpent(spent, Math.min(now, outstanding.end), now);
    this.#noteTight(now);
  }

  /**
   * Writes the row as it is, without an open block. Call it before an object sleeps, so that it loses nothing, and
   * before it forgets the counter.
   */
  close(now: number, write: WriteRow): void {
    if (this.isOpen) this.#open(0, 0, now, write);
  }

  /** Writes the row as it is, whatever is open. */
  rewrite(now: number, write: WriteRow): void {
    this.#open(0, 0, now, write);
  }

  /** Call this when a row may not have been written, because its transaction was rolled back. */
  distrustRow(): void {
    this.#isRowGood = false;
    this.#isAhead = true;
  }

  /** Whether the row tells all, so that the counter may be forgotten. */
  isSettled(now: number): boolean {
    return !this.isOpen && this.#used.outstandingUnits(now) === 0;
  }

  /** Whether the row is to be written before this counter is forgotten, lest more counts than was used. */
  get isOpen(): boolean {
    return this.#isAhead || this.#hasLongerWindow || this.#rest > 0;
  }

  /** Whether these units are written off already. */
  #covers(units: number, now: number): boolean {
    const isOld = now - this.#writtenAt >= BLOCK_LASTS_MS;
    if (isOld || this.#era !== this.#used.era(now) || !this.#isRowGood) this.#rest = 0;
    return this.#rest >= units;
  }

  /** Size of a block that has these units and some more. */
  #nextBlock(units: number, now: number): number {
    const largest = Math.max(1, Math.floor(this.#limit.limit * BLOCK_SHARE));
    const block = Math.max(units, Math.min(this.#next, largest, this.remaining(now)));
    this.#next = Math.min(2 * this.#next, largest);
    return block;
  }

  /** Writes off `rest` units to memory, and `lent` units that are about to be outstanding. */
  #open(rest: number, lent: number, now: number, write: WriteRow): void {
    this.distrustRow();
    write(this.#row(rest + lent, now), this.#used.overAt(now + BLOCK_LASTS_MS));
    this.#isRowGood = true;
    this.#writtenAt = now;
    this.#hasLongerWindow = false;
    this.#isAhead = rest > 0;
    this.#era = this.#used.era(now);
    this.#rest = rest;
  }

  /** The row, with units that are written off beside those that are outstanding. */
  #row(open: number, now: number): Uint8Array {
    return this.#used.row(open + this.#used.outstandingUnits(now));
  }

  #noteTight(now: number): void {
    if (this.#used.used(now) >= TIGHT_SHARE * this.#limit.limit) this.#tightAt = now;
  }
}
