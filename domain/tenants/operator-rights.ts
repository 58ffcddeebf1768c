/**
 * What of a tenant only the operator of the deployment may change, and nobody who is confined to the tenant: what protects the operator, and the tenant's
 * customers, from the tenant's own administrators.
 *
 * - A tenant that was disabled stays so until the operator enables it. Whoever is confined to it may disable it, to stop all its keys at once, and
 *   cannot take that back.
 * - Whether key strings are kept and shown again may only be tightened: `allowReveal` switched off, `storage` changed to `digest`.
 * - The audit log may only be kept longer, not shorter.
 *
 * Name, prefix, grace, retention of ended keys and leases concern the tenant alone, within bounds that hold for everybody.
 */
import type { TenantRecord } from './record.ts';

export type TenantUpdateRights = {
  /** Whether the caller is confined to no tenant. */
  readonly isOperator: boolean;
};

/** What an update changes that is reserved for the operator, null for nothing. */
export function reservedFor(before: TenantRecord, after: TenantRecord): 'status' | 'settings' | null {
  if (before.status === 'disabled' && after.status !== 'disabled') return 'status';
  const [from, to] = [before.settings, after.settings];
  if (!from.allowReveal && to.allowReveal) return 'settings';
  if (from.storage === 'digest' && to.storage !== 'digest') return 'settings';
  return isKeptShorter(from.auditRetentionSeconds, to.auditRetentionSeconds) ? 'settings' : null;
}

/** null is for ever. */
function isKeptShorter(before: number | null, after: number | null): boolean {
  return after !== null && (before === null || after < before);
}
