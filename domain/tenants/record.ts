/**
 * The tenant record and its settings. A tenant's object keeps exactly one record. If there is none, the tenant does not
 * exist.
 */

import { type LimitTexts, NO_LIMITS } from '../limits/named-limit.ts';

export type TenantStatus = 'active' | 'disabled';

export type TenantSettings = {
  /** Grace of a rotation that names none. */
  readonly gracePeriodSeconds: number;
  /** Prefix of a key whose creation names none. */
  readonly keyPrefix: string;
  /** How long an ended key stays listed before the cleanup deletes it. */
  readonly retentionSeconds: number;
  /**
   * `sealed`: the key string is kept in an AES-GCM envelope. `digest`: nothing is kept that a key string can be
   * recovered from.
   */
  readonly storage: 'sealed' | 'digest';
  readonly allowReveal: boolean;
  /**
   * How long an isolate may decide about a key without asking the object (domain/leases/lease.ts); 0 turns leases off.
   */
  readonly leaseSeconds: number;
  /** How long entries of the audit log are kept; null for ever. */
  readonly auditRetentionSeconds: number | null;
};

export const DEFAULT_SETTINGS: TenantSettings = {
  gracePeriodSeconds: 30 * 24 * 60 * 60,
  keyPrefix: 'ks',
  retentionSeconds: 30 * 24 * 60 * 60,
  storage: 'sealed',
  allowReveal: false,
  leaseSeconds: 1,
  auditRetentionSeconds: null,
};

export type TenantRecord = {
  readonly id: string;
  /**
   * Minted anew at each creation. It tells two tenants apart that had the same id one after the other, and identifies a
   * repeated creation.
   */
  readonly incarnation: string;
  readonly name: string;
  readonly status: TenantStatus;
  readonly settings: TenantSettings;
  /** Its limits for identifiers that are no keys (domain/limits/identifiers.ts). */
  readonly limits: LimitTexts;
  /**
   * The longest lease that may be in force. While a change to a shorter `leaseSeconds` waits, this is still the longer
   * value of before. An object that starts anew goes by it.
   */
  readonly leaseSecondsInForce: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly version: number;
};

/** New values of a tenant's fields. An absent field keeps its value. */
export type TenantPatch = {
  readonly name?: string;
  readonly status?: TenantStatus;
  readonly settings?: Partial<TenantSettings>;
  readonly limits?: Partial<LimitTexts>;
};

/** The limits of a tenant that has none. */
export const NO_TENANT_LIMITS: LimitTexts = { rateLimits: NO_LIMITS, quotas: NO_LIMITS };

/** A tenant at version 1. Settings that are not given have their defaults. */
export function newTenant(
  id: string,
  incarnation: string,
  input: { readonly name: string; readonly settings: Partial<TenantSettings> },
  now: number,
): TenantRecord {
  const settings = { ...DEFAULT_SETTINGS, ...input.settings };
  const times = { createdAt: now, updatedAt: now };
  const leaseSecondsInForce = settings.leaseSeconds;
  const fields = { name: input.name, status: 'active' as const, settings, limits: NO_TENANT_LIMITS };
  return { id, incarnation, ...fields, leaseSecondsInForce, ...times, version: 1 };
}

/** What a patch would change: old and new value of each field; null when nothing. */
export function changedFields(tenant: TenantRecord, patch: TenantPatch): Record<string, unknown> | null {
  const { name, status, settings, limits } = updateTenant(tenant, patch, tenant.updatedAt);
  const before = { name: tenant.name, status: tenant.status, ...tenant.settings };
  const after = { name, status, ...settings };
  const changed = (Object.keys(after) as (keyof typeof after)[]).filter((field) => before[field] !== after[field]);
  const changedLimits = (['rateLimits', 'quotas'] as const).filter((list) => tenant.limits[list] !== limits[list]);
  if (changed.length === 0 && changedLimits.length === 0) return null;
  return Object.fromEntries([
    ...changed.map((field) => [field, { from: before[field], to: after[field] }]),
    ...changedLimits.map((list) => [list, { from: JSON.parse(tenant.limits[list]), to: JSON.parse(limits[list]) }]),
  ]);
}

/** The tenant after an update. Absent fields keep their values; settings and lists of limits are merged one by one. */
export function updateTenant(tenant: TenantRecord, patch: TenantPatch, now: number): TenantRecord {
  const settings = { ...tenant.settings, ...patch.settings };
  return {
    ...tenant,
    ...patch,
    settings,
    limits: { ...tenant.limits, ...patch.limits },
    leaseSecondsInForce: Math.max(tenant.leaseSecondsInForce, settings.leaseSeconds),
    updatedAt: now,
    version: tenant.version + 1,
  };
}
