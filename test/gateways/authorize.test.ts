/** `/v1/authorize`: what gateways ask, what they are told, and what no customer can choose. */
import { env, exports } from 'cloudflare:workers';
import * as v from 'valibot';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { ProblemCode } from '../../src/api/problems.ts';
import { problemIn, send } from '../http/client.ts';
import { api, createKey, createTenant, revokeKey, rotateKey, updateKey } from '../support/api.ts';
import { describedBody } from '../support/described.ts';
import { faultyEnv } from '../support/faults.ts';

type Headers = Readonly<Record<string, string>>;
type Ask = { readonly method?: string; readonly path?: string; readonly headers?: Headers; readonly body?: string };

/** Asks as a gateway that is set up well, unless `headers` say otherwise. */
async function authorize({ method = 'GET', path = '?scopes=', headers = {}, body }: Ask = {}): Promise<Response> {
  const response = await exports.default.fetch(`http://keystead.test/v1/authorize${path}`, {
    method,
    headers: { 'X-Keystead-Token': env.ADMIN_TOKEN ?? '', ...headers },
    ...(body === undefined ? {} : { body }),
  });
  await describedBody(method, `/v1/authorize${path}`, response.clone());
  return response;
}

const bearer = (key: string) => ({ Authorization: `Bearer ${key}` });
const verificationIn = async (response: Response, code: ProblemCode) => (await problemIn(response, code)).verification;
const errorsOf = async (path: string) =>
  (await problemIn(await authorize({ path, headers: bearer('x') }), 'gateway_misconfigured')).detail;

let key = '';
let keyId = '';

beforeAll(async () => {
  await createTenant('acme');
  const made = await createKey('acme', { owner: 'customer-17', scopes: ['invoices:*', 'users:read'] });
  [key, keyId] = [made.secret, made.id];
});

describe('a good key', () => {
  it('is answered 200 without a body, and with whose it is in headers', async () => {
    const response = await authorize({ path: '?scopes=invoices:read,users:read', headers: bearer(key) });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('');
    expect(Object.fromEntries(response.headers)).toEqual({
      'cache-control': 'no-store',
      'x-keystead-key': keyId,
      'x-keystead-owner': 'customer-17',
      'x-keystead-scopes': 'invoices:*,users:read',
      'x-keystead-tenant': 'acme',
      'x-request-id': expect.stringMatching(/^req_/),
    });
  });

  it('may be in X-API-Key', async () => {
    expect((await authorize({ headers: { 'X-API-Key': key } })).status).toBe(200);
    expect((await authorize({ headers: { 'X-API-Key': key, Authorization: 'Basic dTpw' } })).status).toBe(200);
    expect((await authorize({ headers: { 'X-API-Key': key, ...bearer(key) } })).status).toBe(200);
  });

  it.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'QUERY'])(
    'is answered alike for the method %s',
    async (method) => {
      const response = await authorize({ method, headers: bearer(key) });
      expect([response.status, response.headers.get('X-Keystead-Key')]).toEqual([200, keyId]);
      const refused = await authorize({ method });
      expect([refused.status, refused.headers.get('WWW-Authenticate')]).toEqual([401, 'Bearer realm="api"']);
    },
  );

  it('is decided without a look at the body', async () => {
    for (const body of ['{', '\u0000', 'x'.repeat(100_000), '{"key":"other","cost":0}']) {
      expect((await authorize({ method: 'POST', headers: bearer(key), body })).status).toBe(200);
    }
  });

  it('has an empty owner and empty scopes when it has none, so that they overwrite what a customer sent', async () => {
    const plain = await createKey('acme');
    const { headers } = await authorize({ headers: bearer(plain.secret) });
    expect([headers.get('X-Keystead-Owner'), headers.get('X-Keystead-Scopes')]).toEqual(['', '']);
  });

  it.each(['ä, b', '客户 🔑', 'a%2Cb', '"quoted"; x=1', "o'neil (x)", 'a,b', 'Ω'.repeat(128)])(
    'has its owner percent-encoded, which can be read back: %s',
    async (owner) => {
      const made = await createKey('acme', { owner });
      const header = (await authorize({ headers: bearer(made.secret) })).headers.get('X-Keystead-Owner') ?? '';
      expect(header).toMatch(/^[!-~]+$/);
      expect(header).not.toMatch(/[,";]/);
      expect(decodeURIComponent(header)).toBe(owner);
    },
  );

  it('says when it was rotated, and when it ends', async () => {
    const old = await createKey('acme');
    const { rotated } = await rotateKey('acme', old.id, { gracePeriodSeconds: 3600 });
    const { headers } = await authorize({ headers: bearer(old.secret) });
    const at = Math.floor(Date.parse(rotated.rotation.rotatedAt ?? '') / 1000);
    expect(headers.get('Deprecation')).toBe(`@${at}`);
    expect(headers.get('Sunset')).toBe(new Date(rotated.rotation.graceEndsAt ?? '').toUTCString());
    const soon = new Date(Date.now() + 60_000).toISOString();
    const ending = await createKey('acme', { expiresAt: soon });
    const answer = await authorize({ headers: bearer(ending.secret) });
    expect([answer.headers.get('Deprecation'), answer.headers.get('Sunset')]).toEqual([
      null,
      new Date(soon).toUTCString(),
    ]);
  });
});

describe('a refusal', () => {
  it('is 401 with a challenge when there is no key', async () => {
    for (const headers of [{}, { Authorization: 'Basic dTpw' }, { Authorization: 'Bearer' }, { 'X-API-Key': '' }]) {
      const response = await authorize({ headers });
      expect(response.headers.get('WWW-Authenticate')).toBe('Bearer realm="api"');
      await problemIn(response, 'key_missing');
    }
  });

  it('is 401 with an error in the challenge when the key is not valid, or not any more', async () => {
    const ended = await createKey('acme');
    await revokeKey('acme', ended.id);
    const off = await createKey('acme', { enabled: false });
    const { body } = await api('POST', '/management-keys', { name: 'm', role: 'verifier' });
    const management = v.parse(v.object({ secret: v.string() }), body).secret;
    for (const [text, code] of [
      ['abc', 'MALFORMED'],
      [ended.secret, 'REVOKED'],
      [off.secret, 'DISABLED'],
      [management, 'NOT_FOUND'],
      [env.ADMIN_TOKEN ?? '', 'MALFORMED'],
    ] as const) {
      const response = await authorize({ headers: bearer(text) });
      expect(response.headers.get('WWW-Authenticate')).toBe('Bearer realm="api", error="invalid_token"');
      expect(await verificationIn(response, 'key_not_valid')).toBe(code);
    }
  });

  it('is 401 when two keys differ, in two headers or in one that is sent twice', async () => {
    const other = await createKey('acme');
    const both = await authorize({ headers: { ...bearer(key), 'X-API-Key': other.secret } });
    expect(await verificationIn(both, 'key_not_valid')).toBe('MALFORMED');
    for (const headers of [{ 'X-API-Key': `${key}, ${key}` }, { Authorization: `Bearer ${key}, Bearer ${key}` }]) {
      expect(await verificationIn(await authorize({ headers }), 'key_not_valid')).toBe('MALFORMED');
    }
  });

  it('is 403 when a scope is missing, or the owner or the tenant is disabled', async () => {
    const response = await authorize({ path: '?scopes=invoices:read,users:write', headers: bearer(key) });
    expect(await verificationIn(response, 'key_not_allowed')).toBe('INSUFFICIENT_SCOPES');
    const stopped = await createKey('acme', { owner: 'stopped' });
    await api('PATCH', '/tenants/acme/owners/stopped', { enabled: false });
    const disabled = await authorize({ headers: bearer(stopped.secret) });
    expect(await verificationIn(disabled, 'key_not_allowed')).toBe('OWNER_DISABLED');
  });

  it('is 429 with Retry-After and RateLimit when a limit refuses', async () => {
    const limited = await createKey('acme', {
      rateLimits: [{ name: 'calls', limit: 3, windowSeconds: 60 }],
      quotas: [{ name: 'exports', limit: 1, period: 'month', automatic: false }],
    });
    const ask = (query: string) => authorize({ path: `?scopes=&${query}`, headers: bearer(limited.secret) });
    const first = await ask('cost=2');
    expect(first.headers.get('RateLimit')).toMatch(/^"calls";r=1;t=\d+$/);
    expect(first.headers.get('RateLimit-Policy')).toBe('"calls";q=3');
    const refused = await ask('cost=2');
    expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(50);
    expect(refused.headers.get('RateLimit')).toMatch(/^"calls";r=1;t=\d+$/);
    expect(await verificationIn(refused, 'key_limited')).toBe('RATE_LIMITED');
    expect((await ask('limits=exports:1&cost=0')).status).toBe(200);
    const both = await ask('limits=exports&cost=0');
    expect(both.headers.get('RateLimit')).toMatch(/^"calls";r=1;t=\d+, "exports";r=0;t=\d+$/);
    expect(await verificationIn(await ask('limits=exports:1'), 'key_limited')).toBe('QUOTA_EXCEEDED');
  });

  it('is 429 without Retry-After when waiting does not help, or nobody knows', async () => {
    const small = await createKey('acme', { rateLimits: [{ name: 'calls', limit: 1, windowSeconds: 60 }] });
    const never = await authorize({ path: '?scopes=&cost=2', headers: bearer(small.secret) });
    expect([never.status, never.headers.get('Retry-After')]).toEqual([429, null]);
    const poor = await createKey('acme', { credits: { remaining: 0 } });
    const broke = await authorize({ headers: bearer(poor.secret) });
    expect([broke.status, broke.headers.get('Retry-After')]).toEqual([429, null]);
    expect(await verificationIn(broke, 'key_limited')).toBe('INSUFFICIENT_CREDITS');
  });

  it('of a text that could hurt is clean', async () => {
    const hostile = ['x'.repeat(60_000), '\u00e9\u00ff', '%0d%0aSet-Cookie:a=b', '"', `${key}\t`, ',', '<script>'];
    for (const text of hostile) {
      for (const headers of [{ Authorization: `Bearer ${text}` }, { 'X-API-Key': text }]) {
        const response = await authorize({ headers });
        const { detail = '' } = response.status === 200 ? {} : await problemIn(response, 'key_not_valid');
        expect(['', 'The text is no API key.']).toContain(detail);
        expect([...response.headers.keys()]).not.toContain('set-cookie');
      }
    }
  });
});

describe('a gateway', () => {
  it.each([
    ['without a token', ''],
    ['with a token that is not valid', 'nobody'],
    ['with a token twice', `${env.ADMIN_TOKEN}, ${env.ADMIN_TOKEN}`],
  ])('%s is told so by a 503 that its customer cannot take for an own mistake', async (_name, token) => {
    vi.spyOn(console, 'error').mockImplementation(() => {});
    const response = await authorize({ headers: { 'X-Keystead-Token': token, ...bearer(key) } });
    expect(response.headers.get('Retry-After')).toBe('60');
    const problem = await problemIn(response, 'gateway_misconfigured');
    expect(problem.detail).toBe('X-Keystead-Token is missing or not valid.');
    vi.restoreAllMocks();
  });

  it('needs keys:verify, and sees only keys of the tenant that it is confined to', async () => {
    const make = async (input: object) =>
      v.parse(v.object({ secret: v.string() }), (await api('POST', '/management-keys', { name: 'g', ...input })).body)
        .secret;
    const reader = await make({ permissions: ['keys:read'] });
    const refused = await authorize({ headers: { 'X-Keystead-Token': reader, ...bearer(key) } });
    await problemIn(refused, 'gateway_misconfigured');
    await createTenant('other');
    const ofOther = { 'X-Keystead-Token': await make({ role: 'verifier', tenantId: 'other' }) };
    const elsewhere = await authorize({ headers: { ...ofOther, ...bearer(key) } });
    expect(await verificationIn(elsewhere, 'key_not_valid')).toBe('NOT_FOUND');
    const ofAcme = { 'X-Keystead-Token': await make({ role: 'verifier', tenantId: 'acme' }) };
    expect((await authorize({ headers: { ...ofAcme, ...bearer(key) } })).status).toBe(200);
  });

  it('can name the tenant', async () => {
    expect((await authorize({ path: '?scopes=&tenantId=acme', headers: bearer(key) })).status).toBe(200);
    const other = await authorize({ path: '?scopes=&tenantId=other', headers: bearer(key) });
    expect(await verificationIn(other, 'key_not_valid')).toBe('NOT_FOUND');
  });

  it('whose query is wrong, or that of its customer, is told so', async () => {
    expect(await errorsOf('')).toBe('scopes: is required.');
    expect(await errorsOf('?page=2')).toMatch(/^scopes: is required\. 1 more/);
    expect(await errorsOf('?scopes=&scopes=*')).toBe('scopes: must be given only once.');
    expect(await errorsOf('?scopes=a,,b')).toMatch(/^scopes\.1: /);
    expect(await errorsOf('?scopes=&cost=-1')).toBe('cost: must be a whole number from 0 to 1000000000.');
    expect(await errorsOf('?scopes=&cost=1e3')).toMatch(/^cost: /);
    expect(await errorsOf('?scopes=&limits=a:b')).toMatch(/^limits\.0\.cost: /);
    expect(await errorsOf('?scopes=&limits=a,a')).toBe('limits: must name each limit once.');
    expect(await errorsOf(`?scopes=${'a,'.repeat(100)}a`)).toBe('scopes: must be at most 100 scopes.');
    expect(await errorsOf('?scopes=&tenantId=A')).toMatch(/^tenantId: /);
    expect(await errorsOf('?scopes=&page=2')).toMatch(/^page: /);
  });
});

describe('a gateway that appends the path of its customer', () => {
  const query = (text: string) => ({ 'X-Keystead-Query': text, ...bearer(key) });

  it.each(['/', '/invoices', '/invoices/', '//a//b/../c', `/${'x'.repeat(5000)}`, '/%00%ff%', '/a?page=2', '/?', '/é'])(
    'is answered whatever that is: %s',
    async (path) => {
      const headers = query('scopes=invoices:read');
      expect((await authorize({ path, headers })).status).toBe(200);
      expect((await authorize({ method: 'POST', path, headers })).status).toBe(200);
    },
  );

  it('says in X-Keystead-Query what the request needs, and no customer can say otherwise', async () => {
    for (const path of ['/a?scopes=', '/a?scopes=&cost=0', '/scopes=?fresh=true']) {
      const response = await authorize({ path, headers: query('scopes=users:write') });
      expect(await verificationIn(response, 'key_not_allowed')).toBe('INSUFFICIENT_SCOPES');
    }
    const without = await authorize({ path: '/a?scopes=', headers: bearer(key) });
    expect((await problemIn(without, 'gateway_misconfigured')).detail).toBe('scopes: is required.');
    // Where the address has the query, a customer's own header means nothing.
    const spoofed = await authorize({ path: '?scopes=users:write', headers: query('scopes=') });
    expect(spoofed.status).toBe(403);
  });

  it('is not the rest of another path', async () => {
    const response = await exports.default.fetch('http://keystead.test/v1/authorizer', {
      headers: { 'X-Keystead-Token': env.ADMIN_TOKEN ?? '', ...bearer(key) },
    });
    expect(response.status).toBe(404);
  });
});

describe('a request id', () => {
  it.each(['X-API-Key', 'X-Keystead-Token'])(
    'that repeats the token in %s is replaced, so that it is not logged',
    async (name) => {
      const response = await authorize({ headers: { [name]: 'short-token', 'X-Request-Id': 'short-token' } });
      expect(response.headers.get('X-Request-Id')).toMatch(/^req_/);
    },
  );
});

describe('a key that is held under a lease', () => {
  it('is decided without an object call, and refused as soon as its revocation has returned', async () => {
    await createTenant('leased', { settings: { leaseSeconds: 1 } });
    const leased = await createKey('leased');
    const { env: watched, calls } = faultyEnv();
    const ask = (key: string, scopes = '') =>
      send('GET', `/v1/authorize?scopes=${scopes}`, {
        env: watched,
        headers: { 'X-Keystead-Token': env.ADMIN_TOKEN ?? '', ...bearer(key) },
      });
    for (let i = 0; i < 3; i++) expect((await ask(leased.secret)).status).toBe(200);
    expect(await verificationIn(await ask(leased.secret, 'b'), 'key_not_allowed')).toBe('INSUFFICIENT_SCOPES');
    expect(calls).toEqual(['verifyKey']);
    await revokeKey('leased', leased.id);
    expect(await verificationIn(await ask(leased.secret), 'key_not_valid')).toBe('REVOKED');
    const updated = await createKey('leased', { scopes: ['a'] });
    expect((await ask(updated.secret, 'a')).status).toBe(200);
    await updateKey('leased', updated.id, { scopes: [] });
    expect((await ask(updated.secret, 'a')).status).toBe(403);
  });
});
