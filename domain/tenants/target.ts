/**
 * Which tenant a call means. An id can be used again after a deletion, and a caller whose grant was made for one tenant
 * must not reach the next one with that id. So the grant names the incarnation, and the tenant's object compares it at
 * every call.
 */
import type { TenantRecord } from './record.ts';

/** One particular tenant. */
export type TenantRef = { readonly tenantId: string; readonly incarnation: string };

/** A tenant as a call asks for it. */
export type TenantTarget = {
  readonly tenantId: string;
  /** The tenant that the caller is confined to; null when any tenant with this id will do. */
  readonly bound: Bound | null;
};

/**
 * `incarnation`: the tenant that the grant was made for. Older grants, made before incarnations were recorded, have
 * `existedAt` instead, the time of the grant (ms): a tenant that was created later is not the one that was meant.
 */
export type Bound = { readonly incarnation: string } | { readonly existedAt: number };

/** A tenant that a caller is confined to. */
export type Confinement = TenantTarget & { readonly bound: Bound };

/** The fields of a tenant that tell whether it is the one that is meant. */
export type TenantIdentity = Pick<TenantRecord, 'id' | 'incarnation' | 'createdAt'>;

/** Whether this tenant is the one that the call asks for. */
export function isMeant(tenant: TenantIdentity, { tenantId, bound }: TenantTarget): boolean {
  if (tenant.id !== tenantId) return false;
  if (bound === null) return true;
  return 'incarnation' in bound ? bound.incarnation === tenant.incarnation : tenant.createdAt <= bound.existedAt;
}
