/** Renewal of the leases by which clients verify, and what clients report with it. */
import { isMeant } from '../../../domain/tenants/target.ts';
import { freshen } from '../../verify/object-calls.ts';
import { noteUsesOfOther } from '../../verify/reports.ts';
import { BODY_BYTES, type Operation, operation } from '../operation.ts';
import type { RequestContext } from '../request-context.ts';
import { freshenCaller, passedOn } from './pass-on.ts';
import { type RenewalRequest, type RenewalResource, renewalBody, renewals } from './schemas.ts';

const renewLeases = operation({
  id: 'leases.renew',
  summary: 'Renews the leases of a client on tenants whose keys it verifies itself, and takes its reports',
  method: 'POST',
  path: '/v1/leases/renew',
  permission: 'keys:verify',
  confined: 'allowed',
  changes: false,
  request: { body: renewalBody, bodyBytesMax: BODY_BYTES.key },
  response: { body: renewals },
  run: async (context, { body }) => {
    await freshenCaller(context);
    return { value: { tenants: await Promise.all(body.tenants.map((tenant) => renewOne(tenant, context))) } };
  },
});

async function renewOne(
  { tenantId, known, uses = [], usage }: RenewalRequest,
  context: RequestContext,
): Promise<RenewalResource> {
  const { runtime, objects } = context;
  const { objectName } = await objects.placeOf(tenantId);
  const isHeld = runtime.leases.knows(objectName);
  // A call to an object makes it, so none is made about a tenant that does not exist.
  if (!mayHold(tenantId, objectName, context) || !(isHeld || (await objects.mayExist(tenantId)))) {
    return { tenantId, lease: null, reported: null };
  }
  noteUsesOfOther(objectName, uses, runtime, objects);
  const [isReported] = await Promise.all([
    usage === undefined ? false : objects.reportUsage(objectName, usage),
    freshen(objectName, known, runtime, objects),
  ]);
  const lease = await passedOn(objectName, null, known, context);
  return { tenantId, lease, reported: isReported && usage !== undefined ? usage.number : null };
}

/**
 * Whether the caller may hold something of this tenant. One that is confined may only of its own, which a record has
 * named; it gets a record, and a lease with it, by verifying a key.
 */
function mayHold(tenantId: string, objectName: string, { caller, runtime }: RequestContext): boolean {
  if (caller.confinement === null) return true;
  const identity = runtime.leases.identityOf(objectName);
  return identity !== null && identity.id === tenantId && isMeant(identity, caller.confinement);
}

export const leaseOperations: readonly Operation[] = [renewLeases];
