/** Verification of customers' keys. */
import { type Answer, json } from '../http/answer.ts';
import type { Call } from '../http/call.ts';
import { toVerification, verifyBody } from '../schemas/verification.ts';
import { verifyKeyString } from '../verification.ts';
import { deploymentRoute, type Route } from './route.ts';

const NO_SCOPES: readonly string[] = [];

async function verify(call: Call): Promise<Answer> {
  const { key, scopes = NO_SCOPES, tenantId, fresh = false } = await call.body(verifyBody);
  const within = [tenantId, call.caller.tenantId].filter((id) => id != null);
  // A management key opens Keystead itself; no customer presents one.
  const options = { scopes, within, system: false, fresh };
  return json(toVerification(await verifyKeyString(key, options, call.runtime, call.objects)));
}

export const verifyRoute: Route = deploymentRoute('POST', '/keys/verify', 'keys:verify', verify, {
  confined: 'allowed',
});
