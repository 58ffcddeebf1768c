/** Shapes of tenants. */
import * as v from 'valibot';
import { LEASE_SECONDS_MAX } from '../../../domain/leases/ledger.ts';
import { DEFAULT_SETTINGS, type TenantRecord } from '../../../domain/tenants/record.ts';
import { closedObject } from '../../http/bounded.ts';
import { cursor, keyPrefix, line, pageLimit, pageOut, seconds, tenantId, timeOut } from '../fields.ts';

const GRACE_SECONDS_MAX = 31_536_000;
const RETENTION_SECONDS_MAX = 10 * 31_536_000;
/** A day: nobody who takes a key over may wipe out the traces at once. */
const AUDIT_RETENTION_SECONDS_MIN = 86_400;

export const gracePeriodSeconds = seconds(GRACE_SECONDS_MAX);
const auditRetentionSeconds = v.pipe(
  seconds(RETENTION_SECONDS_MAX),
  v.minValue(AUDIT_RETENTION_SECONDS_MIN, `must be at least ${AUDIT_RETENTION_SECONDS_MIN} seconds`),
);

const settingsIn = closedObject({
  gracePeriodSeconds: v.exactOptional(gracePeriodSeconds),
  keyPrefix: v.exactOptional(keyPrefix),
  retentionSeconds: v.exactOptional(seconds(RETENTION_SECONDS_MAX)),
  storage: v.exactOptional(v.picklist(['sealed', 'digest'])),
  allowReveal: v.exactOptional(v.boolean()),
  leaseSeconds: v.exactOptional(seconds(LEASE_SECONDS_MAX)),
  auditRetentionSeconds: v.exactOptional(v.nullable(auditRetentionSeconds)),
});

export const createTenantBody = v.optional(
  closedObject({
    id: v.exactOptional(tenantId),
    name: v.exactOptional(line(100)),
    settings: v.exactOptional(settingsIn),
  }),
  {},
);

export const updateTenantBody = closedObject({
  name: v.exactOptional(line(100)),
  status: v.exactOptional(v.picklist(['active', 'disabled'])),
  settings: v.exactOptional(settingsIn),
});

export const listTenantsQuery = closedObject({ limit: pageLimit, cursor });

export const tenantResource = v.strictObject({
  id: v.string(),
  name: v.string(),
  status: v.picklist(['active', 'disabled']),
  settings: v.strictObject({
    gracePeriodSeconds: v.number(),
    keyPrefix: v.string(),
    retentionSeconds: v.number(),
    storage: v.picklist(['sealed', 'digest']),
    allowReveal: v.boolean(),
    leaseSeconds: v.number(),
    auditRetentionSeconds: v.nullable(v.number()),
  }),
  createdAt: timeOut,
  updatedAt: timeOut,
});
export type TenantResource = v.InferOutput<typeof tenantResource>;

export const tenantList = v.strictObject({
  data: v.array(tenantResource),
  page: pageOut,
  /** Ids of tenants of this page whose objects did not answer. */
  unavailable: v.exactOptional(v.array(v.string())),
});

export function toTenantResource(tenant: TenantRecord): TenantResource {
  const { id, name, status, settings, createdAt, updatedAt } = tenant;
  return {
    id,
    name,
    status,
    // In an answer that an earlier version kept, settings that came later are missing.
    settings: { ...DEFAULT_SETTINGS, ...settings },
    createdAt: new Date(createdAt).toISOString(),
    updatedAt: new Date(updatedAt).toISOString(),
  };
}
