/**
 * The limits of a tenant for identifiers (domain/limits/identifiers.ts), counted apart from those of keys: visitors
 * decide how many identifiers there are, and a flood of them must push out no key and no counter of one.
 */
import { BudgetGranter } from '../../../domain/limits/budget-granter.ts';
import { BLOCK_LASTS_MS } from '../../../domain/limits/counter.ts';
import { readRow } from '../../../domain/limits/counter-row.ts';
import { endOfCheck } from '../../../domain/limits/identifiers.ts';
import { ALLOWANCES } from '../../../domain/limits/limit.ts';
import { type LimitCharge, type LimitDecision, TenantLimits } from '../../../domain/limits/tenant-limits.ts';
import { MemoryBudget } from '../../../domain/memory/budget.ts';
import type { CheckTable } from './check-table.ts';

/** Counters of identifiers in the memory of an isolate, of all its tenants: some thousands. Others are read again. */
const identifierMemory = new MemoryBudget(4 * 1024 * 1024);

/** Rows that are over and are removed at once to make room: a millisecond or two. */
const REMOVED_AT_ONCE = 100;

export class IdentifierLimits {
  readonly limits: TenantLimits;
  readonly #table: CheckTable;
  /** The time of the last check (ms). */
  #now = Number.NEGATIVE_INFINITY;

  constructor(table: CheckTable, startedAt: number) {
    this.#table = table;
    const granter = new BudgetGranter(crypto.randomUUID());
    const rows = {
      read: (counter: string) => table.read(counter),
      write: (counter: string, row: Uint8Array, overAt: number) =>
        table.write(counter, row, Math.min(endOfRow(row, overAt), endOfCheck(counter, this.#now))),
    };
    this.limits = new TenantLimits(rows, granter, { allowances: ALLOWANCES, memory: identifierMemory }, startedAt);
  }

  /** Decides, and counts if nothing refuses. Returns null when there is no room for the row, and counts nothing. */
  check(charge: LimitCharge, now: number): LimitDecision | null {
    const { counter, cost } = charge;
    this.#now = Math.max(this.#now, now);
    if (cost > 0 && !this.#table.hasRoom(counter)) {
      this.remove(this.#table.over(now, REMOVED_AT_ONCE), now);
      if (!this.#table.hasRoom(counter)) return null;
    }
    return this.limits.decide([charge], null, null, now);
  }

  /** Removes rows that are over, unless memory knows more; then it writes them anew. */
  remove(names: readonly string[], now: number): void {
    for (const name of names) if (this.limits.drop(name, now)) this.#table.remove(name);
  }
}

/** When nothing of a row counts any more (ms): a window after it was written if no block of it is open. */
function endOfRow(row: Uint8Array, overAt: number): number {
  const { kind, open } = readRow(row);
  return kind === 'rate' && open === 0 ? overAt - BLOCK_LASTS_MS : overAt;
}
