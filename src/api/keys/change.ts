/** Changing one key: what update, revocation and the ends of a rotation have in common. */
import type { KeyView } from '../../../domain/keys/record.ts';
import type { Mutated } from '../../../domain/outcome.ts';
import type { TenantChange } from '../../object-client.ts';
import type { Outcome } from '../operation.ts';
import { changedVersion } from '../outcomes.ts';
import type { CommandOptions, RequestContext } from '../request-context.ts';
import { type KeyResource, toKeyResource } from './schemas.ts';

/** Changes a key in the object of its tenant. The outcome is the key after the change. */
export async function changeKey(
  context: RequestContext,
  tenantId: string,
  change: TenantChange<Mutated<KeyView>>,
  options?: CommandOptions,
): Promise<Outcome<KeyResource>> {
  return changedVersion(await context.change(tenantId, change, options), (key) => toKeyResource(tenantId, key));
}
