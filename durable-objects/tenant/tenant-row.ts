/** The table `tenant` and its one row. */
import { NO_LIMITS } from '../../domain/limits/named-limit.ts';
import type { TenantRecord, TenantStatus } from '../../domain/tenants/record.ts';
import { DEFAULT_SETTINGS } from '../../domain/tenants/record.ts';

type TenantRow = {
  id: string;
  incarnation: string;
  name: string;
  status: TenantStatus;
  settings: string;
  rate_limits: string | null;
  quotas: string | null;
  lease_seconds_in_force: number;
  created_at: number;
  updated_at: number;
  version: number;
  leases_out: number;
  has_group_revocations: number;
  has_unfilled_owners: number;
  has_credits: number;
};

const COLUMNS = 'id, incarnation, name, status, settings, lease_seconds_in_force, created_at, updated_at, version';

export type StoredTenant = {
  readonly record: TenantRecord;
  /**
   * Whether an isolate may hold a lease. Set before the first lease of a busy time is granted, cleared when the last
   * has ended, so an object that starts anew knows whether a change has to wait. It says only whether, not until when,
   * because the clocks of two machines are never compared.
   */
  readonly leasesOut: boolean;
  /** Whether group revocations are still to be written into the rows of their keys. */
  readonly hasGroupRevocations: boolean;
  /** Whether owners of older keys are still without a row. */
  readonly hasUnfilledOwners: boolean;
  /** Whether a key or an owner has credits. */
  readonly hasCredits: boolean;
};

/** Columns that a new tenant leaves NULL. */
const LIMIT_COLUMNS = 'rate_limits, quotas';

/** One statement for everything that an object needs at its start: preparing a statement costs more than running it. */
const READ = `SELECT ${COLUMNS}, ${LIMIT_COLUMNS}, leases_out,
  EXISTS (SELECT 1 FROM group_revocations) AS has_group_revocations,
  EXISTS (SELECT 1 FROM owners_filled) AS has_unfilled_owners, EXISTS (SELECT 1 FROM credits) AS has_credits,
  (SELECT version FROM schema_version) AS schema_version FROM tenant`;

/** What an object finds at its start, if its database is of version `version`; null otherwise. */
export function readTenantAtStart(sql: SqlStorage, version: number): StoredTenant | null {
  try {
    const row = sql.exec<TenantRow & { schema_version: number }>(READ).toArray()[0];
    return row === undefined || row.schema_version !== version ? null : toStored(row);
  } catch {
    // A table or column is missing: the database was never set up, or an earlier version wrote it.
    return null;
  }
}

/** Reads the tenant from a database of the present version; null when the tenant does not exist. */
export function readTenant(sql: SqlStorage): StoredTenant | null {
  const row = sql.exec<TenantRow>(READ).toArray()[0];
  return row === undefined ? null : toStored(row);
}

function toStored(row: TenantRow): StoredTenant {
  const record = {
    id: row.id,
    incarnation: row.incarnation,
    name: row.name,
    status: row.status,
    // A setting that was added after the row was written has its default.
    settings: { ...DEFAULT_SETTINGS, ...JSON.parse(row.settings) },
    limits: { rateLimits: row.rate_limits ?? NO_LIMITS, quotas: row.quotas ?? NO_LIMITS },
    leaseSecondsInForce: row.lease_seconds_in_force,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    version: row.version,
  };
  const hasGroupRevocations = row.has_group_revocations !== 0;
  const hasUnfilledOwners = row.has_unfilled_owners !== 0;
  const hasCredits = row.has_credits !== 0;
  return { record, leasesOut: row.leases_out !== 0, hasGroupRevocations, hasUnfilledOwners, hasCredits };
}

/** Writes the row of a new tenant. No lease is out. */
export function insertTenant(sql: SqlStorage, tenant: TenantRecord): void {
  const { id, incarnation, createdAt } = tenant;
  sql.exec(
    `INSERT INTO tenant (${COLUMNS}, leases_out) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)`,
    ...[id, incarnation, tenant.name, tenant.status, JSON.stringify(tenant.settings), tenant.leaseSecondsInForce],
    ...[createdAt, tenant.updatedAt, tenant.version],
  );
}

/** Writes everything of a tenant that can change. */
export function rewriteTenant(sql: SqlStorage, tenant: TenantRecord): void {
  const { rateLimits, quotas } = tenant.limits;
  sql.exec(
    `UPDATE tenant SET (name, status, settings, lease_seconds_in_force, updated_at, version, ${LIMIT_COLUMNS})
      = (?, ?, ?, ?, ?, ?, ?, ?)`,
    ...[tenant.name, tenant.status, JSON.stringify(tenant.settings), tenant.leaseSecondsInForce],
    ...[tenant.updatedAt, tenant.version, storedList(rateLimits), storedList(quotas)],
  );
}

const storedList = (list: string) => (list === NO_LIMITS ? null : list);

/** Records whether an isolate may hold a lease. */
export function writeLeasesOut(sql: SqlStorage, leasesOut: boolean): void {
  sql.exec('UPDATE tenant SET leases_out = ?', leasesOut ? 1 : 0);
}

/** Records that no lease from before the current setting is left. */
export function settleLeases(sql: SqlStorage, tenant: TenantRecord): TenantRecord {
  const { leaseSeconds } = tenant.settings;
  if (tenant.leaseSecondsInForce === leaseSeconds) return tenant;
  sql.exec('UPDATE tenant SET lease_seconds_in_force = ?', leaseSeconds);
  return { ...tenant, leaseSecondsInForce: leaseSeconds };
}
