/**
 * Results of the latest mutations. A call that the Worker repeats because the result was lost on its way gets the first
 * result again, even if the object was started anew meanwhile or others changed the same keys. Mutations with an
 * `Idempotency-Key` need no row here: their results are kept for a day anyway (../idempotency-store.ts).
 *
 * The Worker repeats a call within a second or two. So only the last `ROWS` rows are kept and overwritten in turn: the
 * table neither grows nor needs a purge.
 */
import { textParts } from '../sql/text-parts.ts';

/**
 * Rows kept. If so many changes come between a call and its repetition that its result is overwritten, the repetition
 * fails; it never applies the change twice (`TenantState`).
 */
const ROWS = 256;
/** Rows that one result may take. A result that took more than `ROWS` would overwrite itself. */
const ROWS_OF_ONE_RESULT_MAX = 32;

export const RESULT_QUERIES = {
  last: 'SELECT slot FROM results ORDER BY at DESC, slot DESC LIMIT 1',
  put: 'INSERT OR REPLACE INTO results (slot, operation, part, at, result) VALUES (?, ?, ?, ?, ?)',
  find: 'SELECT result FROM results WHERE operation = ? ORDER BY part',
} as const;

export class Results {
  readonly #sql: SqlStorage;
  /** Slot of the next row; null before the first look. */
  #next: number | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Keeps the JSON text of a result. Call it inside the mutation's transaction. */
  keep(commandId: string, result: string, now: number): void {
    const parts = textParts(result);
    if (parts.length > ROWS_OF_ONE_RESULT_MAX) throw new Error('the result is too large to be kept');
    this.#next ??= (this.#sql.exec<{ slot: number }>(RESULT_QUERIES.last).toArray()[0]?.slot ?? -1) + 1;
    for (const [part, text] of parts.entries()) {
      this.#next %= ROWS;
      this.#sql.exec(RESULT_QUERIES.put, this.#next, commandId, part, now, text);
      this.#next += 1;
    }
  }

  /** The JSON text of the result; null when it is not among the latest. */
  find(commandId: string): string | null {
    const parts = this.#sql.exec<{ result: string }>(RESULT_QUERIES.find, commandId).toArray();
    return parts.length === 0 ? null : parts.map(({ result }) => result).join('');
  }
}
