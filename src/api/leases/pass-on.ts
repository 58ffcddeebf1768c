/**
 * Passes leases of this isolate on to clients. What a client gets is one snapshot, taken in one turn: a record, what
 * was changed, and what is left of the lease, which ends no later than the lease on the caller's own key.
 */
import type { HeldKey } from '../../../domain/keys/held-key.ts';
import type { Known } from '../../../domain/leases/lease.ts';
import { leasesPassedOn } from '../../../domain/metrics/isolate-metrics.ts';
import { callerLeaseMs } from '../../auth/caller-lease.ts';
import { freshen } from '../../verify/object-calls.ts';
import type { RequestContext } from '../request-context.ts';
import type { LeaseResource } from './schemas.ts';

type Request = { readonly known: Known | null };

/** What a client gets along with the verification of a key; null for nothing. */
export async function leaseOfClient(
  tenantId: string,
  keyId: string,
  { known }: Request,
  context: RequestContext,
): Promise<LeaseResource | null> {
  const { objectName } = await context.objects.placeOf(tenantId);
  await freshenCaller(context);
  return await passedOn(objectName, keyId, known, context);
}

/** Sees that enough is left of the lease on the caller's own key. */
export async function freshenCaller({ caller, runtime, objects }: RequestContext): Promise<void> {
  if (caller.actor.type === 'management_key') await freshen(await runtime.systemObjectName, null, runtime, objects);
}

/** The snapshot; null when no lease can be passed on. `keyId` is null when no record is wanted. */
export async function passedOn(
  objectName: string,
  keyId: string | null,
  known: Known | null,
  context: RequestContext,
): Promise<LeaseResource | null> {
  const lease = snapshot(objectName, keyId, known, context, await context.runtime.systemObjectName);
  leasesPassedOn.at(lease === null ? 'none' : 'given').count += 1;
  return lease;
}

/** Synchronous, so that all of it is of one moment. */
function snapshot(
  objectName: string,
  keyId: string | null,
  known: Known | null,
  { caller, runtime }: RequestContext,
  systemObject: string,
): LeaseResource | null {
  const now = runtime.now();
  const passed = runtime.leases.passOn(objectName, keyId, known, now);
  if (passed === null) return null;
  const leaseMs = Math.floor(Math.min(passed.renewal.leaseMs, callerLeaseMs(caller, systemObject, runtime, now)));
  if (leaseMs <= 0) return null;
  return { ...passed.renewal, changed: [...passed.renewal.changed], leaseMs, now, record: recordOf(passed.record) };
}

/** A record as a client gets it. One with limits stays here: this isolate holds units of them, and clients do not. */
function recordOf(held: HeldKey | null): LeaseResource['record'] {
  if (held === null || held.limits !== null) return null;
  const { isMetered: _, limits: __, scopes, allowedScopes, ...key } = held.key;
  const { id, incarnation, createdAt } = held.tenant;
  return {
    tenant: { id, incarnation, createdAt },
    key: { ...key, scopes: [...scopes], ...(allowedScopes === undefined ? {} : { allowedScopes: [...allowedScopes] }) },
  };
}
