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
  last: 'SELECT slot, at FROM results ORDER BY at DESC LIMIT 1',
  put: 'INSERT OR REPLACE INTO results (slot, operation, part, at, result) VALUES (?, ?, ?, ?, ?)',
  find: 'SELECT result FROM results WHERE operation = ? ORDER BY part',
} as const;

const NONE = { slot: -1, at: 0 };

export class Results {
  readonly #sql: SqlStorage;
  /** The row written last; null before the first look. */
  #last: { readonly slot: number; readonly at: number } | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Keeps the JSON text of a result. Call it inside the mutation's transaction. */
  keep(commandId: string, result: string, now: number): void {
    const parts = textParts(result);
    if (parts.length > ROWS_OF_ONE_RESULT_MAX) throw new Error('the result is too large to be kept');
    let { slot, at } =
      this.#last ?? this.#sql.exec<{ slot: number; at: number }>(RESULT_QUERIES.last).toArray()[0] ?? NONE;
    for (const [part, text] of parts.entries()) {
      slot = (slot + 1) % ROWS;
      // Strictly later than the row before, also where the clock was set back: the latest row tells where to go on.
      at = Math.max(now, at + 1);
      this.#sql.exec(RESULT_QUERIES.put, slot, commandId, part, at, text);
    }
    this.#last = { slot, at };
  }

  /** The JSON text of the result; null when it is not among the latest. */
  find(commandId: string): string | null {
    const parts = this.#sql.exec<{ result: string }>(RESULT_QUERIES.find, commandId).toArray();
    return parts.length === 0 ? null : parts.map(({ result }) => result).join('');
  }
}
