/**
 * Verifying a key string, for customers' keys and for callers' own alike. A malformed or forged one never gets further than this isolate; one
 * under a lease is decided about here, by the object's own function; any other costs one call to the object.
 */
import type { VerifiedKey } from '../durable-objects/keys/record.ts';
import { type DecisionCode, decide, type Warning } from '../durable-objects/keys/verification.ts';
import { locatorOf, objectNameOf, SYSTEM_TENANT_ID } from '../durable-objects/tenants/locator.ts';
import type { Runtime } from './config/runtime.ts';
import type { Lease } from './leases/cache.ts';
import type { Objects } from './objects.ts';
import { parseKeyString } from './secrets/key-string.ts';

export type Verified =
  | { readonly code: 'MALFORMED' | 'FORGED' | 'NOT_FOUND' }
  | {
      readonly code: DecisionCode;
      readonly tenantId: string;
      readonly key: VerifiedKey;
      readonly warnings: readonly Warning[];
    };

export type VerificationOptions = {
  readonly scopes: readonly string[];
  /** Tenants of which the key must be. */
  readonly within: readonly string[];
  /** Whether the key must be one of `_system`: a management key. */
  readonly system: boolean;
  /** Whether to ask the object even under a lease. */
  readonly fresh: boolean;
};

/** Verifies a key string as of now. Without a wait when a lease decides. */
export function verifyKeyString(
  text: string,
  options: VerificationOptions,
  runtime: Runtime,
  objects: Objects,
): Verified | Promise<Verified> {
  const now = Date.now();
  const lease = options.fresh ? null : runtime.leases.get(text, now);
  return lease === null
    ? verifyAsking(text, options, runtime, objects)
    : verifyLeased(lease, options, runtime, objects, now);
}

function verifyLeased(
  lease: Lease,
  { scopes, within, system }: VerificationOptions,
  { leases }: Runtime,
  objects: Objects,
  now: number,
): Verified {
  const { tenantId, objectName, key } = lease;
  const isWanted = (tenantId === SYSTEM_TENANT_ID) === system && within.every((id) => id === tenantId);
  if (!isWanted) return { code: 'NOT_FOUND' };
  // Only keys of active tenants are leased; a tenant's change of status waits for all its leases.
  const { code, warnings } = decide('active', key, scopes, now);
  if (code === 'VALID' && leases.isNewUse(lease, now)) objects.noteLeasedUse(objectName, key.id);
  return { code, warnings, tenantId, key };
}

async function verifyAsking(
  text: string,
  { scopes, within, system }: VerificationOptions,
  { signer, leases, systemObjectName }: Runtime,
  objects: Objects,
): Promise<Verified> {
  const parsed = parseKeyString(text);
  if (parsed === null) return { code: 'MALFORMED' };
  const digest = await signer.verify(parsed);
  if (digest === null) return { code: 'FORGED' };
  // The locator is a function of the tenant id, so a key from elsewhere is told apart without asking its object.
  const objectName = objectNameOf(parsed.locator);
  if ((objectName === (await systemObjectName)) !== system) return { code: 'NOT_FOUND' };
  for (const tenantId of within) {
    if (objectNameOf(await locatorOf(tenantId)) !== objectName) return { code: 'NOT_FOUND' };
  }

  const asking = leases.ask(Date.now());
  const { id } = parsed;
  const answer = await objects.tenantAt(objectName, (tenant) => tenant.verifyKey(id, digest, scopes));
  if (answer.code !== 'NOT_FOUND' && answer.leaseMs > 0) {
    const { tenantId, key } = answer;
    leases.put(text, { tenantId, objectName, key }, answer.leaseMs, asking, Date.now());
  }
  return answer;
}
