/**
 * Changes of a tenant that only the operator of the deployment may make, not callers who are confined to the tenant.
 * They protect the operator, and the tenant's customers, from the tenant's own administrators.
 *
 * - Only the operator enables a disabled tenant. A confined caller may disable it, which stops all its keys at once,
 *   but cannot take that back.
 * - A confined caller may only tighten whether key strings are kept and shown again: switch `allowReveal` off, change
 *   `storage` to `digest`.
 * - A confined caller may only lengthen the retention of the audit log and of usage, which may be what the tenant is
 *   billed by.
 *
 * Name, prefix, grace, retention of ended keys and leases concern the tenant alone, within bounds that hold for every
 * caller.
 */
import type { TenantRecord } from './record.ts';

export type TenantUpdateRights = {
  /** Whether the caller is confined to no tenant. */
  readonly isOperator: boolean;
};

/** Which change in an update is reserved for the operator; null for none. */
export function reservedFor(before: TenantRecord, after: TenantRecord): 'status' | 'settings' | null {
  if (before.status === 'disabled' && after.status !== 'disabled') return 'status';
  const [from, to] = [before.settings, after.settings];
  if (!from.allowReveal && to.allowReveal) return 'settings';
  if (from.storage === 'digest' && to.storage !== 'digest') return 'settings';
  if (to.usageHourRetentionSeconds < from.usageHourRetentionSeconds) return 'settings';
  if (to.usageDayRetentionSeconds < from.usageDayRetentionSeconds) return 'settings';
  return isKeptShorter(from.auditRetentionSeconds, to.auditRetentionSeconds) ? 'settings' : null;
}

/** Whether the retention gets shorter. null means for ever. */
function isKeptShorter(before: number | null, after: number | null): boolean {
  return after !== null && (before === null || after < before);
}
