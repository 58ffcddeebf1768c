/**
 * Management keys: the keys of Keystead's own callers. They are keys of the tenant `_system`, so the same code makes
 * them expire, rotates them with grace and audits them. Only the meaning of three fields differs:
 *
 *   scopes     the permissions; empty for a role
 *   metadata   the role
 *   owner      the tenant that the caller is confined to, with its incarnation; null for a caller that is not confined
 */
import * as v from 'valibot';
import type { KeyAttributes, VerifiedKey } from '../../domain/keys/record.ts';
import { endsWithin } from '../../domain/rotations/rights.ts';
import { grantOwner, parseGrantOwner } from '../../domain/tenants/lifecycle.ts';
import type { Confinement, TenantRef } from '../../domain/tenants/target.ts';
import { forbidden } from '../http/problem.ts';
import { PERMISSIONS, type Permission, type Principal, ROLE_NAMES, ROLES, type Role } from './principal.ts';

/** The refusal of a management key that would last longer than the caller's own. */
export const outlivesCaller = () =>
  forbidden(
    'The caller has an end, and hands out no management key that lasts longer: give an expiresAt no later than that.',
  );

/** Prefix of management keys. A scanner tells them from customers' keys by it. */
export const MANAGEMENT_KEY_PREFIX = 'ksm';

export type Grant = {
  readonly role: Role | null;
  readonly permissions: readonly Permission[];
  readonly confinement: Confinement | null;
};

const storedGrant = v.object({ role: v.nullable(v.picklist(ROLE_NAMES)) });
const storedPermissions = v.array(v.picklist(PERMISSIONS));

/**
 * The attributes of a key with this grant, confined to a tenant or not (null). A role is stored by name, so the key
 * grants what the role means at the time of use.
 */
export function attributesOf(
  { role, permissions }: Pick<Grant, 'role' | 'permissions'>,
  confinedTo: TenantRef | null,
): Pick<KeyAttributes, 'owner' | 'scopes' | 'metadata'> {
  const owner = confinedTo === null ? null : grantOwner(confinedTo);
  return { owner, scopes: role === null ? permissions : [], metadata: JSON.stringify({ role }) };
}

/** The grant of a management key. Throws when the stored fields make no sense. */
export function grantOf(key: Pick<VerifiedKey, 'owner' | 'scopes' | 'metadata' | 'createdAt'>): Grant {
  const { role } = v.parse(storedGrant, JSON.parse(key.metadata));
  const permissions = role === null ? v.parse(storedPermissions, key.scopes) : ROLES[role];
  return { role, permissions, confinement: key.owner === null ? null : confinementOf(key.owner, key.createdAt) };
}

/** The owner of the management keys with this confinement. */
export function ownerOf({ tenantId, bound }: Confinement): string {
  return 'incarnation' in bound ? grantOwner({ tenantId, incarnation: bound.incarnation }) : tenantId;
}

function confinementOf(owner: string, grantedAt: number): Confinement {
  const { tenantId, incarnation } = parseGrantOwner(owner);
  return { tenantId, bound: incarnation === null ? { existedAt: grantedAt } : { incarnation } };
}

/** Principals by the verified key, which is the same object as long as the key is leased. */
const principals = new WeakMap<VerifiedKey, Principal>();

/** The principal for a verified management key. */
export function principalOf(key: VerifiedKey): Principal {
  const known = principals.get(key);
  if (known !== undefined) return known;
  const { permissions, confinement } = grantOf(key);
  const principal: Principal = {
    actor: { type: 'management_key', id: key.id },
    permissions: new Set(permissions),
    confinement,
    // The earlier of the two: a grace period never ends after the key's own expiry.
    endsAt: key.graceEndsAt ?? key.expiresAt,
  };
  principals.set(key, principal);
  return principal;
}

/**
 * When a management key that this caller makes ends (ms, null for never): as wanted, by default with the caller's own
 * key. Throws `forbidden` when that is later than the caller's own end. Otherwise a key that expires, or that was
 * rotated because it leaked, could make itself a successor that lasts forever.
 */
export function expiryWithin({ endsAt }: Principal, wanted: number | null | undefined): number | null {
  const expiresAt = wanted === undefined ? endsAt : wanted;
  if (!endsWithin(expiresAt, endsAt)) throw outlivesCaller();
  return expiresAt;
}

/**
 * Throws `forbidden` unless the caller has all of a grant itself. Required to create a key with the grant, to revoke
 * one and to rotate one, since the response to a rotation holds a working key.
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
