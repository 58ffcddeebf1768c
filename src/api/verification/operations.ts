/** Verification of customers' keys: the operation that is called most. */
import type { VerifiedKey } from '../../../domain/keys/record.ts';
import { type Verification, verifyKeyString } from '../../verify/verify.ts';
import { type Operation, type Outcome, operation } from '../operation.ts';
import { toVerificationResource, type VerificationResource, verification, verifyBody } from './schemas.ts';

const NO_SCOPES: readonly string[] = [];

export const verifyKey = operation({
  id: 'keys.verify',
  summary: 'Verifies a key string and returns the key that it belongs to',
  method: 'POST',
  path: '/v1/keys/verify',
  permission: 'keys:verify',
  confined: 'allowed',
  changes: false,
  request: { body: verifyBody },
  response: { body: verification },
  run: async ({ caller, runtime, objects, log }, { body }) => {
    const { key, scopes = NO_SCOPES, tenantId, fresh = false, cost, limits } = body;
    const within = [caller.confinement, tenantId === undefined ? null : { tenantId, bound: null }].filter(
      (target) => target !== null,
    );
    // Customers have no management keys, so those are not found here (`system: false`).
    const spending = cost === undefined && limits === undefined ? null : { cost: cost ?? 1, limits: limits ?? [] };
    const options = { scopes, within, system: false, fresh, spending };
    const verified = await verifyKeyString(key, options, runtime, objects);
    log.verification = verified.code;
    if ('key' in verified) log.keyId = verified.key.id;
    return outcomeOf(verified);
  },
});

/**
 * Outcomes that depend on a held key alone. Each is made once and lives as long as the held key. HELD_BYTES in
 * domain/keys/held-key.ts accounts for it.
 */
const reused = new WeakMap<VerifiedKey, Outcome<VerificationResource>>();

function outcomeOf(verified: Verification): Outcome<VerificationResource> {
  const isReused = 'key' in verified && verified.leased && verified.code === 'VALID' && verified.warnings.length === 0;
  if (!isReused) return { value: toVerificationResource(verified) };
  const known = reused.get(verified.key);
  if (known !== undefined) return known;
  const outcome = { value: toVerificationResource(verified), isReused };
  reused.set(verified.key, outcome);
  return outcome;
}

export const verificationOperations: readonly Operation[] = [verifyKey];
