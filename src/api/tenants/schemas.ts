/** Schemas of tenants, and how a record becomes a resource. */
import * as v from 'valibot';
import { LEASE_SECONDS_MAX } from '../../../domain/leases/lease.ts';
import { DEFAULT_SETTINGS, type TenantRecord } from '../../../domain/tenants/record.ts';
import { closedObject } from '../../http/bounded-schemas.ts';
import {
  cursor,
  gracePeriodSeconds,
  keyPrefix,
  name,
  pageLimit,
  pageOut,
  seconds,
  tenantId,
  timeOut,
  YEAR_SECONDS,
} from '../fields.ts';
import { tenantLimits, tenantLimitsOut, toTenantLimits } from '../limits/schemas.ts';

const RETENTION_SECONDS_MAX = 10 * YEAR_SECONDS;
/** A day, so that somebody who steals a management key cannot erase the traces at once. */
const AUDIT_RETENTION_SECONDS_MIN = 86_400;

const status = v.picklist(['active', 'disabled']);
const storage = v.picklist(['sealed', 'digest']);
const auditRetentionSeconds = v.pipe(
  seconds(RETENTION_SECONDS_MAX),
  v.minValue(AUDIT_RETENTION_SECONDS_MIN, `must be at least ${AUDIT_RETENTION_SECONDS_MIN} seconds`),
);

const settingsIn = closedObject({
  gracePeriodSeconds: v.exactOptional(gracePeriodSeconds),
  keyPrefix: v.exactOptional(keyPrefix),
  retentionSeconds: v.exactOptional(seconds(RETENTION_SECONDS_MAX)),
  storage: v.exactOptional(storage),
  allowReveal: v.exactOptional(v.boolean()),
  leaseSeconds: v.exactOptional(seconds(LEASE_SECONDS_MAX)),
  auditRetentionSeconds: v.exactOptional(v.nullable(auditRetentionSeconds)),
});

export const createTenantBody = v.optional(
  closedObject({
    id: v.exactOptional(tenantId),
    name: v.exactOptional(name),
    settings: v.exactOptional(settingsIn),
  }),
  {},
);

export const updateTenantBody = closedObject({
  name: v.exactOptional(name),
  status: v.exactOptional(status),
  settings: v.exactOptional(settingsIn),
  limits: v.exactOptional(tenantLimits),
});

export const listTenantsQuery = closedObject({ limit: pageLimit, cursor });

export const tenantResource = v.strictObject({
  id: v.string(),
  name: v.string(),
  status,
  settings: v.strictObject({
    gracePeriodSeconds: v.number(),
    keyPrefix: v.string(),
    retentionSeconds: v.number(),
    storage,
    allowReveal: v.boolean(),
    leaseSeconds: v.number(),
    auditRetentionSeconds: v.nullable(v.number()),
  }),
  limits: tenantLimitsOut,
  createdAt: timeOut,
  updatedAt: timeOut,
});
export type TenantResource = v.InferOutput<typeof tenantResource>;

export const tenantList = v.strictObject({
  data: v.array(tenantResource),
  page: pageOut,
  /** Ids of tenants of this page whose objects could not be reached. */
  unavailable: v.exactOptional(v.array(v.string())),
});

export function toTenantResource(tenant: TenantRecord): TenantResource {
  return {
    id: tenant.id,
    name: tenant.name,
    status: tenant.status,
    // A result that an earlier version kept lacks the settings that were added since.
    settings: { ...DEFAULT_SETTINGS, ...tenant.settings },
    limits: toTenantLimits(tenant.limits),
    createdAt: new Date(tenant.createdAt).toISOString(),
    updatedAt: new Date(tenant.updatedAt).toISOString(),
  };
}
