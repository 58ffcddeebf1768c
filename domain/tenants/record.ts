/**
 * The tenant record and its settings. The object of a tenant keeps exactly one; its absence means that the tenant does not exist.
 */

export type TenantStatus = 'active' | 'disabled';

export type TenantSettings = {
  /** Grace that a rotation gives when it does not say. */
  readonly gracePeriodSeconds: number;
  /** Prefix of keys whose creation does not name one. */
  readonly keyPrefix: string;
  /** How long an ended key stays listed before cleanup purges it. */
  readonly retentionSeconds: number;
  /** `sealed`: the key string is kept in an AES-GCM envelope. `digest`: nothing recoverable is kept. */
  readonly storage: 'sealed' | 'digest';
  readonly allowReveal: boolean;
  /** How long an isolate may answer for a key without asking (leases/ledger.ts); 0 turns that off. */
  readonly leaseSeconds: number;
  /** How long entries of the audit log are kept (seconds), null for ever. */
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
   * Minted anew at each creation of the tenant. It tells two tenants apart that had the same id one after the other, and makes a
   * repeated creation recognisable.
   */
  readonly incarnation: string;
  readonly name: string;
  readonly status: TenantStatus;
  readonly settings: TenantSettings;
  /**
   * The longest lease that may be in force: the setting, or a longer one before until the change to it has been waited for. An object that
   * starts anew goes by this.
   */
  readonly leaseSecondsInForce: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly version: number;
};

export type TenantPatch = {
  readonly name?: string;
  readonly status?: TenantStatus;
  readonly settings?: Partial<TenantSettings>;
};

/** A tenant at version 1; settings that are not given have their defaults. */
export function newTenant(
  id: string,
  incarnation: string,
  input: { readonly name: string; readonly settings: Partial<TenantSettings> },
  now: number,
): TenantRecord {
  const settings = { ...DEFAULT_SETTINGS, ...input.settings };
  const times = { createdAt: now, updatedAt: now };
  const leaseSecondsInForce = settings.leaseSeconds;
  return { id, incarnation, name: input.name, status: 'active', settings, leaseSecondsInForce, ...times, version: 1 };
}

/** What a patch would change, old and new value of each field, null when nothing. */
export function changedFields(tenant: TenantRecord, patch: TenantPatch): Record<string, unknown> | null {
  const { name, status, settings } = updateTenant(tenant, patch, tenant.updatedAt);
  const before = { name: tenant.name, status: tenant.status, ...tenant.settings };
  const after = { name, status, ...settings };
  const changed = (Object.keys(after) as (keyof typeof after)[]).filter((field) => before[field] !== after[field]);
  if (changed.length === 0) return null;
  return Object.fromEntries(changed.map((field) => [field, { from: before[field], to: after[field] }]));
}

/** Absent keeps; settings are merged one by one. */
export function updateTenant(tenant: TenantRecord, patch: TenantPatch, now: number): TenantRecord {
  const settings = { ...tenant.settings, ...patch.settings };
  return {
    ...tenant,
    ...patch,
    settings,
    leaseSecondsInForce: Math.max(tenant.leaseSecondsInForce, settings.leaseSeconds),
    updatedAt: now,
    version: tenant.version + 1,
  };
}
