/** Who calls and what they may do. */
import type { Actor } from '../../domain/command.ts';
import type { Confinement } from '../../domain/tenants/target.ts';

export const PERMISSIONS = [
  'tenants:read',
  'tenants:write',
  'keys:read',
  'keys:create',
  'keys:update',
  'keys:rotate',
  'keys:revoke',
  'keys:delete',
  'keys:reveal',
  'keys:verify',
  'audit:read',
  'usage:read',
  'maintenance:read',
  'maintenance:run',
  'management:read',
  'management:write',
] as const;

export type Permission = (typeof PERMISSIONS)[number];

/** Roles: names for lists of permissions that go together. */
export const ROLES = {
  owner: PERMISSIONS,
  admin: PERMISSIONS.filter((permission) => permission !== 'management:write'),
  operator: [
    'tenants:read',
    'keys:read',
    'keys:create',
    'keys:update',
    'keys:rotate',
    'keys:revoke',
    'keys:delete',
    'keys:verify',
    'audit:read',
    'usage:read',
    'maintenance:read',
    'maintenance:run',
  ],
  auditor: ['tenants:read', 'keys:read', 'audit:read', 'usage:read', 'maintenance:read', 'management:read'],
  verifier: ['keys:verify'],
} as const satisfies Record<string, readonly Permission[]>;

export type Role = keyof typeof ROLES;
export const ROLE_NAMES = ['owner', 'admin', 'operator', 'auditor', 'verifier'] as const satisfies readonly Role[];

export type Principal = {
  readonly actor: Actor;
  readonly permissions: ReadonlySet<Permission>;
  /** The one tenant this caller is confined to, null for all. */
  readonly confinement: Confinement | null;
  /** When the caller's own key ends (ms), by expiry or by the end of its grace; null for never. Nothing that it hands out lasts longer. */
  readonly endsAt: number | null;
};

/** Whether this caller may know that the tenant exists at all. */
export function mayReach(principal: Principal, tenantId: string): boolean {
  return principal.confinement === null || principal.confinement.tenantId === tenantId;
}
