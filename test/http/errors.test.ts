import { env } from 'cloudflare:workers';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { CHECKS_BYTES_MAX } from '../../durable-objects/tenant/limits/check-table.ts';
import { missingPermission } from '../../src/api/authorization.ts';
import { BODY_BYTES } from '../../src/api/operation.ts';
import { PROBLEMS, type ProblemCode } from '../../src/api/problems.ts';
import type { Env } from '../../src/env.ts';
import { toResponse } from '../../src/http/reply.ts';
import { createKey, createTenant, getKey, revokeKey, rotateKey } from '../support/api.ts';
import { faultyEnv } from '../support/faults.ts';
import { sqlIn } from '../support/objects.ts';
import { logged, problemIn, send, sendJson } from './client.ts';

const UNKNOWN_KEY = 'key_00000000000000000';

let secret: string;

beforeAll(async () => {
  await createTenant('acme');
  ({ secret } = await createKey('acme'));
});

afterEach(() => {
  vi.restoreAllMocks();
});

/** An environment whose tenants return an invalid result: a bug of the program. */
function nonsensicalEnv(): Env {
  const nonsense = async () => ({ ok: true, value: { id: 'internal-detail' } });
  return {
    ...env,
    TENANTS: {
      idFromName: (name) => env.TENANTS.idFromName(name),
      get: (id) => new Proxy(env.TENANTS.get(id), { get: () => nonsense }),
    },
  };
}

describe('every problem', () => {
  const PROVOKED: readonly { readonly code: ProblemCode; readonly request: () => Response | Promise<Response> }[] = [
    { code: 'invalid_host', request: () => send('GET', '/healthz', { headers: { Host: 'x/v1/tenants?' } }) },
    { code: 'invalid_json', request: () => send('POST', '/v1/tenants', { body: '{' }) },
    { code: 'invalid_cursor', request: () => send('GET', '/v1/tenants?cursor=x') },
    { code: 'unauthenticated', request: () => send('GET', '/v1/tenants', { headers: { Authorization: 'Bearer x' } }) },
    // The administrator has every permission. The tests in test/auth cover callers who lack one.
    { code: 'forbidden', request: () => toResponse(missingPermission('keys:verify').toReply('req_1'), 'req_1') },
    { code: 'not_found', request: () => send('GET', '/v2/tenants') },
    { code: 'tenant_not_found', request: () => send('GET', '/v1/tenants/nobody') },
    { code: 'key_not_found', request: () => send('GET', `/v1/tenants/acme/keys/${UNKNOWN_KEY}`) },
    { code: 'method_not_allowed', request: () => send('PUT', '/v1/tenants') },
    { code: 'tenant_exists', request: () => sendJson('POST', '/v1/tenants', { id: 'acme' }) },
    {
      code: 'key_not_active',
      request: async () => {
        const { id } = await createKey('acme');
        await revokeKey('acme', id);
        return send('POST', `/v1/tenants/acme/keys/${id}/rotate`);
      },
    },
    {
      code: 'key_already_rotating',
      request: async () => {
        const { id } = await createKey('acme');
        await rotateKey('acme', id);
        return send('POST', `/v1/tenants/acme/keys/${id}/rotate`);
      },
    },
    {
      code: 'payload_too_large',
      request: () => send('POST', '/v1/tenants', { body: ' '.repeat(BODY_BYTES.small + 1) }),
    },
    {
      code: 'unsupported_media_type',
      request: () => send('POST', '/v1/tenants', { body: '{}', headers: { 'Content-Type': 'text/plain' } }),
    },
    { code: 'validation_failed', request: () => sendJson('POST', '/v1/tenants', { id: '' }) },
    { code: 'internal_error', request: () => send('GET', '/v1/tenants/acme', { env: nonsensicalEnv() }) },
    {
      code: 'unavailable',
      request: () =>
        send('GET', '/v1/tenants/acme', { env: faultyEnv({ method: 'describe', when: 'before', times: 1 }).env }),
    },
    {
      code: 'storage_full',
      request: () => {
        const full = { method: 'createKeys', when: 'before', times: 9 } as const;
        const { env: faulty } = faultyEnv({ ...full, message: 'database or disk is full: SQLITE_FULL' });
        return sendJson('POST', '/v1/tenants/acme/keys', { name: 'k' }, { env: faulty });
      },
    },
    {
      code: 'keys_not_found',
      request: () => sendJson('POST', '/v1/tenants/acme/keys/revoke', { ids: [UNKNOWN_KEY] }),
    },
    { code: 'owner_not_found', request: () => send('GET', '/v1/tenants/acme/owners/nobody') },
    {
      code: 'owner_exists',
      request: async () => {
        await createKey('acme', { owner: 'taken' });
        return sendJson('POST', '/v1/tenants/acme/owners', { id: 'taken' });
      },
    },
    {
      code: 'owner_has_keys',
      request: async () => {
        await createKey('acme', { owner: 'a/b' });
        return send('DELETE', '/v1/tenants/acme/owners/a%2Fb');
      },
    },
    { code: 'plan_not_found', request: () => send('GET', '/v1/tenants/acme/plans/none') },
    {
      code: 'hash_exists',
      request: async () => {
        const hash = { algorithm: 'sha256', value: 'ab'.repeat(32), encoding: 'hex' };
        const keys = Array.from({ length: 2 }, () => ({ name: 'twice', hash }));
        return sendJson('POST', '/v1/tenants/acme/keys/import', { keys });
      },
    },
    {
      code: 'plan_exists',
      request: async () => {
        await sendJson('POST', '/v1/tenants/acme/plans', { id: 'taken' });
        return sendJson('POST', '/v1/tenants/acme/plans', { id: 'taken' });
      },
    },
    {
      code: 'plan_in_use',
      request: async () => {
        await sendJson('POST', '/v1/tenants/acme/plans', { id: 'used' });
        await createKey('acme', { plan: 'used' });
        return send('DELETE', '/v1/tenants/acme/plans/used');
      },
    },
    {
      code: 'too_many_plans',
      request: async () => {
        const numbers = 'WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < 1000)';
        const columns = 'id, created_at, created_by, updated_at, version';
        await sqlIn('acme', `${numbers} INSERT INTO plans (${columns}) SELECT 'n' || v, 1, 'admin', 1, 1 FROM n`);
        return sendJson('POST', '/v1/tenants/acme/plans', { id: 'one-more' });
      },
    },
    {
      code: 'no_credits',
      request: async () => {
        const { id } = await createKey('acme');
        return sendJson('POST', `/v1/tenants/acme/keys/${id}/credits`, { operation: 'set', amount: 1 });
      },
    },
    {
      code: 'limit_not_found',
      request: () => sendJson('POST', '/v1/tenants/acme/limits/check', { identifier: 'a', name: 'none' }),
    },
    {
      code: 'identifiers_full',
      request: async () => {
        const rateLimits = [{ name: 'signups', limit: 1, windowSeconds: 60 }];
        await sendJson('PATCH', '/v1/tenants/acme', { limits: { rateLimits } });
        await sqlIn('acme', `UPDATE checks_size SET bytes = ${CHECKS_BYTES_MAX}`);
        return sendJson('POST', '/v1/tenants/acme/limits/check', { identifier: 'a', name: 'signups' });
      },
    },
    { code: 'management_key_not_found', request: () => send('GET', `/v1/management-keys/${UNKNOWN_KEY}`) },
    {
      code: 'key_not_rotating',
      request: async () => {
        const { id } = await createKey('acme');
        return send('POST', `/v1/tenants/acme/keys/${id}/rotation/complete`);
      },
    },
    {
      code: 'successor_rotated',
      request: async () => {
        const { id } = await createKey('acme');
        const { key } = await rotateKey('acme', id);
        await rotateKey('acme', key.id);
        return send('POST', `/v1/tenants/acme/keys/${id}/rotation/cancel`);
      },
    },
    {
      code: 'not_recoverable',
      request: async () => {
        const { id } = await createKey('acme');
        return send('POST', `/v1/tenants/acme/keys/${id}/reveal`);
      },
    },
    {
      code: 'precondition_failed',
      request: async () => {
        const { id } = await createKey('acme');
        return send('DELETE', `/v1/tenants/acme/keys/${id}`, { headers: { 'If-Match': '"7"' } });
      },
    },
    {
      code: 'idempotency_key_reused',
      request: async () => {
        const headers = { 'Idempotency-Key': 'reused' };
        await sendJson('POST', '/v1/tenants/acme/keys', { name: 'one' }, { headers });
        return sendJson('POST', '/v1/tenants/acme/keys', { name: 'other' }, { headers });
      },
    },
    {
      code: 'misconfigured',
      request: () => send('GET', '/v1/tenants', { env: { ...env, HMAC_SECRET: undefined } }),
    },
  ];

  beforeEach(() => {
    logged();
  });

  it('has a request here that causes it', () => {
    expect(PROVOKED.map(({ code }) => code).sort()).toEqual(Object.keys(PROBLEMS).sort());
  });

  it.each(PROVOKED)('is a complete RFC 9457 document: $code', async ({ code, request }) => {
    const response = await request();
    const { detail, requestId } = await problemIn(response, code);
    expect(detail).toMatch(/\.$/);
    expect(requestId).toBe(response.headers.get('X-Request-Id') ?? 'req_1');
  });

  it('gives the caller what is needed to go on: status, successor, permission', async () => {
    const provoke = async (code: ProblemCode) => {
      const response = await PROVOKED.find((provoked) => provoked.code === code)?.request();
      if (response === undefined) throw new Error('not provoked');
      return problemIn(response, code);
    };
    expect(await provoke('key_not_active')).toMatchObject({ keyStatus: 'revoked', detail: 'The key is revoked.' });
    expect(await provoke('forbidden')).toMatchObject({ permission: 'keys:verify' });
    const { replacedBy } = await provoke('key_already_rotating');
    expect((await getKey('acme', replacedBy ?? '')).rotation.replaces).toMatch(/^key_/);
  });
});

describe('the headers of every response', () => {
  const withId = async (id: string) =>
    (await send('GET', '/v1/tenants', { headers: { 'X-Request-Id': id } })).headers.get('X-Request-Id');

  it.each(['1', 'req-1', 'a.b:c_d-e', 'x'.repeat(64), 'a3bb189e-8bf9-3888-9912-ace4e6543002'])(
    'repeat the request id of the caller: %s',
    async (id) => {
      expect(await withId(id)).toBe(id);
    },
  );

  it.each(['', 'x'.repeat(65), 'two words', 'a,b', '<b>', 'a/b', '"', 'é', '{x}'])(
    'have a generated request id instead of an invalid one: %s',
    async (id) => {
      expect(await withId(id)).toMatch(/^req_[0-9A-Za-z]{17}$/);
    },
  );

  it('never repeat a key string as request id', async () => {
    expect(await withId(secret)).toMatch(/^req_/);
  });

  it('never repeat the bearer token as request id', async () => {
    expect(await withId(env.ADMIN_TOKEN ?? '')).toMatch(/^req_/);
  });

  it('have a unique request id, also on errors and empty responses', async () => {
    const { id } = await createKey('acme');
    const responses = await Promise.all([
      send('GET', '/v1/tenants'),
      send('GET', '/nowhere'),
      send('PUT', '/v1/tenants'),
      send('GET', '/v1/tenants', { headers: { Authorization: '' } }),
      send('DELETE', `/v1/tenants/acme/keys/${id}`),
    ]);
    expect(responses.map(({ status }) => status)).toEqual([200, 404, 405, 401, 204]);
    const ids = responses.map(({ headers }) => headers.get('X-Request-Id'));
    for (const requestId of ids) expect(requestId).toMatch(/^req_/);
    expect(new Set(ids)).toHaveLength(responses.length);
  });

  it('keep a response with a secret out of caches, and no other kind of response has a secret', async () => {
    const created = await sendJson('POST', '/v1/tenants/acme/keys', { name: 'k' });
    const { id } = await createKey('acme');
    const rotated = await send('POST', `/v1/tenants/acme/keys/${id}/rotate`);
    for (const response of [created, rotated]) {
      expect(response.status).toBe(201);
      expect(response.headers.get('Cache-Control')).toBe('no-store');
      expect(await response.text()).toContain('"secret"');
    }
    for (const path of [`/keys/${id}`, '/keys', '/audit', '']) {
      expect(await (await send('GET', `/v1/tenants/acme${path}`)).text()).not.toContain('secret');
    }
  });
});

describe('a misconfigured deployment', () => {
  it.each<[string, Partial<Record<'ADMIN_TOKEN' | 'ENCRYPTION_KEY' | 'HMAC_SECRET', string | undefined>>, string]>([
    ['ADMIN_TOKEN', { ADMIN_TOKEN: 'hunter2-hunter2' }, 'ADMIN_TOKEN is shorter than 32 characters.'],
    ['ENCRYPTION_KEY', { ENCRYPTION_KEY: btoa('hunter2-hunter2') }, 'ENCRYPTION_KEY is shorter than 32 bytes.'],
    ['HMAC_SECRET', { HMAC_SECRET: undefined }, 'HMAC_SECRET is not set.'],
    [
      'two variables',
      { ADMIN_TOKEN: 'hunter2', HMAC_SECRET: 'hunter2!' },
      'ADMIN_TOKEN is shorter than 32 characters. ADMIN_TOKEN stands in HMAC_SECRET too. HMAC_SECRET is not id:base64.',
    ],
  ])('says so, naming the variable and not its value: %s', async (_name, altered, detail) => {
    const { env: watched, calls } = faultyEnv();
    const response = await send('GET', '/v1/tenants', { env: { ...watched, ...altered } });
    expect(response.headers.get('Retry-After')).toMatch(/^[1-9][0-9]*$/);
    expect(response.headers.get('X-Request-Id')).toMatch(/^req_/);
    expect((await problemIn(response, 'misconfigured')).detail).toBe(detail);
    expect(calls).toEqual([]);
  });
});

describe('a bug of the program', () => {
  it('is a 500 without internal details, in the response or in the log', async () => {
    const lines = logged();
    const response = await send('GET', '/v1/tenants/acme', { env: nonsensicalEnv() });
    const problem = await problemIn(response, 'internal_error');
    expect(problem.detail).toBe('Something went wrong here.');
    // One line about the bug, and one about the request.
    expect(lines).toHaveLength(2);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 'error',
      event: 'request_failed',
      error: 'RangeError',
      requestId: problem.requestId,
    });
    expect(lines[0]).not.toContain('Invalid time value');
    expect(lines[0]).not.toContain('internal-detail');
  });
});
