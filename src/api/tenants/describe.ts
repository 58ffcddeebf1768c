/** Reading a tenant's record, which several resources need. */
import type { ObjectClient } from '../../object-client.ts';

/** The record of a tenant as its object has it now, or why there is none. */
export const describeTenant = (objects: ObjectClient, tenantId: string) =>
  objects.tenant(tenantId, (tenant, target) => tenant.describe(target));
