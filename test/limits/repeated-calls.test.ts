import { expect, it } from 'vitest';
import { logged, sendJson } from '../http/client.ts';
import { createKey, createTenant } from '../support/api.ts';
import { faultyEnv } from '../support/faults.ts';

it('a verification that is sent to the object again costs as much as it was asked for', async () => {
  logged();
  await createTenant('repeating');
  const rateLimits = [{ name: 'calls', limit: 10, windowSeconds: 60 }];
  const { secret } = await createKey('repeating', { rateLimits });
  // The first call does not reach the object.
  const { env, calls } = faultyEnv({ method: 'verifyKey', when: 'before', times: 1 });
  const response = await sendJson('POST', '/v1/keys/verify', { key: secret, cost: 4 }, { env });
  expect(calls.filter((method) => method === 'verifyKey')).toHaveLength(2);
  expect(await response.json()).toMatchObject({ code: 'VALID', limits: [{ name: 'calls', remaining: 6 }] });
});
