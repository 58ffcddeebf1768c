/**
 * All that a tenant's object knows of limits: counters with their rows, what is left with holders, and the decision of
 * a verification. Each method is one turn and belongs in one transaction: what it writes, and what its caller writes.
 * If that transaction does not commit, call `rolledBack`.
 *
 * Pure: times are passed in (ms). A time that is earlier than one before counts as that one.
 */
import { type BudgetAnswer, type BudgetCall, budgetName, type HeldRefusal, SCARCE_SHARE } from './budget.ts';
import type { BudgetGranter } from './budget-granter.ts';
import { Counter, type WriteRow } from './counter.ts';
import { type CreditCharge, type Decision, decide } from './decision.ts';
import type { Allowances, Limit } from './limit.ts';
import { isRowOver } from './used-units.ts';

/** Counters that are kept in memory, at most 15 MB. Those with open budgets come on top. */
const COUNTERS_MAX = 4000;

/** Counters that one turn looks at, to forget them. */
const FORGET_AT_ONCE = 4;

/** The rows of counters. */
export type CounterRows = {
  readonly read: (counter: string) => Uint8Array | null;
  readonly write: (counter: string, row: Uint8Array) => void;
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

type Known = { readonly counter: Counter; readonly write: WriteRow };

export class TenantLimits {
  readonly #rows: CounterRows;
  readonly #granter: BudgetGranter;
  readonly #allowances: Allowances;
  readonly #startedAt: number;
  readonly #countersMax: number;
  #now: number;
  /** The least recently used first. */
  readonly #counters = new Map<string, Known>();
  /** By budget: the name of its counter. */
  readonly #budgets = new Map<string, string>();

  constructor(
    rows: CounterRows,
    granter: BudgetGranter,
    { allowances, countersMax = COUNTERS_MAX }: { allowances: Allowances; countersMax?: number },
    now: number,
  ) {
    this.#rows = rows;
    this.#granter = granter;
    this.#allowances = allowances;
    this.#countersMax = countersMax;
    this.#startedAt = now;
    this.#now = now;
  }

  /** Decides a verification, and answers the holder that asked, if it asked for budgets too. */
  decide(
    charges: readonly LimitCharge[],
    credit: CreditCharge | null,
    turn: HolderTurn | null,
    at: number,
  ): LimitDecision {
    const now = this.#see(at);
    const known = charges.map((charge) => ({ ...charge, ...this.#counter(charge.counter, charge.limit, now) }));
    const taken = turn && this.#granter.take(turn.call, this.#counterOf, turn.leaseMs, now);
    const decided = decide(known, credit, now);
    for (const { counter, limit } of known) {
      if (counter.remaining(now) < SCARCE_SHARE * limit.limit) this.#granter.recall(counter);
    }
    const refusals = refusalsOf(charges, decided);
    const budgets =
      taken && this.#granter.answer(taken, { refusals, leaseMs: turn?.leaseMs ?? 0, counterOf: this.#counterOf }, now);
    this.#forget(now);
    return { ...decided, budgets };
  }

  /** Takes what a holder tells with a call that decides nothing by limits, and answers it. */
  renew(turn: HolderTurn, at: number): BudgetAnswer {
    const now = this.#see(at);
    const taken = this.#granter.take(turn.call, this.#counterOf, turn.leaseMs, now);
    return this.#granter.answer(taken, { refusals: [], leaseMs: turn.leaseMs, counterOf: this.#counterOf }, now);
  }

  /**
   * Takes back what was left with holders, since limits are changed: of these counters, or of all. The change may
   * return when all leases of before are over.
   */
  changed(counters: readonly string[] | 'everything'): void {
    const concerned = counters === 'everything' ? [...this.#counters.keys()] : counters;
    for (const name of concerned) this.#counters.get(name)?.counter.doubtLimit();
    if (counters === 'everything') this.#granter.recallAll();
    else for (const name of counters) this.#recall(name);
  }

  /**
   * Writes all rows as they are. Call it when nobody has asked for some seconds, since the object may be evicted then.
   */
  close(at: number): void {
    const now = this.#see(at);
    for (const { counter, write } of this.#counters.values()) counter.close(now, write);
  }

  /** Removes what is over. Call it now and then. */
  sweep(at: number): void {
    this.#granter.sweep(this.#see(at));
    for (const [budget, counter] of this.#budgets) if (!this.#counters.has(counter)) this.#budgets.delete(budget);
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
      return row === null || isRowOver(row, this.#allowances, this.#startedAt, now);
    }
    if (!known.counter.used.isUnused(now)) return false;
    this.#granter.forget(known.counter);
    this.#counters.delete(name);
    return true;
  }

  /** Call this when the transaction around a turn did not commit: rows may not be what was written. */
  rolledBack(): void {
    for (const { counter } of this.#counters.values()) counter.distrustRow();
  }

  #recall(name: string): void {
    const known = this.#counters.get(name);
    if (known !== undefined) this.#granter.recall(known.counter);
  }

  // ---- counters ----

  #counter(name: string, limit: Limit, now: number): Known {
    const kept = this.#counters.get(name);
    const known = kept ?? this.#load(name, limit, now);
    // The most recently used is last.
    this.#counters.delete(name);
    this.#counters.set(name, known);
    const isTold = kept === undefined || !isSame(kept.counter.limit, limit);
    if (isTold) known.counter.change(limit);
    // A row that knows of a longer window than before keeps what is used from now on for as long.
    if (isTold && known.counter.isAhead) known.counter.close(now, known.write);
    known.counter.confirmLimit();
    this.#budgets.set(budgetName(name, limit), name);
    return known;
  }

  #load(name: string, limit: Limit, now: number): Known {
    const row = this.#rows.read(name);
    const counter =
      row === null
        ? Counter.fresh(limit, this.#allowances)
        : Counter.ofRow(row, limit, this.#allowances, this.#startedAt, now);
    return { counter, write: (bytes) => this.#rows.write(name, bytes) };
  }

  readonly #counterOf = (budget: string): Known | null => {
    const name = this.#budgets.get(budget);
    return (name !== undefined && this.#counters.get(name)) || null;
  };

  /** Forgets some counters that were not used for long, if there are too many. Their rows tell all. */
  #forget(now: number): void {
    let looks = Math.min(this.#counters.size - this.#countersMax, FORGET_AT_ONCE);
    for (const [name, known] of this.#counters) {
      if (looks <= 0) return;
      looks -= 1;
      const { counter, write } = known;
      counter.close(now, write);
      this.#counters.delete(name);
      if (counter.isSettled(now)) this.#granter.forget(counter);
      else this.#counters.set(name, known);
    }
  }

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
  if (a.limit !== b.limit) return false;
  return a.kind === 'rate'
    ? b.kind === 'rate' && a.windowMs === b.windowMs
    : b.kind === 'quota' && a.period === b.period;
}
