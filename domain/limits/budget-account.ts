/** What the object knows of one budget of one holder. */
import { type BudgetGrant, type BudgetReport, budgetUnits, inlastMs } from './budget.ts';
import type { Counter, WriteRow } from './counter.ts';
import type { Limit } from './limit.ts';
import type { Outstanding } from './used-units.ts';

/** A budget of which a holder has nothing is remembered for so long, to know how much it used. */
const FORGET_AFTER_MS = 60_000;

/**
 * How much of the use in earlier leases counts in the next one. Use at random times varies from lease to lease, and who
 * gets too few units needs a call.
 */
const USE_KEPT = 0.9;

/** A holder as the object knows it. */
export type KnownHolder = {
  /** When the last lease that it was granted is over (ms). */
  end: number;
};

/** Units that a holder may spend: until its lease is over, or earlier. */
class LentUnits implements Outstanding {
  units = 0;
  readonly #holder: KnownHolder;
  #notAfter: number;
  /**
   * Start of the period that they were lent in (ms); 0 for a rate limit. If the clock has gone back, that is later than
   * now, and they count in that period all the same.
   */
  readonly #era: number;

  constructor(holder: KnownHolder, notAfter: number, era = 0) {
    this.#holder = holder;
    this.#notAfter = notAfter;
    this.#era = era;
  }

  get end(): number {
    return Math.max(Math.min(this.#holder.end, this.#notAfter), this.#era);
  }

  get notAfter(): number {
    return this.#notAfter;
  }

  /** Lets no further lease last for these units. */
  freeze(): void {
    this.#notAfter = this.end;
  }
}

export class BudgetAccount {
  readonly budget: string;
  readonly counter: Counter;
  readonly limit: Limit;
  readonly #holder: KnownHolder;
  #lent: LentUnits;
  // Running totals, as the holder will report them.
  #granted = 0;
  #spent = 0;
  #returned = 0;
  /** The last report. */
  #call = -1;
  #reportedAt: number;
  /** Units that the holder used in its last lease. */
  #use = 1;
  /** The recall of this budget; null when it is not recalled. */
  #recall: number | null = null;

  constructor(budget: string, counter: Counter, holder: KnownHolder, now: number) {
    this.budget = budget;
    this.counter = counter;
    this.limit = counter.limit;
    this.#holder = holder;
    this.#lent = new LentUnits(holder, Number.POSITIVE_INFINITY);
    this.#reportedAt = now;
  }

  get recall(): number | null {
    return this.#recall;
  }

  /** Units that the holder has, or that are on their way to it. */
  get units(): number {
    return this.#lent.units;
  }

  /** When the last of them can be spent (ms). */
  get end(): number {
    return this.#lent.end;
  }

  /** Whether nothing more is to be heard about units that count. */
  isOver(now: number): boolean {
    if (this.#lent.units === 0) return now - this.#reportedAt > FORGET_AFTER_MS;
    return this.counter.used.isOver(this.#lent.end, now);
  }

  /** Recalls what the holder has. Call it before the holder's lease is renewed. */
  recallBy(seq: number): void {
    if (this.#recall !== null) return;
    this.#lent.freeze();
    this.#recall = seq;
  }

  /** Whether the holder has units whose time is over, and does not seem to know. */
  isOverdue(now: number): boolean {
    return this.#recall === null && this.#lent.units > 0 && this.#lent.end <= now;
  }

  /** Takes over what a holder tells of a budget that is not known any more, and of which it has nothing. */
  adopt({ call, granted, spent, returned }: BudgetReport): void {
    this.#call = call;
    this.#granted = granted;
    this.#spent = spent;
    this.#returned = returned;
  }

  /** Takes a report. Returns whether it is news: not one that was overtaken or repeated. */
  report({ call, granted, spent, returned }: BudgetReport, leaseMs: number, now: number): boolean {
    if (call <= this.#call) return false;
    this.#call = call;
    if (spent < this.#spent || returned < this.#returned) this.#startAnew();
    // The holder takes no answer to an earlier call any more. What such an answer would have brought comes back.
    const missed = this.#granted - granted;
    const used = spent - this.#spent;
    this.counter.settle(this.#lent, { spent: used, returned: returned - this.#returned + missed }, now);
    this.#granted = granted;
    this.#spent = spent;
    this.#returned = returned;
    this.#noteUse(used, leaseMs, now);
    if (granted === spent + returned) this.#recall = null;
    return true;
  }

  /** The holder had forgotten this budget. What it had counts until it cannot be spent any more. */
  #startAnew(): void {
    this.#lent.freeze();
    this.#lent = new LentUnits(this.#holder, Number.POSITIVE_INFINITY);
    this.#granted = 0;
    this.#spent = 0;
    this.#returned = 0;
  }

  /** Grants units in answer to a report that is news. */
  lend(now: number, write: WriteRow): void {
    const { counter } = this;
    if (this.#recall !== null) return;
    if (this.#lent.units === 0) {
      const { used } = counter;
      this.#lent = new LentUnits(this.#holder, used.spendableUntil(now), used.era(now));
    }
    if (this.#lent.end <= now || !counter.mayLend || !this.#isOfPresentLimit || counter.wasTight(now)) return;
    const units = budgetUnits({
      limit: this.limit.limit,
      remaining: counter.remaining(now),
      held: this.#lent.units,
      outstanding: counter.used.outstandingUnits(now),
      used: this.#use,
    });
    if (units === 0) return;
    counter.lend(units, this.#lent, now, write);
    this.#granted += units;
  }

  /** What the answer to this report says; null if nothing. */
  answer({ call }: BudgetReport, now: number): BudgetGrant | null {
    if (this.#recall !== null || call !== this.#call) return null;
    const forMs = this.limit.kind === 'quota' ? inlastMs(this.#lent.notAfter - now) : null;
    return { budget: this.budget, call, granted: this.#granted, forMs, standing: this.counter.standing(now) };
  }

  /** Another key with another limit may share the counter. */
  get #isOfPresentLimit(): boolean {
    const { limit } = this.counter;
    if (limit.limit !== this.limit.limit) return false;
    return limit.kind === 'rate'
      ? this.limit.kind === 'rate' && limit.windowMs === this.limit.windowMs
      : this.limit.kind === 'quota' && limit.period === this.limit.period;
  }

  #noteUse(used: number, leaseMs: number, now: number): void {
    const leases = Math.max((now - this.#reportedAt) / leaseMs, 1);
    this.#use = Math.max(used / leases, this.#use * USE_KEPT, 1);
    this.#reportedAt = now;
  }
}
