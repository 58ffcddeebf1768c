/**
 * Management keys: callers' keys, kept like any other key in the tenant `_system`. So they expire, rotate with grace and are audited by the same code; only
 * what the fields of a key mean is different: scopes are permissions, the owner is the tenant that the caller is confined to, and the
 * metadata names the role.
 */
import * as v from 'valibot';
import type { KeyAttributes, VerifiedKey } from '../../durable-objects/keys/record.ts';
import { Problem } from '../http/problem.ts';
import { PERMISSIONS, type Permission, type Principal, ROLES, type Role } from './principal.ts';

/** Prefix of management keys, so that a scanner tells them from customers' keys. */
export const MANAGEMENT_KEY_PREFIX = 'ksm';

export type Grant = {
  readonly role: Role | null;
  readonly permissions: readonly Permission[];
  readonly tenantId: string | null;
};

const storedGrant = v.object({ role: v.nullable(v.picklist(['owner', 'admin', 'operator', 'auditor', 'verifier'])) });
const storedPermissions = v.array(v.picklist(PERMISSIONS));

/** A grant as the attributes of a key. A role is kept as such, so that it holds what the role holds when it is used. */
export function attributesOf({
  role,
  permissions,
  tenantId,
}: Grant): Pick<KeyAttributes, 'owner' | 'scopes' | 'metadata'> {
  return { owner: tenantId, scopes: role === null ? permissions : [], metadata: JSON.stringify({ role }) };
}

/** What a management key grants. */
export function grantOf(key: VerifiedKey): Grant {
  const { role } = v.parse(storedGrant, JSON.parse(key.metadata));
  const permissions = role === null ? v.parse(storedPermissions, key.scopes) : ROLES[role];
  return { role, permissions, tenantId: key.owner };
}

/** Principals by what was verified, which under a lease is the same object each time. */
const principals = new WeakMap<VerifiedKey, Principal>();

/** The caller that holds this management key. */
export function principalOf(key: VerifiedKey): Principal {
  const known = principals.get(key);
  if (known !== undefined) return known;
  const { permissions, tenantId } = grantOf(key);
  const principal: Principal = {
    actor: { type: 'management_key', id: key.id },
    permissions: new Set(permissions),
    tenantId,
  };
  principals.set(key, principal);
  return principal;
}

/**
 * Refuses to hand a grant to somebody, or decide about its key, unless the caller holds all of it. Rotating counts as handing out, since the answer
 * is a working key.
 */
export function requireHeld(caller: Principal, grant: Grant): void {
  const missing = grant.permissions.filter((permission) => !caller.permissions.has(permission));
  if (missing.length > 0) {
    throw new Problem('forbidden', {
      detail: `The caller does not hold ${missing.join(', ')} itself.`,
      members: { permission: missing[0] },
    });
  }
  if (caller.tenantId !== null && grant.tenantId !== caller.tenantId) {
    throw new Problem('forbidden', {
      detail: 'The caller is confined to a tenant, and so must be the keys it manages.',
    });
  }
}
