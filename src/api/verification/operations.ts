/** Verification of customers' keys. */
import type { VerifiedKey } from '../../../domain/keys/record.ts';
import { type Answer, json } from '../../http/answer.ts';
import type { Call } from '../request-context.ts';
import { toVerification, verifyBody } from './schemas.ts';
import { type Verified, verifyKeyString } from '../../verify/verify.ts';
import { deploymentRoute, type Route } from '../operation.ts';

const NO_SCOPES: readonly string[] = [];

async function verify(call: Call): Promise<Answer> {
  const { key, scopes = NO_SCOPES, tenantId, fresh = false } = await call.body(verifyBody);
  const within = [call.caller.confinement, tenantId === undefined ? null : { tenantId, bound: null }].filter(
    (target) => target !== null,
  );
  // A management key opens Keystead itself; no customer presents one.
  const options = { scopes, within, system: false, fresh };
  const verified = await verifyKeyString(key, options, call.runtime, call.objects);
  call.log.verification = verified.code;
  if ('key' in verified) call.log.keyId = verified.key.id;
  return answerTo(verified);
}

/** Answers that follow from a leased key alone, each made once and kept as long as the key is. */
const standing = new WeakMap<VerifiedKey, Answer>();

function answerTo(verified: Verified): Answer {
  const stands = 'key' in verified && verified.leased && verified.code === 'VALID' && verified.warnings.length === 0;
  if (!stands) return json(toVerification(verified));
  const known = standing.get(verified.key);
  if (known !== undefined) return known;
  const answer = json(toVerification(verified));
  standing.set(verified.key, answer);
  return answer;
}

export const verifyRoute: Route = deploymentRoute('POST', '/keys/verify', 'keys:verify', verify, {
  confined: 'allowed',
});
