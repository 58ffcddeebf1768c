/**
 * Results of the latest mutations, so that a call which is repeated because its answer was lost gets the first answer again, whole, though the
 * object was started anew meanwhile and others changed the same keys. Mutations with an `Idempotency-Key` need none: their answer is kept for a
 * day anyway (idempotency.ts).
 *
 * The Worker repeats a call within a second or two, so only the last `ROWS` are kept, written over and over in place: the table neither grows nor
 * needs a purge.
 */
import { textParts } from '../sql/text-parts.ts';

/** Rows kept. Above what one object can be asked to change within the Worker's retries. */
const ROWS = 256;
/** Rows are written over from the start when this one was the last: a result of many rows must not write over itself. */
const ROWS_OF_ONE_RESULT_MAX = 32;

export const RESULT_QUERIES = {
  last: 'SELECT slot FROM results ORDER BY at DESC, slot DESC LIMIT 1',
  put: 'INSERT OR REPLACE INTO results (slot, operation, part, at, result) VALUES (?, ?, ?, ?, ?)',
  find: 'SELECT result FROM results WHERE operation = ? ORDER BY part',
} as const;

export class Results {
  readonly #sql: SqlStorage;
  /** Slot of the next row, null while this instance has not looked. */
  #next: number | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Keeps the JSON text of a result. Call inside the mutation's transaction. */
  keep(commandId: string, result: string, now: number): void {
    const parts = textParts(result);
    if (parts.length > ROWS_OF_ONE_RESULT_MAX) throw new Error('a result larger than any answer can be');
    this.#next ??= (this.#sql.exec<{ slot: number }>(RESULT_QUERIES.last).toArray()[0]?.slot ?? -1) + 1;
    for (const [part, text] of parts.entries()) {
      this.#next %= ROWS;
      this.#sql.exec(RESULT_QUERIES.put, this.#next, commandId, part, now, text);
      this.#next += 1;
    }
  }

  /** The JSON text of the result, null when it is not among the latest. */
  find(commandId: string): string | null {
    const parts = this.#sql.exec<{ result: string }>(RESULT_QUERIES.find, commandId).toArray();
    return parts.length === 0 ? null : parts.map(({ result }) => result).join('');
  }
}
