/**
 * Which management keys a caller confined to a tenant may see: those confined to the same tenant.
 *
 * The owner of a management key names the incarnation of its tenant. The owner of older keys is the tenant id alone,
 * so there are two owners to look for. The creation time of an older key tells whether it is confined to this tenant
 * or to an earlier one with the same id.
 */
import type { KeyView } from '../../../domain/keys/record.ts';
import { grantOwner } from '../../../domain/tenants/lifecycle.ts';
import { isMeant, type TenantIdentity } from '../../../domain/tenants/target.ts';
import { grantOf } from '../../auth/management-key.ts';
import type { ObjectClient } from '../../object-client.ts';
import { describeTenant } from '../tenants/read-tenant.ts';

/** The tenant that a caller is confined to, null when it no longer exists. */
export async function confinedTenant(
  objects: ObjectClient,
  { tenantId }: { readonly tenantId: string },
): Promise<TenantIdentity | null> {
  const described = await describeTenant(objects, tenantId);
  return described.ok ? described.value : null;
}

/**
 * The owners of management keys that are confined to a tenant. Every key of the first is newer than
 * any of the second.
 */
export function ownersOf({ id, incarnation }: TenantIdentity): readonly string[] {
  return [grantOwner({ tenantId: id, incarnation }), id];
}

/** Whether a management key is confined to this tenant. */
export function isConfinedTo(
  tenant: TenantIdentity,
  key: Pick<KeyView, 'owner' | 'scopes' | 'metadata' | 'createdAt'>,
): boolean {
  const { confinement } = grantOf(key);
  return confinement !== null && isMeant(tenant, confinement);
}
