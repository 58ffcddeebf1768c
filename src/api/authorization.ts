/** Whether a caller may use an operation. */
import { mayReach, type Principal } from '../auth/principal.ts';
import { forbidden } from '../http/problem.ts';
import type { OperationDescription } from './operation.ts';
import { problem } from './problems.ts';

/** Throws the problem that refuses the caller, if it is refused. `tenantId` is the tenant of the path, undefined when there is none. */
export function authorize(
  caller: Principal,
  { permission, confined }: Pick<OperationDescription, 'permission' | 'confined'>,
  tenantId: string | undefined,
): void {
  // Before the permission: a caller confined elsewhere learns nothing about this tenant, not even what it would need.
  if (tenantId !== undefined && !mayReach(caller, tenantId)) throw problem('tenant_not_found');
  if (!caller.permissions.has(permission)) throw missingPermission(permission);
  if (caller.confinement !== null && confined === 'refused') throw forbidden('The caller is confined to one tenant.');
}

export const missingPermission = (permission: string) =>
  forbidden(`The permission ${permission} is missing.`, permission);
