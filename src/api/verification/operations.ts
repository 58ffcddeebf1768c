/** Verification of customers' keys: the operation that is asked most. */
import type { VerifiedKey } from '../../../domain/keys/record.ts';
import { type Verified, verifyKeyString } from '../../verify/verify.ts';
import { type Operation, type Outcome, operation } from '../operation.ts';
import { toVerification, type Verification, verification, verifyBody } from './schemas.ts';

const NO_SCOPES: readonly string[] = [];

export const verifyKey = operation({
  id: 'keys.verify',
  summary: 'Tells whether a key string is valid now, and of what',
  method: 'POST',
  path: '/v1/keys/verify',
  permission: 'keys:verify',
  confined: 'allowed',
  changes: false,
  request: { body: verifyBody },
  response: { body: verification },
  run: async ({ caller, runtime, objects, log }, { body: { key, scopes = NO_SCOPES, tenantId, fresh = false } }) => {
    const within = [caller.confinement, tenantId === undefined ? null : { tenantId, bound: null }].filter(
      (target) => target !== null,
    );
    // A management key opens Keystead itself; no customer presents one.
    const options = { scopes, within, system: false, fresh };
    const verified = await verifyKeyString(key, options, runtime, objects);
    log.verification = verified.code;
    if ('key' in verified) log.keyId = verified.key.id;
    return outcomeOf(verified);
  },
});

/** Outcomes that follow from a leased key alone. Each is made once and kept as long as the key is. */
const lasting = new WeakMap<VerifiedKey, Outcome<Verification>>();

function outcomeOf(verified: Verified): Outcome<Verification> {
  const lasts = 'key' in verified && verified.leased && verified.code === 'VALID' && verified.warnings.length === 0;
  if (!lasts) return { value: toVerification(verified) };
  const known = lasting.get(verified.key);
  if (known !== undefined) return known;
  const outcome = { value: toVerification(verified), isKept: true };
  lasting.set(verified.key, outcome);
  return outcome;
}

export const verificationOperations: readonly Operation[] = [verifyKey];
