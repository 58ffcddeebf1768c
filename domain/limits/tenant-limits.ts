/**
 * All that a tenant's object knows of limits: counters with their rows, what is left with holders, and the decision of
 * a verification. Each method is one turn and belongs in one transaction: what it writes, and what its caller writes.
 * If that transaction does not commit, call `rolledBack`.
 *
 * Pure: times are passed in (ms). A time that is earlier than one before counts as that one.
 */

import type { MemoryBudget } from '../memory/budget.ts';
import { type BudgetAnswer, type BudgetCall, budgetName, type HeldRefusal, SCARCE_SHARE } from './budget.ts';
import type { BudgetGranter } from './budget-granter.ts';
import { Counter } from './counter.ts';
import { CounterCache, type KnownCounter } from './counter-cache.ts';
import { type CreditCharge, type Decision, decide } from './decision.ts';
import type { Allowances, Limit } from './limit.ts';
import { isRowOver } from './used-units.ts';

/** The rows of counters. A row is worth nothing from `overAt` on (ms). */
export type CounterRows = {
  readonly read: (counter: string) => Uint8Array | null;
  readonly write: (counter: string, row: Uint8Array, overAt: number) => void;
};

/** One limit of a verification. `counter` names whose units are counted: a lineage or an owner, and a limit's name. */
export type LimitCharge = {
  readonly name: string;
  readonly counter: string;
  readonly limit: Limit;
  readonly cost: number;
};

/** A call of a holder, and the lease that it is granted (ms, 0 for none). */
export type HolderTurn = { readonly call: BudgetCall; readonly leaseMs: number };

export type LimitDecision = Decision & { readonly budgets: BudgetAnswer | null };

export class TenantLimits {
  readonly #rows: CounterRows;
  readonly #granter: BudgetGranter;
  readonly #allowances: Allowances;
  /**
   * Until when a block may have been spent from that a row has open and memory knows nothing of (ms): by an earlier
   * instance of the object and its holders, or by this one before memory lost the counter.
   */
  #openUntil: number;
  #now: number;
  readonly #counters: CounterCache;
  /** By budget: the name of its counter. */
  readonly #budgets = new Map<string, string>();

  constructor(
    rows: CounterRows,
    granter: BudgetGranter,
    { allowances, memory }: { allowances: Allowances; memory?: MemoryBudget },
    now: number,
  ) {
    this.#rows = rows;
    this.#granter = granter;
    this.#allowances = allowances;
    this.#openUntil = now + allowances.unknownLeaseMs;
    this.#now = now;
    const mayGo = (counter: Counter) => counter.used.outstandingUnits(this.#now) === 0;
    const gone = (counter: Counter) => {
      if (!counter.isSettled(this.#now)) this.#openUntil = Math.max(this.#openUntil, this.#now);
      this.#granter.forget(counter);
    };
    this.#counters = new CounterCache({ mayGo, gone }, memory);
  }

  /** Decides a verification, and answers the holder that asked, if it asked for budgets too. */
  decide(
    charges: readonly LimitCharge[],
    credit: CreditCharge | null,
    turn: HolderTurn | null,
    at: number,
  ): LimitDecision {
    const now = this.#see(at);
    const known = charges.map(({ name, counter, limit, cost }) => {
      const found = this.#counter(counter, limit, now);
      return { name, limit, cost, counter: found.counter, write: found.write };
    });
    if (turn !== null) for (const { counter, limit } of charges) this.#budgets.set(budgetName(counter, limit), counter);
    const taken = turn && this.#granter.take(turn.call, this.#counterOf, turn.leaseMs, now);
    if (turn !== null) this.#reportedOn(turn.call, now);
    const decided = decide(known, credit, now);
    for (const { counter, limit } of known) {
      if (counter.remaining(now) < SCARCE_SHARE * limit.limit) this.#granter.recall(counter);
    }
    for (const { counter } of charges) this.#counters.used(counter, now);
    if (taken === null || turn === null) return { ...decided, budgets: null };
    const refusals = refusalsOf(charges, decided);
    const budgets = this.#granter.answer(taken, { refusals, leaseMs: turn.leaseMs, counterOf: this.#counterOf }, now);
    for (const { counter } of charges) this.#counters.used(counter, now);
    return { ...decided, budgets };
  }

  /** Takes what a holder tells with a call that decides nothing by limits, and answers it. */
  renew(turn: HolderTurn, at: number): BudgetAnswer {
    const now = this.#see(at);
    const taken = this.#granter.take(turn.call, this.#counterOf, turn.leaseMs, now);
    this.#reportedOn(turn.call, now);
    return this.#granter.answer(taken, { refusals: [], leaseMs: turn.leaseMs, counterOf: this.#counterOf }, now);
  }

  /**
   * Takes back what was left with holders, since limits are changed: of these counters, or of all. The change may
   * return when all leases of before are over.
   */
  changed(counters: readonly string[] | 'everything'): void {
    const concerned = counters === 'everything' ? [...this.#counters.names()] : counters;
    for (const name of concerned) this.#counters.get(name)?.counter.doubtLimit();
    if (counters === 'everything') this.#granter.recallAll();
    else for (const name of counters) this.#recall(name);
  }

  /** Writes all rows as they are, so that a sleep of the object loses nothing. */
  close(at: number): void {
    const now = this.#see(at);
    for (const { counter, write } of this.#counters.all()) counter.close(now, write);
  }

  /** Whether rows are to be written before the object sleeps. */
  get hasOpen(): boolean {
    return this.#counters.hasOpen;
  }

  /**
   * Writes up to `max` of these rows, of counters that were not used for `unusedMs`. Returns whether it stopped there.
   */
  closeUnused(unusedMs: number, max: number, at: number): boolean {
    const now = this.#see(at);
    return this.#counters.closeUnused(now - unusedMs, max, now);
  }

  /** In how long the first row is to be written of a counter that was not used for `unusedMs` (ms); null for none. */
  untilUnused(unusedMs: number, at: number): number | null {
    const usedAt = this.#counters.firstUsedAt();
    return usedAt === null ? null : usedAt + unusedMs - this.#see(at);
  }

  /**
   * Drops a counter whose row is worth nothing any more by `overAt`. Returns whether the row may be deleted. It may not
   * if memory knows more: then it is written anew.
   */
  drop(counter: string, at: number): boolean {
    const now = this.#see(at);
    const known = this.#counters.get(counter);
    if (known === undefined) return true;
    if (!known.counter.isSettled(now)) {
      known.counter.rewrite(now, known.write);
      return false;
    }
    this.#counters.delete(counter);
    return true;
  }

  /** Removes what is over. Call it now and then. */
  sweep(at: number): void {
    this.#granter.sweep(this.#see(at));
    for (const [budget, counter] of this.#budgets) {
      if (!this.#counters.has(counter)) this.#budgets.delete(budget);
    }
  }

  /**
   * Whether the row of this counter can be removed: it tells nothing that counts, whatever the limit is changed to.
   * Then memory forgets the counter too, so the row must be removed in the same turn.
   */
  isOver(name: string, at: number): boolean {
    const now = this.#see(at);
    const known = this.#counters.get(name);
    if (known === undefined) {
      const row = this.#rows.read(name);
      return row === null || isRowOver(row, this.#allowances, this.#openUntil, now);
    }
    if (!known.counter.used.isUnused(now)) return false;
    this.#counters.delete(name);
    return true;
  }

  /** Call this when the transaction around a turn did not commit: rows may not be what was written. */
  rolledBack(): void {
    for (const { counter } of this.#counters.all()) counter.distrustRow();
  }

  /** What reports have settled is to be written before the object sleeps, as what was spent is. */
  #reportedOn({ reports }: BudgetCall, now: number): void {
    for (const { budget } of reports) {
      const counter = this.#budgets.get(budget);
      if (counter !== undefined) this.#counters.used(counter, now);
    }
  }

  #recall(name: string): void {
    const known = this.#counters.get(name);
    if (known !== undefined) this.#granter.recall(known.counter);
  }

  // ---- counters ----

  #counter(name: string, limit: Limit, now: number): KnownCounter {
    const known = this.#counters.get(name) ?? this.#load(name, limit, now);
    const { counter, write } = known;
    if (!isSame(counter.limit, limit)) {
      counter.change(limit);
      this.#counters.resized(name);
    }
    // The row has to know of a window that is longer than any before, also where it was read for that one.
    if (counter.hasLongerWindow) counter.rewrite(now, write);
    counter.confirmLimit();
    return known;
  }

  #load(name: string, limit: Limit, now: number): KnownCounter {
    const row = this.#rows.read(name);
    const counter =
      row === null
        ? Counter.fresh(limit, this.#allowances)
        : Counter.ofRow(row, limit, this.#allowances, this.#openUntil, now);
    const known: KnownCounter = { counter, write: (bytes, overAt) => this.#rows.write(name, bytes, overAt) };
    this.#counters.add(name, known);
    return known;
  }

  readonly #counterOf = (budget: string): KnownCounter | null => {
    const name = this.#budgets.get(budget);
    return (name !== undefined && this.#counters.get(name)) || null;
  };

  #see(at: number): number {
    this.#now = Math.max(this.#now, at);
    return this.#now;
  }
}

function refusalsOf(charges: readonly LimitCharge[], { limits }: Decision): HeldRefusal[] {
  return charges.flatMap(({ counter, limit, cost }, i) => {
    const result = limits[i];
    if (result?.retryAfterMs === undefined) return [];
    const { limit: units, remaining, resetsAt, retryAfterMs } = result;
    return [
      { budget: budgetName(counter, limit), cost, standing: { limit: units, remaining, resetsAt }, retryAfterMs },
    ];
  });
}

function isSame(a: Limit, b: Limit): boolean {
  if (a === b) return true;
  if (a.limit !== b.limit) return false;
  return a.kind === 'rate'
    ? b.kind === 'rate' && a.windowMs === b.windowMs
    : b.kind === 'quota' && a.period === b.period;
}
