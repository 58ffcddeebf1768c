/**
 * The table `checks`: a row for each identifier and limit of the tenant that something was used of. Visitors decide how
 * many there are, so all rows together are bounded by bytes. What still counts is never removed to make room, since
 * that would reopen a limit: when there is none, a check is refused instead.
 *
 * The size of all rows is kept in a row of its own, in the same transaction, so nobody has to add up the table.
 */

/** Part of released migrations: never edit it, comments included (tenant/migrations.ts). */
export const CHECK_TABLES = `
  ALTER TABLE tenant ADD COLUMN rate_limits TEXT;
  ALTER TABLE tenant ADD COLUMN quotas TEXT;
  CREATE TABLE checks (
    name TEXT PRIMARY KEY,    -- kind and name of a limit, digest of an identifier
    state BLOB NOT NULL,
    over_at INTEGER NOT NULL  -- when nothing of the state counts any more, or later
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX checks_by_end ON checks (over_at);
  CREATE TABLE checks_size (bytes INTEGER NOT NULL) STRICT;
  INSERT INTO checks_size VALUES (0);
`;

export const CHECK_QUERIES = {
  read: 'SELECT state FROM checks WHERE name = ?',
  size: 'SELECT length(state) AS bytes, over_at FROM checks WHERE name = ?',
  insert: 'INSERT INTO checks (name, state, over_at) VALUES (?, ?, ?)',
  update: 'UPDATE checks SET state = ? WHERE name = ?',
  updateEnd: 'UPDATE checks SET (state, over_at) = (?, ?) WHERE name = ?',
  firstOver: 'SELECT over_at AS at FROM checks ORDER BY over_at LIMIT 1',
  over: 'SELECT name FROM checks WHERE over_at <= ? ORDER BY over_at LIMIT ?',
  countOver: 'SELECT count(*) AS n FROM (SELECT 1 FROM checks WHERE over_at <= ? LIMIT ?)',
  remove: 'DELETE FROM checks WHERE name = ?',
  bytes: 'SELECT bytes FROM checks_size',
  grow: 'UPDATE checks_size SET bytes = bytes + ?',
} as const;

/** Bytes of all rows: some 80,000 identifiers with a small limit, 16,000 with one of 60 and more that are used up. */
export const CHECKS_BYTES_MAX = 16 * 1024 * 1024;
/** Share of these that only identifiers may use that have a row already, since a row grows with use. */
const GROWTH_SHARE = 1 / 8;
/** What a row takes beside its state and twice its name, which the index has too. */
const ROW_BYTES = 40;

/** `over_at` is rounded up to this (ms), so that few writes of a state change the index. */
const ROUNDED_TO_MS = 60_000;
/** How much later a row is over (ms), since clocks differ. */
const SLACK_MS = 60_000;

export class CheckTable {
  readonly #sql: SqlStorage;
  readonly #bytesMax: number;
  #endsAt: number | null = null;

  constructor(sql: SqlStorage, bytesMax = CHECKS_BYTES_MAX) {
    this.#sql = sql;
    this.#bytesMax = bytesMax;
  }

  read(name: string): Uint8Array | null {
    const row = this.#sql.exec<{ state: ArrayBuffer }>(CHECK_QUERIES.read, name).toArray()[0];
    return row === undefined ? null : new Uint8Array(row.state);
  }

  /** Whether there is room to write this row. */
  hasRoom(name: string): boolean {
    const free = this.#bytesMax - this.bytes;
    return free > this.#bytesMax * GROWTH_SHARE || (free > 0 && this.#size(name) !== undefined);
  }

  /** The size of all rows (bytes). */
  get bytes(): number {
    return this.#sql.exec<{ bytes: number }>(CHECK_QUERIES.bytes).one().bytes;
  }

  #size(name: string): { bytes: number; over_at: number } | undefined {
    return this.#sql.exec<{ bytes: number; over_at: number }>(CHECK_QUERIES.size, name).toArray()[0];
  }

  /** Writes a state of which nothing counts any more from `overAt` on (ms). */
  write(name: string, state: Uint8Array, overAt: number): void {
    const bytes = new Uint8Array(state).buffer;
    const until = Math.ceil((overAt + SLACK_MS) / ROUNDED_TO_MS) * ROUNDED_TO_MS;
    const before = this.#size(name);
    if (before === undefined) this.#sql.exec(CHECK_QUERIES.insert, name, bytes, until);
    else if (before.over_at === until) this.#sql.exec(CHECK_QUERIES.update, bytes, name);
    else this.#sql.exec(CHECK_QUERIES.updateEnd, bytes, until, name);
    this.#grow(state.length - (before === undefined ? -rowBytes(name) : before.bytes));
    this.#endsAt = Math.min(this.#endsAt ?? until, until);
  }

  #grow(bytes: number): void {
    if (bytes !== 0) this.#sql.exec(CHECK_QUERIES.grow, bytes);
  }

  /** When the first row is over of those that were written since the last call (ms); null for none. */
  takeEnd(): number | null {
    const endsAt = this.#endsAt;
    this.#endsAt = null;
    return endsAt;
  }

  remove(name: string): void {
    const before = this.#size(name);
    if (before === undefined) return;
    this.#sql.exec(CHECK_QUERIES.remove, name);
    this.#grow(-before.bytes - rowBytes(name));
  }

  /** When the first row is over (ms); null when there is none. */
  firstOverAt(): number | null {
    return this.#sql.exec<{ at: number }>(CHECK_QUERIES.firstOver).toArray()[0]?.at ?? null;
  }

  /** Names of up to `limit` rows that are over at `now` (ms), the first ones first. */
  over(now: number, limit: number): string[] {
    const rows = this.#sql.exec<{ name: string }>(CHECK_QUERIES.over, now, limit).toArray();
    return rows.map(({ name }) => name);
  }

  /** How many there are, counted up to `limit`. */
  countOver(now: number, limit: number): number {
    return this.#sql.exec<{ n: number }>(CHECK_QUERIES.countOver, now, limit).one().n;
  }
}

/** Names are ASCII. */
const rowBytes = (name: string) => ROW_BYTES + 2 * name.length;
