/** The table `plans`, and which plans keys and owners have. */
import { NO_LIMITS } from '../../../domain/limits/named-limit.ts';
import type { PlanAttributes, PlanRecord } from '../../../domain/plans/record.ts';
import { type Order, type Page, startOf, takePage } from '../../sql/paging.ts';

/** Part of released migrations: never edit it, comments included (tenant/migrations.ts). */
export const PLAN_TABLES = `
  CREATE TABLE plans (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    name TEXT,
    rate_limits TEXT,         -- JSON array, NULL for none
    quotas TEXT,              -- JSON array, NULL for none
    allowed_scopes TEXT,      -- JSON array, NULL for all
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX plans_by_id ON plans (id);
  ALTER TABLE keys ADD COLUMN plan TEXT;
  ALTER TABLE owners ADD COLUMN plan TEXT;
  CREATE INDEX keys_living_by_plan ON keys (plan) WHERE plan IS NOT NULL AND revoked_at IS NULL;
  CREATE INDEX owners_by_plan ON owners (plan) WHERE plan IS NOT NULL;
`;

const COLUMNS = 'seq, id, name, rate_limits, quotas, allowed_scopes, created_at, created_by, updated_at, version';

export const PLAN_QUERIES = {
  byId: `SELECT ${COLUMNS} FROM plans WHERE id = ?`,
  count: 'SELECT count(*) AS n FROM plans',
  insert: `INSERT INTO plans
      (id, name, rate_limits, quotas, allowed_scopes, created_at, created_by, updated_at, version)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq`,
  update: `UPDATE plans SET (name, rate_limits, quotas, allowed_scopes, updated_at, version) = (?, ?, ?, ?, ?, ?)
    WHERE seq = ?`,
  remove: 'DELETE FROM plans WHERE seq = ?',
  walk: {
    asc: `SELECT ${COLUMNS} FROM plans WHERE seq > ? ORDER BY seq`,
    desc: `SELECT ${COLUMNS} FROM plans WHERE seq < ? ORDER BY seq DESC`,
  },
  /** Of keys and owners: whether one names the plan. */
  isUsed: `SELECT EXISTS (SELECT 1 FROM keys WHERE plan = ? AND revoked_at IS NULL)
      OR EXISTS (SELECT 1 FROM owners WHERE plan = ?) AS used`,
} as const;

type PlanRow = {
  seq: number;
  id: string;
  name: string | null;
  rate_limits: string | null;
  quotas: string | null;
  allowed_scopes: string | null;
  created_at: number;
  created_by: string;
  updated_at: number;
  version: number;
};

/** A page of a list: `after` is the `seq` of the last plan seen, null for the beginning. */
export type PlanListQuery = { readonly order: Order; readonly limit: number; readonly after: number | null };

export class PlanTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The plan with this id; undefined when there is none. */
  get(id: string): PlanRecord | undefined {
    const row = this.#sql.exec<PlanRow>(PLAN_QUERIES.byId, id).toArray()[0];
    return row && toRecord(row);
  }

  count(): number {
    return this.#sql.exec<{ n: number }>(PLAN_QUERIES.count).one().n;
  }

  /** One page of the plans, in the order in which they were made. */
  list({ order, limit, after }: PlanListQuery): Page<PlanRecord> {
    const rows = this.#sql.exec<PlanRow>(PLAN_QUERIES.walk[order], startOf(order, after));
    const { items, next } = takePage(rows, limit, () => true);
    return { items: items.map(toRecord), next };
  }

  /** Whether an owner names the plan, or a key whose row does not say revoked. */
  isUsed(id: string): boolean {
    return this.#sql.exec<{ used: number }>(PLAN_QUERIES.isUsed, id, id).one().used === 1;
  }

  // ---- changes: call them inside the mutation's transaction ----

  insert(record: PlanRecord): PlanRecord {
    const { id, createdAt, createdBy, updatedAt, version } = record;
    const values = [id, ...columnsOf(record), createdAt, createdBy, updatedAt, version];
    return { ...record, ...this.#sql.exec<{ seq: number }>(PLAN_QUERIES.insert, ...values).one() };
  }

  update(record: PlanRecord): void {
    this.#sql.exec(PLAN_QUERIES.update, ...columnsOf(record), record.updatedAt, record.version, record.seq);
  }

  remove({ seq }: PlanRecord): void {
    this.#sql.exec(PLAN_QUERIES.remove, seq);
  }
}

function toRecord(row: PlanRow): PlanRecord {
  return {
    seq: row.seq,
    id: row.id,
    name: row.name,
    rateLimits: row.rate_limits ?? NO_LIMITS,
    quotas: row.quotas ?? NO_LIMITS,
    allowedScopes: row.allowed_scopes,
    createdAt: row.created_at,
    createdBy: row.created_by,
    updatedAt: row.updated_at,
    version: row.version,
  };
}

/** The values of name, limits and scopes. */
function columnsOf({ name, rateLimits, quotas, allowedScopes }: PlanAttributes): (string | null)[] {
  return [name, rateLimits === NO_LIMITS ? null : rateLimits, quotas === NO_LIMITS ? null : quotas, allowedScopes];
}
