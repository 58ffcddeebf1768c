/** Who calls, and what the caller may do. */
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
  'owners:read',
  'owners:write',
  'plans:read',
  'plans:write',
  'audit:read',
  'usage:read',
  'maintenance:read',
  'maintenance:run',
  'metrics:read',
  'management:read',
  'management:write',
] as const;

export type Permission = (typeof PERMISSIONS)[number];

/** Roles: named lists of permissions. */
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
    'owners:read',
    'owners:write',
    'plans:read',
    'plans:write',
    'audit:read',
    'usage:read',
    'maintenance:read',
    'maintenance:run',
    'metrics:read',
  ],
  auditor: [
    'tenants:read',
    'keys:read',
    'owners:read',
    'plans:read',
    'audit:read',
    'usage:read',
    'maintenance:read',
    'metrics:read',
    'management:read',
  ],
  verifier: ['keys:verify'],
  monitor: ['metrics:read'],
} as const satisfies Record<string, readonly Permission[]>;

export type Role = keyof typeof ROLES;
export const ROLE_NAMES = Object.keys(ROLES) as readonly Role[];

export type Principal = {
  readonly actor: Actor;
  readonly permissions: ReadonlySet<Permission>;
  /** The one tenant that this caller is confined to, null for a caller that may reach all. */
  readonly confinement: Confinement | null;
  /** When the caller's own key ends (ms), by expiry or at the end of its grace period; null for never. */
  readonly endsAt: number | null;
};

/** Whether the caller may reach the tenant, and thus may learn whether it exists. */
export function mayReach(principal: Principal, tenantId: string): boolean {
  return principal.confinement === null || principal.confinement.tenantId === tenantId;
}
