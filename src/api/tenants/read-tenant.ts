/** Reading a tenant's record, for several resources. */
import type { ObjectClient } from '../../object-client.ts';

/** The record of a tenant as its object has it now, or the failure. */
export const describeTenant = (objects: ObjectClient, tenantId: string) =>
  objects.tenant(tenantId, (tenant, target) => tenant.describe(target));
