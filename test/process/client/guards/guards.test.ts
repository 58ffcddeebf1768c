/** The guards, with the real frameworks and a verifier that stands for Keystead: the same cases for each of them. */
import { describe, expect, test } from 'vitest';
import type { Verification } from '../../../../client/src/api/types.ts';
import type { Verifier, Wanted } from '../../../../client/src/guards/guard.ts';
import type { RefusalCode } from '../../../../client/src/guards/refusals.ts';
import { KeysteadError } from '../../../../client/src/http/errors.ts';
import { type CommonOptions, FRAMEWORKS, type Received, type Sent } from './frameworks.ts';

const GOOD: Verification = {
  valid: true,
  code: 'VALID',
  keyId: 'key_1',
  tenantId: 'acme',
  name: 'one',
  owner: 'customer-17',
  scopes: ['invoices:*'],
  metadata: {},
  expiresAt: null,
  warnings: [],
};

/** Answers with what the key says: `VALID`, another code, or the name of an error. */
class FakeKeystead implements Verifier {
  readonly calls: { readonly key: string; readonly wanted: Wanted | undefined }[] = [];
  answer: (key: string) => Verification;

  constructor(answer: (key: string) => Verification = () => GOOD) {
    this.answer = answer;
  }

  async verify(key: string, wanted?: Wanted): Promise<Verification> {
    this.calls.push({ key, wanted });
    return this.answer(key);
  }
}

const refusing = (code: string, more: object = {}) =>
  new FakeKeystead(() => ({ ...GOOD, ...more, valid: false, code: code as 'REVOKED' }));
const failing = (error: unknown) =>
  new FakeKeystead(() => {
    throw error;
  });

const KEY = `ks_${'A1b2'.repeat(23)}`;
const bearer = (key = KEY): Sent => ({ headers: { Authorization: `Bearer ${key}` } });

const problemOf = ({ text }: Received) => JSON.parse(text);

/** The statuses by code, as docs/integrate.md has them. */
const STATUSES: readonly (readonly [Exclude<RefusalCode, 'MISSING_KEY' | 'AMBIGUOUS_KEY'>, number])[] = [
  ['MALFORMED', 401],
  ['FORGED', 401],
  ['NOT_FOUND', 401],
  ['REVOKED', 401],
  ['EXPIRED', 401],
  ['ROTATED', 401],
  ['DISABLED', 401],
  ['TENANT_DISABLED', 403],
  ['OWNER_DISABLED', 403],
  ['INSUFFICIENT_SCOPES', 403],
  ['RATE_LIMITED', 429],
  ['QUOTA_EXCEEDED', 429],
  ['INSUFFICIENT_CREDITS', 402],
];

/** Values that a client may send as its key, on the wire. */
const HOSTILE_ON_THE_WIRE: Readonly<Record<string, string | readonly string[]>> = {
  'an emoji': Buffer.from('🔑').toString('latin1'),
  'a comma': 'a,b',
  'several commas': ',,,,',
  'a space': 'a b',
  'a tab': 'a\tb',
  'two lines': ['a', 'b'],
  'two lines of the same': ['a', 'a'],
  'one character too many': 'k'.repeat(8193),
  '1 MB': 'k'.repeat(1_000_000),
  'many lines': Array.from({ length: 500 }, (_, i) => `key${i}`),
};

/** Values that only a framework could make of a request. */
const HOSTILE: typeof HOSTILE_ON_THE_WIRE = {
  ...HOSTILE_ON_THE_WIRE,
  'a newline': 'a\nb',
  'a newline at the end': `${KEY}\n`,
  'a header of its own': 'a\r\nX-Injected: 1',
  'a NUL': 'a\0b',
  emoji: '🔑🔑',
  'half of an emoji': '\ud83d',
};

describe.each(FRAMEWORKS)('$name', ({ serve }) => {
  async function ask(keystead: FakeKeystead, sent: Sent = bearer(), options: CommonOptions = {}): Promise<Received> {
    await using served = await serve(keystead, options);
    const received = await served.send(sent);
    for (const text of [received.text, ...received.headers.values()]) expect(text).not.toContain(KEY);
    return received;
  }

  test.each<readonly [string, Sent]>([
    ['as a bearer token', bearer()],
    ['with the scheme in another case', { headers: { Authorization: `bEARER   ${KEY}` } }],
    ['in X-API-Key', { headers: { 'X-API-Key': KEY } }],
    ['in both', { headers: { Authorization: `Bearer ${KEY}`, 'X-API-Key': KEY } }],
    ['in X-API-Key, beside another scheme', { headers: { Authorization: 'Basic YTpi', 'X-API-Key': KEY } }],
  ])('a key %s lets a request in, and is there for the handler', async (_how, sent) => {
    const keystead = new FakeKeystead();
    const received = await ask(keystead, sent, { scopes: ['invoices:read'], cost: 2, tenantId: 'acme' });
    expect(received.status).toBe(200);
    expect(JSON.parse(received.text)).toMatchObject({ owner: 'customer-17' });
    expect(keystead.calls).toEqual([
      { key: KEY, wanted: { timeoutMs: 1000, scopes: ['invoices:read'], cost: 2, tenantId: 'acme' } },
    ]);
    expect(received.headers.has('RateLimit')).toBe(false);
    expect(received.headers.has('Deprecation')).toBe(false);
  });

  test.each(STATUSES)('%s is %i', async (code, status) => {
    const received = await ask(refusing(code));
    expect(received.status).toBe(status);
    expect(received.headers.get('Content-Type')).toMatch(/^application\/problem\+json\b/);
    expect(received.headers.get('Cache-Control')).toBe('no-store');
    expect(problemOf(received)).toEqual({
      type: 'about:blank',
      title: expect.any(String),
      status,
      detail: expect.any(String),
      code,
    });
    const challenge = received.headers.get('WWW-Authenticate');
    if (status === 401) {
      expect(challenge).toMatch(/^Bearer realm="api", error="invalid_token", error_description="[^"]+"$/);
    } else if (code !== 'INSUFFICIENT_SCOPES') expect(challenge).toBe(null);
  });

  test('a code that this version does not know is 401', async () => {
    for (const code of ['FROZEN', 'toString', '']) {
      const received = await ask(refusing(code));
      expect(received.status).toBe(401);
      expect(problemOf(received)).toMatchObject({ code });
    }
  });

  test('only valid: true lets a request in', async () => {
    for (const answer of [{ code: 'VALID' }, { ...GOOD, valid: 'true' }, { ...GOOD, valid: 1 }, null, undefined, 'x']) {
      const received = await ask(new FakeKeystead(() => answer as unknown as Verification));
      expect(received.status).toBe(503);
    }
    expect((await ask(new FakeKeystead(() => ({ ...GOOD, valid: false })))).status).toBe(401);
  });

  test('a request without a key is asked for one, and Keystead is not', async () => {
    for (const headers of [{}, { Authorization: 'Basic YTpi' }, { 'X-API-Key': '' }, { Authorization: '' }]) {
      const keystead = new FakeKeystead();
      const received = await ask(keystead, { headers }, { realm: 'the invoices' });
      expect(received.status).toBe(401);
      expect(received.headers.get('WWW-Authenticate')).toBe('Bearer realm="the invoices"');
      expect(problemOf(received)).toMatchObject({ code: 'MISSING_KEY' });
      expect(keystead.calls).toEqual([]);
    }
  });

  test('two different keys are refused, and none of them is verified', async () => {
    const keystead = new FakeKeystead();
    const received = await ask(keystead, { headers: { Authorization: `Bearer ${KEY}`, 'X-API-Key': 'another' } });
    expect(received.status).toBe(400);
    expect(received.headers.get('WWW-Authenticate')).toContain('error="invalid_request"');
    expect(problemOf(received)).toMatchObject({ code: 'AMBIGUOUS_KEY' });
    expect(keystead.calls).toEqual([]);
  });

  test.each(Object.entries(HOSTILE))('%s as the key is refused, and Keystead is not asked', async (name, value) => {
    const keystead = new FakeKeystead();
    await using served = await serve(keystead);
    const lists = [value].flat();
    const tokens = lists.map((one) => `Bearer ${one}`);
    const ways: Sent[] = [{ forced: { 'x-api-key': value } }, { forced: { authorization: tokens } }];
    if (lists.length === 1) ways.push({ forced: { authorization: tokens[0] } });
    if (name in HOSTILE_ON_THE_WIRE)
      ways.push({ headers: { 'X-API-Key': value } }, { headers: { Authorization: tokens } });
    for (const sent of ways) {
      const received = await served.send(sent);
      expect(received.status).toBe(401);
      expect(problemOf(received)).toMatchObject({ code: 'MALFORMED' });
      expect(received.headers.has('X-Injected')).toBe(false);
      expect(received.text.length).toBeLessThan(200);
    }
    expect(keystead.calls).toEqual([]);
  });

  test('a bearer token that is empty is refused, and a malformed one beside a good key too', async () => {
    const keystead = new FakeKeystead();
    for (const headers of [{ Authorization: 'Bearer' }, { Authorization: 'Bearer a b', 'X-API-Key': KEY }]) {
      const received = await ask(keystead, { headers });
      expect(received.status).toBe(401);
      expect(problemOf(received)).toMatchObject({ code: 'MALFORMED' });
    }
    expect(keystead.calls).toEqual([]);
  });

  test('other headers may hold the key', async () => {
    const options = { keyHeaders: ['X-Acme-Key'] };
    const keystead = new FakeKeystead();
    expect((await ask(keystead, { headers: { 'X-Acme-Key': KEY, Authorization: 'Bearer jwt' } }, options)).status).toBe(
      200,
    );
    expect((await ask(keystead, bearer(), options)).status).toBe(401);
    expect(keystead.calls.map(({ key }) => key)).toEqual([KEY]);
  });

  test('a missing scope is named', async () => {
    const received = await ask(refusing('INSUFFICIENT_SCOPES'), bearer(), { scopes: () => ['a:read', 'b:*'] });
    const challenge = received.headers.get('WWW-Authenticate');
    expect(challenge).toMatch(/^Bearer realm="api", error="insufficient_scope", error_description="[^"]+", scope=/);
    expect(challenge).toContain(', scope="a:read b:*"');
  });

  test('limits are told, on refusals with the time to wait', async () => {
    const resetsAt = new Date(Date.now() + 59_500).toISOString();
    const calls = { name: 'calls', limit: 100, remaining: 0, resetsAt, retryAfterMs: 12_001 };
    const exports = { name: 'exports.all', limit: 1000, remaining: 999, resetsAt };
    const limits = [calls, exports];
    for (const code of ['RATE_LIMITED', 'QUOTA_EXCEEDED']) {
      const { headers } = await ask(refusing(code, { limits }));
      expect(headers.get('RateLimit-Policy')).toBe('"calls";q=100, "exports.all";q=1000');
      expect(headers.get('RateLimit')).toMatch(/^"calls";r=0;t=(?:59|60), "exports\.all";r=999;t=(?:59|60)$/);
      expect(headers.get('Retry-After')).toBe('13');
    }
    const never = await ask(refusing('RATE_LIMITED', { limits: [calls, { ...exports, retryAfterMs: null }] }));
    expect(never.headers.has('Retry-After')).toBe(false);

    const allowed = new FakeKeystead(() => ({ ...GOOD, limits: [exports] }));
    const received = await ask(allowed);
    expect(received.status).toBe(200);
    expect(received.headers.get('RateLimit')).toMatch(/^"exports\.all";r=999;t=(?:59|60)$/);
    const silent = await ask(allowed, bearer(), { rateLimitHeaders: false });
    expect(silent.headers.has('RateLimit')).toBe(false);
  });

  test('the end of a key is told', async () => {
    const rotated = {
      ...GOOD,
      rotation: {
        replaces: null,
        replacedBy: 'key_2',
        rotatedAt: '2026-11-22T17:21:20.580Z',
        graceEndsAt: '2026-11-23T17:21:20.580Z',
      },
      warnings: [
        { code: 'key_rotated', message: '…', graceEndsAt: '2026-11-23T17:21:20.580Z', replacedBy: 'key_2' },
        { code: 'expiring_soon', message: '…', expiresAt: '2026-11-24T00:00:00.000Z' },
      ],
    } satisfies Verification;
    const keystead = new FakeKeystead(() => rotated);
    const { headers } = await ask(keystead, bearer(), { rotationGuide: 'https://example.com/rotate' });
    expect(headers.get('Deprecation')).toBe('@1795368080');
    expect(headers.get('Sunset')).toBe('Mon, 23 Nov 2026 17:21:20 GMT');
    expect(headers.get('Link')).toBe('<https://example.com/rotate>; rel="deprecation"; type="text/html"');
    const silent = await ask(keystead, bearer(), { endingHeaders: false });
    for (const name of ['Deprecation', 'Sunset', 'Link']) expect(silent.headers.has(name)).toBe(false);
  });

  test('a key that is revoked while the application runs is refused from then on', async () => {
    const keystead = new FakeKeystead();
    await using served = await serve(keystead);
    expect((await served.send(bearer())).status).toBe(200);
    keystead.answer = () => ({ ...GOOD, valid: false, code: 'REVOKED' });
    expect((await served.send(bearer())).status).toBe(401);
  });

  test('without an answer of Keystead a request is refused with 503, whatever the reason', async () => {
    const errors = [
      new KeysteadError('network', 'No answer from Keystead'),
      new KeysteadError('timeout', 'No answer within 1000 ms'),
      new KeysteadError('unauthenticated', 'A valid bearer token is required', { status: 401 }),
      new KeysteadError('forbidden', 'The caller lacks a permission', { status: 403 }),
      new TypeError('a bug'),
      'a text',
      undefined,
    ];
    for (const error of errors) {
      const received = await ask(failing(error));
      expect(received.status).toBe(503);
      expect(received.headers.get('Retry-After')).toBe('1');
      expect(problemOf(received)).toMatchObject({ code: 'UNAVAILABLE', status: 503 });
    }
    const later = new KeysteadError('storage_full', 'There is no room', { status: 503, retryAfterMs: 60_000 });
    expect((await ask(failing(later))).headers.get('Retry-After')).toBe('60');
    const wrong = new KeysteadError('validation_failed', 'The request has invalid values', { status: 422 });
    expect(problemOf(await ask(failing(wrong)))).toMatchObject({ code: 'MISCONFIGURED', status: 500 });
  });

  test('the application may decide instead', async () => {
    const error = new KeysteadError('network', 'No answer from Keystead');
    const seen: unknown[] = [];
    const decide = (answer: unknown) => ({
      onUnavailable: async (thrown: unknown) => {
        seen.push(thrown);
        return answer as Verification | null;
      },
    });
    expect((await ask(failing(error), bearer(), decide({ ...GOOD, owner: 'from elsewhere' }))).text).toContain(
      'elsewhere',
    );
    expect((await ask(failing(error), bearer(), decide({ ...GOOD, valid: false, code: 'REVOKED' }))).status).toBe(401);
    for (const nothing of [null, undefined, true, {}, { valid: 'yes' }]) {
      expect((await ask(failing(error), bearer(), decide(nothing))).status).toBe(503);
    }
    expect(seen).toEqual(Array(7).fill(error));
    // Only for what Keystead does not say.
    expect((await ask(refusing('REVOKED'), bearer(), decide(GOOD))).status).toBe(401);
  });

  test('the application may answer in its own form', async () => {
    const received = await ask(refusing('REVOKED'), bearer(), {
      onRefused: ({ headers, body }) => ({ status: 418, headers, body: { ...body, title: 'Own form' } }),
    });
    expect(received.status).toBe(418);
    expect(problemOf(received)).toMatchObject({ title: 'Own form', code: 'REVOKED' });
  });

  test('an error in a function of the options is an error of the application, and lets nobody in', async () => {
    const fail = () => {
      throw new Error('a bug');
    };
    const keystead = new FakeKeystead();
    expect(await ask(keystead, bearer(), { scopes: fail })).toMatchObject({ status: 500, text: 'failed' });
    expect(await ask(keystead, bearer(), { scopes: async () => fail() })).toMatchObject({ status: 500 });
    expect(await ask(failing('x'), bearer(), { onUnavailable: fail })).toMatchObject({ status: 500, text: 'failed' });
    expect(await ask(refusing('REVOKED'), bearer(), { onRefused: fail })).toMatchObject({ status: 500 });
    expect(keystead.calls).toEqual([]);
  });

  test('HEAD and OPTIONS need a key like everything else', async () => {
    const keystead = new FakeKeystead();
    const head = await ask(keystead, { method: 'HEAD' });
    expect(head).toMatchObject({ status: 401 });
    const preflight = { Origin: 'https://example.com', 'Access-Control-Request-Method': 'GET' };
    expect(await ask(keystead, { method: 'OPTIONS', headers: preflight })).toMatchObject({ status: 401 });
    expect((await ask(keystead, { ...bearer(), method: 'HEAD' })).status).toBe(200);
    expect(keystead.calls).toHaveLength(1);
  });

  test('options that cannot work are refused at the start', async () => {
    for (const options of [
      { keyHeaders: [] },
      { realm: 'a"b' },
      { realm: 'a\nb' },
      { rotationGuide: 'https://a/>b' },
    ]) {
      await expect(async () => serve(new FakeKeystead(), options)).rejects.toThrow(TypeError);
    }
  });
});
