/**
 * The table `counters`: a row for each limit that something was used of (domain/limits/counter.ts). A row is deleted
 * when nothing in it counts any more.
 */

/** Part of released migrations: never edit it, comments included (tenant/migrations.ts). */
export const COUNTER_TABLES = `
  CREATE TABLE counters (
    seq INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    state BLOB NOT NULL,
    over_at INTEGER NOT NULL  -- when nothing of the state counts any more, or later
  ) STRICT;
  CREATE UNIQUE INDEX counters_by_name ON counters (name);
  CREATE INDEX counters_by_end ON counters (over_at);
`;

export const COUNTER_QUERIES = {
  read: 'SELECT state FROM counters WHERE name = ?',
  update: 'UPDATE counters SET state = ? WHERE name = ? AND over_at >= ?',
  upsert: `INSERT INTO counters (name, state, over_at) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET (state, over_at) = (excluded.state, excluded.over_at)`,
  firstOver: 'SELECT over_at AS at FROM counters ORDER BY over_at LIMIT 1',
  over: 'SELECT name FROM counters WHERE over_at <= ? ORDER BY over_at LIMIT ?',
  countOver: 'SELECT count(*) AS n FROM (SELECT 1 FROM counters WHERE over_at <= ? LIMIT ?)',
  remove: 'DELETE FROM counters WHERE name = ?',
} as const;

/**
 * `over_at` is rounded up to this (ms), and is later by as much, so that few writes of a state change its index. Rows
 * that end together are deleted together.
 */
const ROUNDED_TO_MS = 3_600_000;
/** How much later a row is deleted (ms): clocks differ, and holders may spend what an earlier instance granted them. */
const SLACK_MS = 60_000;

export class CounterTable {
  readonly #sql: SqlStorage;
  #endsAt: number | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  read(name: string): Uint8Array | null {
    const row = this.#sql.exec<{ state: ArrayBuffer }>(COUNTER_QUERIES.read, name).toArray()[0];
    return row === undefined ? null : new Uint8Array(row.state);
  }

  /** Writes a state of which nothing counts any more from `overAt` on (ms). */
  write(name: string, state: Uint8Array, overAt: number): void {
    const bytes = new Uint8Array(state).buffer;
    const until = overAt + SLACK_MS;
    const { rowsWritten } = this.#sql.exec(COUNTER_QUERIES.update, bytes, name, until);
    if (rowsWritten > 0) return;
    const roundedUp = (Math.ceil(until / ROUNDED_TO_MS) + 1) * ROUNDED_TO_MS;
    this.#sql.exec(COUNTER_QUERIES.upsert, name, bytes, roundedUp);
    this.#endsAt = Math.min(this.#endsAt ?? roundedUp, roundedUp);
  }

  /** When the first row may be deleted of those whose end was written since the last call (ms); null for none. */
  takeEnd(): number | null {
    const endsAt = this.#endsAt;
    this.#endsAt = null;
    return endsAt;
  }

  remove(name: string): void {
    this.#sql.exec(COUNTER_QUERIES.remove, name);
  }

  /** When the first row may be deleted (ms); null when there is none. */
  firstOverAt(): number | null {
    return this.#sql.exec<{ at: number }>(COUNTER_QUERIES.firstOver).toArray()[0]?.at ?? null;
  }

  /** Names of up to `limit` counters whose rows may be deleted at `now` (ms). */
  over(now: number, limit: number): string[] {
    const rows = this.#sql.exec<{ name: string }>(COUNTER_QUERIES.over, now, limit).toArray();
    return rows.map(({ name }) => name);
  }

  /** How many there are, counted up to `limit`. */
  countOver(now: number, limit: number): number {
    return this.#sql.exec<{ n: number }>(COUNTER_QUERIES.countOver, now, limit).one().n;
  }
}
