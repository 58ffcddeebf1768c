/**
 * Which tenant a call means. An id can be used again after a deletion, so a caller whose grant was made for one tenant must not reach the next
 * one of that id: the grant names the incarnation, and the tenant's object compares it at every call.
 */
import type { TenantRecord } from './record.ts';

/** One particular tenant. */
export type TenantRef = { readonly tenantId: string; readonly incarnation: string };

/** A tenant as a call asks for it. */
export type TenantTarget = {
  readonly tenantId: string;
  /** Whom the caller is confined to, null when any tenant of that id will do. */
  readonly bound: Bound | null;
};

/**
 * `incarnation`: the tenant that the grant was made for. Grants from before incarnations were noted have `existedAt`, the time of the grant: a
 * tenant that was created later is not the one that was meant.
 */
export type Bound = { readonly incarnation: string } | { readonly existedAt: number };

/** The tenant that a caller is confined to. */
export type Confinement = TenantTarget & { readonly bound: Bound };

/** What of a tenant tells whether it is meant. */
export type TenantIdentity = Pick<TenantRecord, 'id' | 'incarnation' | 'createdAt'>;

/** Whether this tenant is the one that is asked for. */
export function isMeant(tenant: TenantIdentity, { tenantId, bound }: TenantTarget): boolean {
  if (tenant.id !== tenantId) return false;
  if (bound === null) return true;
  return 'incarnation' in bound ? bound.incarnation === tenant.incarnation : tenant.createdAt <= bound.existedAt;
}
