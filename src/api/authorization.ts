/** Whether a caller may use an operation. */
import { mayReach, type Principal } from '../auth/principal.ts';
import { forbidden } from '../http/problem.ts';
import type { OperationDescription } from './operation.ts';
import { problem } from './problems.ts';

/**
 * Throws a problem unless the caller may use the operation. `tenantId` is the tenant in the path,
 * undefined without one.
 */
export function authorize(
  caller: Principal,
  { permission, confined }: Pick<OperationDescription, 'permission' | 'confined'>,
  tenantId: string | undefined,
): void {
  // First, so that a caller confined to another tenant learns nothing about this one, not even the permission it needs.
  if (tenantId !== undefined && !mayReach(caller, tenantId)) throw problem('tenant_not_found');
  if (!caller.permissions.has(permission)) throw missingPermission(permission);
  if (caller.confinement !== null && confined === 'refused') throw forbidden('The caller is confined to one tenant.');
}

export const missingPermission = (permission: string) =>
  forbidden(`The permission ${permission} is missing.`, permission);
