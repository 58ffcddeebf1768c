/** Verification: at most one object call, none for a key string that is malformed or forged. */
import { locatorOf, objectNameOf, SYSTEM_TENANT_ID } from '../../durable-objects/tenants/locator.ts';
import { type Call, json } from '../http/call.ts';
import { refusal, toVerification, type Verification, verifyBody } from '../schemas/verification.ts';
import { parseKeyString } from '../secrets/key-string.ts';
import { deploymentRoute, type Route } from './route.ts';

async function verify(call: Call): Promise<Verification> {
  const { key, scopes, tenantId } = await call.body(verifyBody);
  const parsed = parseKeyString(key);
  if (parsed === null) return refusal('MALFORMED');
  const digest = await call.runtime.signer.verify(parsed);
  if (digest === null) return refusal('FORGED');
  const objectName = objectNameOf(parsed.locator);
  // A management key opens Keystead itself; no customer presents one.
  if (objectName === objectNameOf(await locatorOf(SYSTEM_TENANT_ID))) return refusal('NOT_FOUND');
  // The locator is a function of the tenant id, so another tenant's key is told apart without asking its object.
  for (const wanted of [tenantId, call.caller.tenantId]) {
    if (wanted != null && objectNameOf(await locatorOf(wanted)) !== objectName) return refusal('NOT_FOUND');
  }
  return toVerification(
    await call.objects.tenantAt(objectName, (tenant) => tenant.verifyKey(parsed.id, digest, scopes)),
  );
}

export const verifyRoutes: readonly Route[] = [
  deploymentRoute('POST', '/keys/verify', 'keys:verify', async (call) => json(await verify(call)), {
    confined: 'allowed',
  }),
];
