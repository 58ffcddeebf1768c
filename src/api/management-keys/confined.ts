/**
 * Which management keys a caller confined to a tenant knows: those confined to the same tenant. Keys from before
 * incarnations were noted name the tenant id alone, so there are two owners to look for, and whether such a key means
 * this tenant or an earlier one of its id is told by its time.
 */
import type { KeyView } from '../../../domain/keys/record.ts';
import { grantOwner } from '../../../domain/tenants/lifecycle.ts';
import { isMeant, type TenantIdentity } from '../../../domain/tenants/target.ts';
import { grantOf } from '../../auth/management-key.ts';
import type { Call } from '../request-context.ts';

/** The tenant that the caller is confined to, null when it is there no more. */
export async function tenantOf(
  call: Call,
  { tenantId }: { readonly tenantId: string },
): Promise<TenantIdentity | null> {
  const described = await call.objects.tenant(tenantId, (tenant, target) => tenant.describe(target));
  return described.ok ? described.value : null;
}

/** Owners of the management keys of a tenant. Every key of the first is newer than any of the second. */
export function ownersOf({ id, incarnation }: TenantIdentity): readonly string[] {
  return [grantOwner({ tenantId: id, incarnation }), id];
}

/** Whether a management key is confined to this tenant. */
export function isOf(tenant: TenantIdentity, key: Pick<KeyView, 'owner' | 'scopes' | 'metadata' | 'createdAt'>) {
  const { confinement } = grantOf(key);
  return confinement !== null && isMeant(tenant, confinement);
}
