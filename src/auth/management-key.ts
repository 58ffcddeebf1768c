/**
 * Management keys: callers' keys, kept like any other key in the tenant `_system`. So they expire, rotate with grace and are audited by the same code; only
 * what the fields of a key mean is different: scopes are permissions, the owner is the tenant that the caller is confined to, with its
 * incarnation, and the metadata names the role.
 */
import * as v from 'valibot';
import type { KeyAttributes, VerifiedKey } from '../../domain/keys/record.ts';
import { endsWithin } from '../../domain/rotations/rights.ts';
import { grantOwner, parseGrantOwner } from '../../domain/tenants/lifecycle.ts';
import type { Confinement, TenantRef } from '../../domain/tenants/target.ts';
import { forbidden } from '../http/problem.ts';
import { PERMISSIONS, type Permission, type Principal, ROLE_NAMES, ROLES, type Role } from './principal.ts';

/** Answer to a caller who would hand out a management key that lasts longer than the caller's own. */
export const OUTLIVES_CALLER =
  'The caller has an end, and hands out no management key that lasts longer: give an expiresAt no later than that.';

/** Prefix of management keys, so that a scanner tells them from customers' keys. */
export const MANAGEMENT_KEY_PREFIX = 'ksm';

export type Grant = {
  readonly role: Role | null;
  readonly permissions: readonly Permission[];
  readonly confinement: Confinement | null;
};

const storedGrant = v.object({ role: v.nullable(v.picklist(ROLE_NAMES)) });
const storedPermissions = v.array(v.picklist(PERMISSIONS));

/**
 * The attributes of a key that grants this, confined to one tenant or not. A role is kept as such, so that it holds what the role holds when it is
 * used.
 */
export function attributesOf(
  { role, permissions }: Pick<Grant, 'role' | 'permissions'>,
  confinedTo: TenantRef | null,
): Pick<KeyAttributes, 'owner' | 'scopes' | 'metadata'> {
  const owner = confinedTo === null ? null : grantOwner(confinedTo);
  return { owner, scopes: role === null ? permissions : [], metadata: JSON.stringify({ role }) };
}

/** What a management key grants. */
export function grantOf(key: Pick<VerifiedKey, 'owner' | 'scopes' | 'metadata' | 'createdAt'>): Grant {
  const { role } = v.parse(storedGrant, JSON.parse(key.metadata));
  const permissions = role === null ? v.parse(storedPermissions, key.scopes) : ROLES[role];
  return { role, permissions, confinement: key.owner === null ? null : confinementOf(key.owner, key.createdAt) };
}

/** The owner of management keys that are confined like this. */
export function ownerOf({ tenantId, bound }: Confinement): string {
  return 'incarnation' in bound ? grantOwner({ tenantId, incarnation: bound.incarnation }) : tenantId;
}

function confinementOf(owner: string, grantedAt: number): Confinement {
  const { tenantId, incarnation } = parseGrantOwner(owner);
  return { tenantId, bound: incarnation === null ? { existedAt: grantedAt } : { incarnation } };
}

/** Principals by what was verified, which under a lease is the same object each time. */
const principals = new WeakMap<VerifiedKey, Principal>();

/** The caller that holds this management key. */
export function principalOf(key: VerifiedKey): Principal {
  const known = principals.get(key);
  if (known !== undefined) return known;
  const { permissions, confinement } = grantOf(key);
  const principal: Principal = {
    actor: { type: 'management_key', id: key.id },
    permissions: new Set(permissions),
    confinement,
    // Grace never outlives the key's own expiry.
    endsAt: key.graceEndsAt ?? key.expiresAt,
  };
  principals.set(key, principal);
  return principal;
}

/**
 * When a management key that this caller makes ends: as asked for, by default with the caller. Nobody hands out what outlives them: else a key that ends,
 * or that was rotated out because it leaked, could make itself endless.
 */
export function expiryWithin({ endsAt }: Principal, wanted: number | null | undefined): number | null {
  const expiresAt = wanted === undefined ? endsAt : wanted;
  if (!endsWithin(expiresAt, endsAt)) throw forbidden(OUTLIVES_CALLER);
  return expiresAt;
}

/**
 * Refuses to hand a grant to somebody, or decide about its key, unless the caller holds all of it. Rotating counts as handing out, since the answer
 * is a working key.
 */
export function requireHeld(
  caller: Principal,
  grant: { readonly permissions: readonly Permission[]; readonly confinement: { readonly tenantId: string } | null },
): void {
  const missing = grant.permissions.filter((permission) => !caller.permissions.has(permission));
  if (missing.length > 0) {
    throw forbidden(`The caller does not hold ${missing.join(', ')} itself.`, missing[0]);
  }
  if (caller.confinement !== null && grant.confinement?.tenantId !== caller.confinement.tenantId) {
    throw forbidden('The caller is confined to a tenant, and so must be the keys it manages.');
  }
}
