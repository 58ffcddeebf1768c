/**
 * Which management keys a caller confined to a tenant knows of: those confined to the same tenant. Keys from before incarnations were
 * noted name the tenant id alone. So there are two owners to look for, and the time of such a key tells whether it means this tenant
 * or an earlier one of its id.
 */
import type { KeyView } from '../../../domain/keys/record.ts';
import { grantOwner } from '../../../domain/tenants/lifecycle.ts';
import { isMeant, type TenantIdentity } from '../../../domain/tenants/target.ts';
import { grantOf } from '../../auth/management-key.ts';
import type { ObjectClient } from '../../object-client.ts';
import { describeTenant } from '../tenants/describe.ts';

/** The tenant that a caller is confined to, null when it does not exist any more. */
export async function confinedTenant(
  objects: ObjectClient,
  { tenantId }: { readonly tenantId: string },
): Promise<TenantIdentity | null> {
  const described = await describeTenant(objects, tenantId);
  return described.ok ? described.value : null;
}

/** Owners of the management keys of a tenant. Every key of the first is newer than any of the second. */
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
