/** The one row of the tenant, in storage. */
import type { TenantRecord, TenantStatus } from './record.ts';
import { DEFAULT_SETTINGS } from './record.ts';

type TenantRow = {
  id: string;
  incarnation: string;
  name: string;
  status: TenantStatus;
  settings: string;
  lease_seconds_in_force: number;
  created_at: number;
  updated_at: number;
  version: number;
};

const COLUMNS = 'id, incarnation, name, status, settings, lease_seconds_in_force, created_at, updated_at, version';

export function readTenant(sql: SqlStorage): TenantRecord | null {
  const row = sql.exec<TenantRow>(`SELECT ${COLUMNS} FROM tenant`).toArray()[0];
  if (row === undefined) return null;
  return {
    id: row.id,
    incarnation: row.incarnation,
    name: row.name,
    status: row.status,
    // A setting that came later than the row has its default.
    settings: { ...DEFAULT_SETTINGS, ...JSON.parse(row.settings) },
    leaseSecondsInForce: row.lease_seconds_in_force,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    version: row.version,
  };
}

/** Writes the record in place of the one that is there, if any. */
export function writeTenant(sql: SqlStorage, tenant: TenantRecord): void {
  sql.exec('DELETE FROM tenant');
  sql.exec(
    `INSERT INTO tenant (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    tenant.id,
    tenant.incarnation,
    tenant.name,
    tenant.status,
    JSON.stringify(tenant.settings),
    tenant.leaseSecondsInForce,
    tenant.createdAt,
    tenant.updatedAt,
    tenant.version,
  );
}

/** Notes that no lease from before the current setting is left. */
export function settleLeases(sql: SqlStorage, tenant: TenantRecord): TenantRecord {
  const { leaseSeconds } = tenant.settings;
  if (tenant.leaseSecondsInForce === leaseSeconds) return tenant;
  sql.exec('UPDATE tenant SET lease_seconds_in_force = ?', leaseSeconds);
  return { ...tenant, leaseSecondsInForce: leaseSeconds };
}
