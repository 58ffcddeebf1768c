/**
 * The table `credits`: a row for each lineage of keys and each owner that has credits (domain/limits/credits.ts). Each
 * spend is a write of its own, so nothing here is in memory alone.
 */
import type { Credits, Refill } from '../../../domain/limits/credits.ts';

/** Part of released migrations: never edit it, comments included (tenant/migrations.ts). */
export const CREDIT_TABLES = `
  CREATE TABLE credits (
    holder TEXT PRIMARY KEY,  -- key/<root of a lineage>, owner/<id>
    remaining INTEGER NOT NULL,
    refill TEXT,              -- JSON, NULL for none
    next_refill_at INTEGER,
    spends TEXT NOT NULL      -- the last ones, so that none is repeated
  ) STRICT, WITHOUT ROWID;
`;

export const CREDIT_QUERIES = {
  any: 'SELECT 1 FROM credits LIMIT 1',
  read: 'SELECT holder, remaining, refill, next_refill_at, spends FROM credits WHERE holder = ?',
  /** The parameter is a JSON array of holders. */
  readMany: `SELECT holder, remaining, refill, next_refill_at, spends
    FROM (SELECT value AS wanted FROM json_each(?)) CROSS JOIN credits ON holder = wanted`,
  write: `INSERT INTO credits (holder, remaining, refill, next_refill_at, spends) VALUES (?, ?, ?, ?, '')
    ON CONFLICT (holder) DO UPDATE
    SET (remaining, refill, next_refill_at) = (excluded.remaining, excluded.refill, excluded.next_refill_at)`,
  spend: 'UPDATE credits SET (remaining, next_refill_at, spends) = (?, ?, ?) WHERE holder = ?',
  remove: 'DELETE FROM credits WHERE holder = ?',
} as const;

type CreditRow = {
  holder: string;
  remaining: number;
  refill: string | null;
  next_refill_at: number | null;
  spends: string;
};

export type StoredCredits = {
  readonly credits: Credits;
  /** The last spends (domain/limits/recent-spends.ts). */
  readonly spends: string;
};

export class CreditTable {
  readonly #sql: SqlStorage;
  #mayHaveAny: boolean | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /**
   * Whether there may be credits. Most tenants have none, and then verifications and lists of keys need not look for
   * them.
   */
  get mayHaveAny(): boolean {
    this.#mayHaveAny ??= this.#sql.exec(CREDIT_QUERIES.any).toArray().length > 0;
    return this.#mayHaveAny;
  }

  /** Tells what is known from elsewhere; null for nothing, after a transaction that did not commit. */
  learn(mayHaveAny: boolean | null): void {
    this.#mayHaveAny = mayHaveAny;
  }

  /** The row of a holder; null when it has no credits. */
  read(holder: string): StoredCredits | null {
    if (!this.mayHaveAny) return null;
    const row = this.#sql.exec<CreditRow>(CREDIT_QUERIES.read, holder).toArray()[0];
    return row === undefined ? null : { credits: toCredits(row), spends: row.spends };
  }

  /** The credits of a holder as they were written last; null when it has none. */
  get(holder: string): Credits | null {
    return this.read(holder)?.credits ?? null;
  }

  /** The credits of those among the holders that have some. */
  getMany(holders: readonly string[]): ReadonlyMap<string, Credits> {
    if (!this.mayHaveAny || holders.length === 0) return new Map();
    const rows = this.#sql.exec<CreditRow>(CREDIT_QUERIES.readMany, JSON.stringify([...new Set(holders)])).toArray();
    return new Map(rows.map((row) => [row.holder, toCredits(row)]));
  }

  // ---- changes: call them inside the transaction that answers ----

  /** Writes the credits of a holder, whether it had some or not. */
  write(holder: string, { remaining, refill, nextRefillAt }: Credits): void {
    const refillJson = refill === null ? null : JSON.stringify(refill);
    this.#sql.exec(CREDIT_QUERIES.write, holder, remaining, refillJson, nextRefillAt);
    this.#mayHaveAny = true;
  }

  /** Writes what remains after a spend, and the last spends. */
  spend(holder: string, { remaining, nextRefillAt }: Credits, spends: string): void {
    this.#sql.exec(CREDIT_QUERIES.spend, remaining, nextRefillAt, spends, holder);
  }

  remove(holder: string): void {
    if (this.mayHaveAny) this.#sql.exec(CREDIT_QUERIES.remove, holder);
  }
}

function toCredits({ remaining, refill, next_refill_at }: CreditRow): Credits {
  const parsed: Refill | null = refill === null ? null : JSON.parse(refill);
  return { remaining, refill: parsed, nextRefillAt: next_refill_at };
}
