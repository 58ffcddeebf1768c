/** Changing one key: what update, revocation and the ends of a rotation have in common. */
import type { Command } from '../../../domain/command.ts';
import type { KeyView } from '../../../domain/keys/record.ts';
import type { Mutated } from '../../../domain/outcome.ts';
import type { TenantTarget } from '../../../domain/tenants/target.ts';
import type { Remote } from '../../../durable-objects/bindings.ts';
import type { Tenant } from '../../../durable-objects/tenant/tenant.ts';
import type { Outcome } from '../operation.ts';
import { changedVersion } from '../outcomes.ts';
import type { CommandOptions, RequestContext } from '../request-context.ts';
import { type KeyResource, toKeyResource } from './schemas.ts';

/** Changes a key in the object of its tenant. The outcome is the key after the change. */
export async function changeKey(
  context: RequestContext,
  tenantId: string,
  change: (tenant: Remote<Tenant>, target: TenantTarget, command: Command) => Promise<Mutated<KeyView>>,
  options?: CommandOptions,
): Promise<Outcome<KeyResource>> {
  return changedVersion(await context.change(tenantId, change, options), (key) => toKeyResource(tenantId, key));
}
