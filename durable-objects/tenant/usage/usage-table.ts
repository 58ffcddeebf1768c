/**
 * The tables of usage: counts of verifications by hour, a row for each day, and by day, a row for each month
 * (domain/usage). Each count is kept four times: in total, by plan, by owner and plan, and by key, owner and plan. So a
 * question about owners or plans reads as many rows as there are of these, however many keys they have.
 *
 * Rows name keys, owners and plans by the numbers that `usage_names` gives them. Names stay as long as rows of their
 * last month, so deleted keys keep their usage.
 */
import type { TenantSettings } from '../../../domain/tenants/record.ts';
import type { Cell } from '../../../domain/usage/pending-usage.ts';
import { monthOf, placeOf, type Series, startOfPeriod } from '../../../domain/usage/periods.ts';
import { addSlot, pack, type Slots, type Tally, unpackInto } from '../../../domain/usage/tally.ts';

/** Part of released migrations: never edit it, comments included (tenant/migrations.ts). */
export const USAGE_TABLES = `
  CREATE TABLE usage_names (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,    -- 1 plan, 2 owner, 3 key
    name TEXT NOT NULL,
    last_month INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX usage_names_by_name ON usage_names (kind, name);
  CREATE INDEX usage_names_by_month ON usage_names (last_month);

  -- Level 0: everything, 1: by plan, 2: by owner and plan, 3: by key, owner and plan. 0 is no key, no owner, no plan.
  CREATE TABLE usage_hours (
    level INTEGER NOT NULL,
    period INTEGER NOT NULL,  -- days since 1970
    key INTEGER NOT NULL,
    owner INTEGER NOT NULL,
    plan INTEGER NOT NULL,
    counts BLOB NOT NULL,
    PRIMARY KEY (level, period, key, owner, plan)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX usage_hours_by_owner ON usage_hours (owner, period, key, plan) WHERE level = 3 AND owner <> 0;

  CREATE TABLE usage_days (
    level INTEGER NOT NULL,
    period INTEGER NOT NULL,  -- months since year 0
    key INTEGER NOT NULL,
    owner INTEGER NOT NULL,
    plan INTEGER NOT NULL,
    counts BLOB NOT NULL,
    PRIMARY KEY (level, period, key, owner, plan)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX usage_days_by_owner ON usage_days (owner, period, key, plan) WHERE level = 3 AND owner <> 0;

  ALTER TABLE cleanups ADD COLUMN usage_trimmed INTEGER NOT NULL DEFAULT 0;
`;

export const LEVEL = { total: 0, plan: 1, owner: 2, key: 3 } as const;
const LEVELS_FINEST_FIRST = [3, 2, 1, 0] as const;

const ROW = 'level = ? AND period = ? AND key = ? AND owner = ? AND plan = ?';

const queriesOf = (table: `usage_${Series}`) => ({
  read: `SELECT counts FROM ${table} WHERE ${ROW}`,
  insert: `INSERT INTO ${table} (counts, level, period, key, owner, plan) VALUES (?, ?, ?, ?, ?, ?)`,
  update: `UPDATE ${table} SET counts = ? WHERE ${ROW}`,
  first: `SELECT period FROM ${table} WHERE level = ? ORDER BY period LIMIT 1`,
  trim: `DELETE FROM ${table} WHERE (level, period, key, owner, plan) IN
    (SELECT level, period, key, owner, plan FROM ${table} WHERE level = ? AND period < ? ORDER BY period LIMIT ?)`,
  countOld: `SELECT count(*) AS n FROM (SELECT 1 FROM ${table} WHERE level = ? AND period < ? LIMIT ?)`,
});

export const USAGE_QUERIES = {
  hours: queriesOf('usage_hours'),
  days: queriesOf('usage_days'),
  findName: 'SELECT id, last_month AS month FROM usage_names WHERE kind = ? AND name = ?',
  addName: 'INSERT INTO usage_names (kind, name, last_month) VALUES (?, ?, ?) RETURNING id',
  touchName: 'UPDATE usage_names SET last_month = ? WHERE id = ?',
  firstMonth: 'SELECT last_month AS month FROM usage_names ORDER BY last_month LIMIT 1',
  trimNames: `DELETE FROM usage_names WHERE id IN
    (SELECT id FROM usage_names WHERE last_month < ? ORDER BY last_month LIMIT ?)`,
  countOldNames: 'SELECT count(*) AS n FROM (SELECT 1 FROM usage_names WHERE last_month < ? LIMIT ?)',
} as const;

/** Names whose numbers memory holds (some 2 MB). */
const NAMES_MAX = 10_000;

const BOTH: readonly Series[] = ['hours', 'days'];

type Name = { readonly id: number; month: number };
type RowKey = readonly [level: number, period: number, key: number, owner: number, plan: number];

export class UsageTable {
  readonly #sql: SqlStorage;
  /** By kind and name. Empty it whenever names may have been deleted or not been committed. */
  readonly #names = new Map<string, Name>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  // ---- writing ----

  /**
   * Adds cells to the series that the settings keep. Call it inside a transaction. Returns when the first row that is
   * new is old enough to be deleted (ms); null for none.
   */
  write(cells: readonly Cell[], settings: TenantSettings): number | null {
    let dueAt: number | null = null;
    for (const series of BOTH) {
      if (retentionMs(series, settings) === 0) continue;
      const rows = this.#rowsOf(cells, series);
      for (const { key, slots } of rows.values()) {
        const isNew = this.#addTo(series, key, slots);
        if (!isNew || key[0] !== LEVEL.total) continue;
        const endsAt = startOfPeriod(series, key[1] + 1) + retentionMs(series, settings);
        dueAt = Math.min(dueAt ?? endsAt, endsAt);
      }
    }
    return dueAt;
  }

  /** What the cells add to each row of a series. */
  #rowsOf(cells: readonly Cell[], series: Series) {
    const rows = new Map<string, { readonly key: RowKey; readonly slots: Slots }>();
    const add = (key: RowKey, slot: number, tally: Tally) => {
      const name = key.join();
      let row = rows.get(name);
      if (row === undefined) {
        row = { key, slots: new Map() };
        rows.set(name, row);
      }
      addSlot(row.slots, slot, tally);
    };
    for (const { keyId, owner, plan, hour, tally } of cells) {
      const { period, slot } = placeOf(series, hour);
      const month = monthOf(hour);
      const keyNumber = this.#numberOf(LEVEL.key, keyId, month);
      const ownerNumber = owner === null ? 0 : this.#numberOf(LEVEL.owner, owner, month);
      const planNumber = plan === null ? 0 : this.#numberOf(LEVEL.plan, plan, month);
      add([LEVEL.total, period, 0, 0, 0], slot, tally);
      add([LEVEL.plan, period, 0, 0, planNumber], slot, tally);
      add([LEVEL.owner, period, 0, ownerNumber, planNumber], slot, tally);
      add([LEVEL.key, period, keyNumber, ownerNumber, planNumber], slot, tally);
    }
    return rows;
  }

  /** Adds counts to a row. Returns whether the row is new. */
  #addTo(series: Series, key: RowKey, slots: Slots): boolean {
    const { read, insert, update } = USAGE_QUERIES[series];
    const row = this.#sql.exec<{ counts: ArrayBuffer }>(read, ...key).toArray()[0];
    if (row !== undefined) unpackInto(slots, new Uint8Array(row.counts));
    this.#sql.exec(row === undefined ? insert : update, new Uint8Array(pack(slots)).buffer, ...key);
    return row === undefined;
  }

  /** The number of a name that is used in this month. */
  #numberOf(kind: number, name: string, month: number): number {
    const cached = `${kind}${name}`;
    let known = this.#names.get(cached);
    if (known === undefined) {
      if (this.#names.size >= NAMES_MAX) this.#names.clear();
      known = this.#sql.exec<Name>(USAGE_QUERIES.findName, kind, name).toArray()[0];
      known ??= { ...this.#sql.exec<{ id: number }>(USAGE_QUERIES.addName, kind, name, month).one(), month };
      this.#names.set(cached, known);
    }
    if (known.month < month) {
      this.#sql.exec(USAGE_QUERIES.touchName, month, known.id);
      known.month = month;
    }
    return known.id;
  }

  /** Call this when a transaction did not commit. */
  rolledBack(): void {
    this.#names.clear();
  }

  // ---- retention ----

  /** When the first rows are old enough to be deleted (ms); null when there are none. */
  firstDueAt(settings: TenantSettings, now: number): number | null {
    let dueAt: number | null = this.#hasOldNames(now) ? now : null;
    for (const series of BOTH) {
      const first = this.#firstPeriod(series);
      if (first === null) continue;
      const endsAt = startOfPeriod(series, first + 1) + retentionMs(series, settings);
      dueAt = Math.min(dueAt ?? endsAt, endsAt);
    }
    return dueAt;
  }

  /** Deletes up to `limit` rows that are old at `now`. Returns how many were deleted. */
  trim(settings: TenantSettings, now: number, limit: number): number {
    let left = limit;
    for (const series of BOTH) {
      const before = firstKept(series, settings, now);
      // The total goes last: `firstDueAt` looks for it.
      for (const level of LEVELS_FINEST_FIRST) {
        if (left === 0) return limit;
        left -= this.#deleted(USAGE_QUERIES[series].trim, level, before, left);
      }
    }
    if (left > 0 && this.#hasOldNames(now)) {
      left -= this.#deleted(USAGE_QUERIES.trimNames, this.#firstNamedMonth(now), left);
      this.#names.clear();
    }
    return limit - left;
  }

  /** Runs a deletion and returns how many rows it deleted, not counting what it wrote into indexes. */
  #deleted(query: string, ...bindings: readonly number[]): number {
    this.#sql.exec(query, ...bindings);
    return this.#sql.exec<{ n: number }>('SELECT changes() AS n').one().n;
  }

  /** How many rows there are that are old at `now`, counted up to `limit` for each table. */
  countOld(settings: TenantSettings, now: number, limit: number): number {
    let n = 0;
    const countIn = (query: string, ...bindings: readonly number[]) => {
      n += this.#sql.exec<{ n: number }>(query, ...bindings, Math.max(limit - n, 0)).one().n;
    };
    for (const series of BOTH) {
      const before = firstKept(series, settings, now);
      for (const level of LEVELS_FINEST_FIRST) countIn(USAGE_QUERIES[series].countOld, level, before);
    }
    countIn(USAGE_QUERIES.countOldNames, this.#firstNamedMonth(now));
    return n;
  }

  #firstPeriod(series: Series): number | null {
    const [row] = this.#sql.exec<{ period: number }>(USAGE_QUERIES[series].first, LEVEL.total).toArray();
    return row?.period ?? null;
  }

  /** The first month whose names rows may still use. */
  #firstNamedMonth(now: number): number {
    const day = this.#firstPeriod('hours');
    const month = this.#firstPeriod('days');
    const months = [monthOf(now), day === null ? null : monthOf(startOfPeriod('hours', day)), month];
    return Math.min(...months.filter((one) => one !== null));
  }

  #hasOldNames(now: number): boolean {
    const [first] = this.#sql.exec<{ month: number }>(USAGE_QUERIES.firstMonth).toArray();
    return first !== undefined && first.month < this.#firstNamedMonth(now);
  }
}

/** How long a series is kept after the end of a period (ms); 0 when it is not kept at all. */
export function retentionMs(series: Series, settings: TenantSettings): number {
  return 1000 * (series === 'hours' ? settings.usageHourRetentionSeconds : settings.usageDayRetentionSeconds);
}

/** The first period of which something is kept at `now`. */
function firstKept(series: Series, settings: TenantSettings, now: number): number {
  const retention = retentionMs(series, settings);
  return placeOf(series, Math.max(now - retention, 0)).period;
}
