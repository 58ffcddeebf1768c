/**
 * Verifying a key string, for customers' keys and for callers' own alike. A malformed or forged one never gets further than this isolate; one
 * under a lease is decided about here, by the object's own function; any other costs one call to the object.
 */
import type { VerifiedKey } from '../durable-objects/keys/record.ts';
import { type DecisionCode, decide, type Warning } from '../durable-objects/keys/verification.ts';
import { locatorOf, objectNameOf } from '../durable-objects/tenants/locator.ts';
import type { Runtime } from './config/runtime.ts';
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

/** Verifies a key string as of now. */
export async function verifyKeyString(
  text: string,
  { scopes, within, system, fresh }: VerificationOptions,
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

  const now = Date.now();
  const leased = fresh ? null : leases.get(parsed.id, digest, now);
  if (leased !== null) {
    const { tenantId, key } = leased;
    // Only keys of active tenants are leased; a tenant's change of status waits for all its leases.
    const decision = decide('active', key, scopes, now);
    if (decision.code === 'VALID' && leases.isNewUse(key.id, now)) objects.noteLeasedUse(objectName, key.id);
    return { ...decision, tenantId, key };
  }

  const asking = leases.ask(now);
  const answer = await objects.tenantAt(objectName, (tenant) => tenant.verifyKey(parsed.id, digest, scopes));
  if (answer.code !== 'NOT_FOUND' && answer.leaseMs > 0) {
    leases.put({ tenantId: answer.tenantId, key: answer.key, digest }, answer.leaseMs, asking, Date.now());
  }
  return answer;
}
