import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { logged, problemIn, send, sendJson } from './http/client.ts';
import { createKey, createTenant } from './support/api.ts';
import { type Fault, faultyEnv } from './support/faults.ts';

const ALWAYS = { when: 'before', times: Number.POSITIVE_INFINITY } as const;
let secret: string;

beforeAll(async () => {
  await createTenant('acme');
  ({ secret } = await createKey('acme'));
});

afterEach(() => {
  vi.restoreAllMocks();
});

describe('an object that fails', () => {
  it.each<[string, Omit<Fault, 'method' | 'when' | 'times'>, number]>([
    ['without a word', {}, 1],
    ['as retryable', { retryable: true }, 3],
    ['as overloaded', { overloaded: true }, 1],
    ['as overloaded, retryable or not', { overloaded: true, retryable: true }, 1],
  ])('%s causes a 503 with Retry-After, after a bounded number of calls', async (_name, flags, attempts) => {
    const lines = logged();
    for (const [method, path, body, called] of [
      ['GET', '/v1/tenants/acme', undefined, 'describe'],
      ['GET', '/v1/tenants', undefined, 'list'],
      ['POST', '/v1/tenants/acme/keys', { name: 'k' }, 'createKeys'],
      ['POST', '/v1/keys/verify', { key: secret }, 'verifyKey'],
    ] as const) {
      const { env: faulty, calls } = faultyEnv({ method: called, ...ALWAYS, ...flags });
      const response = await (body === undefined
        ? send(method, path, { env: faulty })
        : sendJson(method, path, body, { env: faulty }));
      // A verification is retried after any failure, unless the object is overloaded.
      const tries = called === 'verifyKey' && !('overloaded' in flags) ? 3 : attempts;
      expect(calls.filter((method) => method !== 'mayExist')).toEqual(Array(tries).fill(called));
      expect(response.headers.get('Retry-After')).toMatch(/^[1-9][0-9]*$/);
      const problem = await problemIn(response, 'unavailable');
      expect(JSON.stringify(problem)).not.toContain('network');
    }
    // One line for the failed call, one for the failed request.
    expect(lines).toHaveLength(8);
    expect(lines.join()).not.toContain('network');
  });

  it('twice as retryable is called a third time, and the caller notices nothing', async () => {
    const { env: faulty, calls } = faultyEnv({ method: 'describe', when: 'before', times: 2, retryable: true });
    expect((await send('GET', '/v1/tenants/acme', { env: faulty })).status).toBe(200);
    expect(calls).toEqual(['mayExist', 'describe', 'describe', 'describe']);
  });

  it('never makes a verification report a valid key as invalid', async () => {
    logged();
    const { env: faulty } = faultyEnv({ method: 'verifyKey', ...ALWAYS });
    const response = await sendJson('POST', '/v1/keys/verify', { key: secret }, { env: faulty });
    const problem = await problemIn(response, 'unavailable');
    expect(problem).not.toHaveProperty('valid');
  });
});

describe('a key string that is malformed or forged', () => {
  it.each<[string, (good: string) => string, string]>([
    ['empty', () => '', 'MALFORMED'],
    ['of another service', () => 'ghp_0123456789abcdefghijABCDEFGHIJ012345', 'MALFORMED'],
    ['mistyped', (good) => good.slice(0, -1) + (good.endsWith('0') ? '1' : '0'), 'MALFORMED'],
    ['nearly as long as the body may be', (good) => good.repeat(150), 'MALFORMED'],
    // A genuine key of another deployment: see test/key-string/key-string.vectors.json.
    [
      'of another deployment',
      () => 'ks_0ERz4aDrb1o9jWWqLna5FWnu3y1vOcrN0rNEtV8OhIbVDsTZ17vpnmL89bacviGSBYpH6a1Uc71bWNElve4zb73DLT2e',
      'FORGED',
    ],
  ])('is refused without a call of any object: %s', async (_name, keyFrom, code) => {
    const { env: watched, calls } = faultyEnv();
    const response = await sendJson('POST', '/v1/keys/verify', { key: keyFrom(secret) }, { env: watched });
    expect(await response.json()).toEqual({ valid: false, code, warnings: [] });
    expect(calls).toEqual([]);
  });

  it('needs no call, whereas a genuine one needs exactly one', async () => {
    const { env: watched, calls } = faultyEnv();
    await sendJson('POST', '/v1/keys/verify', { key: secret }, { env: watched });
    expect(calls).toEqual(['verifyKey']);
  });
});
