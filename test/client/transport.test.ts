/** What the client sends, when it tries again, and what it makes of each answer. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { retryAfterOf, waitBeforeNext } from '../../client/src/http/retries.ts';
import { Keystead } from '../../client/src/keystead.ts';
import { clientOn, errorOf, json, problem, type Reply, TOKEN } from './fake.ts';

/** No pause between attempts, but for what `Retry-After` says. */
beforeEach(() => {
  vi.spyOn(Math, 'random').mockReturnValue(0);
});
afterEach(() => {
  vi.restoreAllMocks();
});

const lost = () => new TypeError('fetch failed', { cause: Object.assign(new Error(), { code: 'ECONNRESET' }) });
const valid = () => json({ valid: true, code: 'VALID', warnings: [] });
const key = () => json({ id: 'key_1', version: 1 }, 201);
const html = (status: number) => new Response('<h1>Oops</h1>', { status, headers: { 'Content-Type': 'text/html' } });

describe('a request', () => {
  test('carries the token, JSON, and nothing that would follow a redirect', async () => {
    const { keystead, sent } = clientOn([key()]);
    await keystead.keys.create('acme', { name: 'Backend', expiresAt: new Date(0) });
    expect(sent).toEqual([
      {
        url: 'https://keys.example.com/v1/tenants/acme/keys',
        method: 'POST',
        redirect: 'manual',
        body: '{"name":"Backend","expiresAt":"1970-01-01T00:00:00.000Z"}',
        signal: expect.anything(),
        headers: {
          accept: 'application/json',
          authorization: `Bearer ${TOKEN}`,
          'content-type': 'application/json',
          'idempotency-key': expect.stringMatching(/^[0-9a-f-]{36}$/),
        },
      },
    ]);
  });

  test.each([
    ['https://keys.example.com', 'https://keys.example.com/healthz'],
    ['https://keys.example.com/', 'https://keys.example.com/healthz'],
    ['http://localhost:8787/keystead//', 'http://localhost:8787/keystead/healthz'],
    ['http://[::1]:8787/a/b', 'http://[::1]:8787/a/b/healthz'],
  ])('goes below the given address %s', async (url, expected) => {
    const { keystead, sent } = clientOn([json({})], { url });
    await keystead.service.health();
    expect(sent[0]?.url).toBe(expected);
  });

  test('takes its token from a function at each call', async () => {
    const tokens = ['first', 'second'];
    const { keystead, sent } = clientOn([json({}), json({})], { token: async () => tokens.shift() ?? '' });
    await keystead.service.health();
    await keystead.service.health();
    expect(sent.map(({ headers }) => headers.authorization)).toEqual(['Bearer first', 'Bearer second']);
    await expect(keystead.service.health()).rejects.toThrow(/token must be/);
    expect(sent.length).toBe(2);
  });

  test('uses the global fetch as it is at the time of the call', async () => {
    const keystead = new Keystead({ url: 'https://keys.example.com', token: TOKEN });
    const fetch = vi.spyOn(globalThis, 'fetch').mockImplementation(async () => json({ status: 'ok' }));
    expect(await keystead.service.health()).toEqual({ status: 'ok' });
    expect(fetch).toHaveBeenCalledOnce();
  });

  test.each([
    ['parts of a path', (k: Keystead) => k.owners.get('acme', 'a/b?c#d%'), '/v1/tenants/acme/owners/a%2Fb%3Fc%23d%25'],
    [
      'what a replacement would expand',
      (k: Keystead) => k.owners.get('acme', "$&$'"),
      "/v1/tenants/acme/owners/%24%26%24'",
    ],
    ['the next name in a path', (k: Keystead) => k.keys.get('{keyId}', 'key'), '/v1/tenants/%7BkeyId%7D/keys/key'],
    [
      'umlauts',
      (k: Keystead) => k.owners.get('acme', 'Jürgen 🎉'),
      '/v1/tenants/acme/owners/J%C3%BCrgen%20%F0%9F%8E%89',
    ],
  ])('encodes %s', async (_what, call, path) => {
    const { keystead, sent } = clientOn([json({})]);
    await call(keystead);
    expect(sent[0]?.url).toBe(`https://keys.example.com${path}`);
  });

  test('has a query without what was not given', async () => {
    const { keystead, sent } = clientOn([json({ data: [], page: { nextCursor: null } })]);
    const query = {
      status: ['active', 'rotating'],
      owner: 'a&b=c',
      name: undefined,
      expiresBefore: new Date(0),
    } as const;
    await keystead.keys.list('acme', query).page({ limit: 10 });
    expect(sent[0]?.url.split('?')[1]).toBe(
      'status=active%2Crotating&owner=a%26b%3Dc&expiresBefore=1970-01-01T00%3A00%3A00.000Z&limit=10',
    );
  });

  test('names a version, a person and an id of its own', async () => {
    const { keystead, sent } = clientOn([json({}), json({})]);
    const options = { ifMatch: 3, onBehalfOf: 'Jürgen 100% 🎉', requestId: 'mine', idempotencyKey: 'order-1' };
    await keystead.keys.update('acme', 'key_1', { name: 'New' }, options);
    await keystead.keys.update('acme', 'key_1', { name: 'New' }, { ifMatch: '*' });
    expect(sent[0]?.headers).toMatchObject({
      'if-match': '"3"',
      'x-on-behalf-of': 'J%C3%BCrgen 100%25 %F0%9F%8E%89',
      'x-request-id': 'mine',
      'idempotency-key': 'order-1',
    });
    expect(sent[1]?.headers['if-match']).toBe('*');
  });

  test.each([
    ['no id', (k: Keystead) => k.keys.get('acme', '')],
    ['a path upwards', (k: Keystead) => k.owners.delete('acme', '..')],
    ['a path to itself', (k: Keystead) => k.owners.delete('acme', '.')],
    ['no text', (k: Keystead) => k.keys.get('acme', undefined as unknown as string)],
    ['half a character', (k: Keystead) => k.owners.get('acme', '\ud800')],
    ['half a character in a query', (k: Keystead) => k.owners.list('acme', { search: '\udfff' }).page()],
    ['half a character as a name', (k: Keystead) => k.keys.delete('acme', 'key', { onBehalfOf: 'a\ud800' })],
    ['a header of two lines', (k: Keystead) => k.keys.delete('acme', 'key', { idempotencyKey: 'a\r\nb: c' })],
    ['another host', (k: Keystead) => k.request({ method: 'GET', path: '@evil.example' })],
    ['no time', (k: Keystead) => k.keys.get('acme', 'key', { timeoutMs: Number.NaN })],
  ])('is refused before it is sent: %s', async (_what, call) => {
    const { keystead, sent } = clientOn([]);
    await expect(call(keystead)).rejects.toThrow(TypeError);
    expect(sent).toEqual([]);
  });
});

describe('a client', () => {
  test.each([
    ['no address', { url: undefined }],
    ['no URL', { url: 'keys.example.com' }],
    ['another protocol', { url: 'ftp://keys.example.com' }],
    ['a password', { url: 'https://me:s3cret@keys.example.com' }],
    ['a query', { url: 'https://keys.example.com?token=s3cret' }],
    ['no token', { token: undefined }],
    ['an empty token', { token: '' }],
    ['a token with a line break', { token: 's3cret\n' }],
    ['no time', { timeoutMs: 0 }],
    ['fewer than no retries', { retries: -1 }],
  ])('is not made with %s, and the error repeats nothing', (_what, options) => {
    const make = () => new Keystead({ url: 'https://keys.example.com', token: TOKEN, ...options });
    expect(make).toThrow(TypeError);
    expect(make).toThrow(/^keystead: (?:url|token|timeoutMs|retries) must be(?!.*s3cret)/s);
  });
});

describe('is sent again', () => {
  const again: readonly (readonly [string, () => Reply])[] = [
    ['no answer', lost],
    ['503', () => problem(503, 'unavailable', {}, { 'Retry-After': '0' })],
    ['429 of a proxy', () => html(429)],
    ['502 of a proxy', () => html(502)],
    ['504 of a proxy', () => html(504)],
  ];

  test.each(again)('a question after %s', async (_what, reply) => {
    const { keystead, sent } = clientOn([reply(), reply(), json({ id: 'acme' })]);
    expect(await keystead.tenants.get('acme')).toEqual({ id: 'acme' });
    expect(sent.length).toBe(3);
    expect(sent[0]?.headers).not.toHaveProperty('idempotency-key');
  });

  test.each(again)('a change after %s, with one Idempotency-Key and the same bytes', async (_what, reply) => {
    const { keystead, sent } = clientOn([reply(), reply(), key()]);
    await keystead.keys.create('acme', { name: 'Backend' });
    expect(new Set(sent.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
    expect(new Set(sent.map(({ body }) => body)).size).toBe(1);
    expect(sent.length).toBe(3);
  });

  test('with another Idempotency-Key for another call', async () => {
    const { keystead, sent } = clientOn([key(), key()]);
    await keystead.keys.create('acme', { name: 'Backend' });
    await keystead.keys.create('acme', { name: 'Backend' });
    expect(new Set(sent.map(({ headers }) => headers['idempotency-key'])).size).toBe(2);
  });

  test('a verification, once, after a lost connection only', async () => {
    const { keystead, sent } = clientOn([lost(), valid()]);
    expect(await keystead.verify('ks_1')).toEqual({ valid: true, code: 'VALID', warnings: [] });
    expect(sent[1]?.headers).not.toHaveProperty('idempotency-key');
    expect(await errorOf(clientOn([lost(), lost(), valid()]).keystead.verify('ks_1'))).toMatchObject({
      code: 'network',
    });
    const busy = clientOn([problem(503, 'unavailable', {}, { 'Retry-After': '3' }), valid()]);
    expect(await errorOf(busy.keystead.verify('ks_1'))).toMatchObject({ code: 'unavailable', retryAfterMs: 3000 });
    expect(busy.sent.length).toBe(1);
  });

  test('at most as often as the client may', async () => {
    const { keystead, sent } = clientOn(Array.from({ length: 9 }, lost), { retries: 4 });
    expect(await errorOf(keystead.tenants.get('acme'))).toMatchObject({ code: 'network', status: 0, requestId: null });
    expect(sent.length).toBe(5);
    await errorOf(keystead.tenants.get('acme', { retries: 0 }));
    expect(sent.length).toBe(6);
  });

  test.each([
    [400, 'invalid_cursor'],
    [401, 'unauthenticated'],
    [403, 'forbidden'],
    [404, 'key_not_found'],
    [409, 'key_not_active'],
    [412, 'precondition_failed'],
    [422, 'validation_failed'],
    [500, 'internal_error'],
  ])('never after %s', async (status, code) => {
    const { keystead, sent } = clientOn([problem(status, code), key()]);
    expect(await errorOf(keystead.keys.rotate('acme', 'key_1'))).toMatchObject({ status, code });
    expect(sent.length).toBe(1);
  });

  test('not at all when the pause would be too long; the error says how long', async () => {
    const { keystead, sent } = clientOn([problem(503, 'unavailable', {}, { 'Retry-After': '60' }), key()]);
    expect(await errorOf(keystead.keys.rotate('acme', 'key_1'))).toMatchObject({ retryAfterMs: 60_000 });
    expect(sent.length).toBe(1);
  });

  test('after pauses that are random, grow, and respect Retry-After', () => {
    expect([0, 1, 2, 9].map((attempt) => waitBeforeNext(attempt, null, () => 1))).toEqual([200, 400, 800, 2500]);
    expect(waitBeforeNext(3, null, () => 0)).toBe(0);
    expect(waitBeforeNext(0, 1000, () => 0.5)).toBe(1100);
    expect(waitBeforeNext(0, 10_001, () => 0)).toBe(null);
    expect(retryAfterOf('2')).toBe(2000);
    expect(retryAfterOf(new Date(Date.now() + 5000).toUTCString())).toBeGreaterThan(3000);
    expect(retryAfterOf('Wed, 21 Oct 2015 07:28:00 GMT')).toBe(0);
    expect([null, '', 'soon', '9'.repeat(400)].map(retryAfterOf)).toEqual([null, null, null, null]);
  });
});

describe('ends', () => {
  test('an attempt after its time, whatever fetch does, and tries again', async () => {
    const { keystead, sent } = clientOn(['never', json({ id: 'acme' })], { timeoutMs: 10 });
    expect(await keystead.tenants.get('acme')).toEqual({ id: 'acme' });
    expect(sent[0]?.signal.aborted).toBe(true);
    expect(sent[1]?.signal.aborted).toBe(false);
  });

  test('a body that stops in the middle', async () => {
    const body = new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode('{')) });
    const reply = new Response(body, { headers: { 'Content-Type': 'application/json' } });
    const { keystead } = clientOn([reply], { timeoutMs: 10, retries: 0 });
    expect(await errorOf(keystead.tenants.get('acme'))).toMatchObject({ code: 'timeout', status: 0 });
  });

  test('a verification without trying again', async () => {
    const { keystead, sent } = clientOn(['never', valid()]);
    expect(await errorOf(keystead.verify('ks_1', { timeoutMs: 10 }))).toMatchObject({ code: 'timeout' });
    expect(sent.length).toBe(1);
  });

  test('a call whose signal is aborted: before, in between, and in a pause', async () => {
    const before = clientOn([json({})]);
    const call = before.keystead.tenants.get('acme', { signal: AbortSignal.abort() });
    expect(await errorOf(call)).toMatchObject({ code: 'aborted' });
    expect(before.sent).toEqual([]);

    const controller = new AbortController();
    const during = clientOn(['never', json({})]);
    const waiting = errorOf(during.keystead.tenants.get('acme', { signal: controller.signal }));
    await vi.waitFor(() => expect(during.sent.length).toBe(1));
    controller.abort();
    expect(await waiting).toMatchObject({ code: 'aborted', status: 0 });
    expect(during.sent[0]?.signal.aborted).toBe(true);

    const later = new AbortController();
    const pausing = clientOn([problem(503, 'unavailable', {}, { 'Retry-After': '9' }), json({})]);
    const paused = errorOf(pausing.keystead.tenants.get('acme', { signal: later.signal }));
    await vi.waitFor(() => expect(pausing.sent.length).toBe(1));
    setTimeout(() => later.abort(), 10);
    expect(await paused).toMatchObject({ code: 'aborted' });
    expect(pausing.sent.length).toBe(1);
  });

  test('and leaves no listener on the signal', async () => {
    const { signal } = new AbortController();
    const [add, remove] = [vi.spyOn(signal, 'addEventListener'), vi.spyOn(signal, 'removeEventListener')];
    await clientOn([lost(), json({})]).keystead.tenants.get('acme', { signal });
    expect(add.mock.calls.length).toBeGreaterThan(1);
    for (const [type, listener] of add.mock.calls) expect(remove).toHaveBeenCalledWith(type, listener);
  });
});

describe('an answer', () => {
  test('that is a problem gives its members', async () => {
    const members = { permission: 'keys:create', requestId: 'request-1', stack: 'no', name: 'no', message: 'no' };
    const error = await errorOf(
      clientOn([problem(403, 'forbidden', members)]).keystead.keys.create('acme', { name: '' }),
    );
    expect(error).toMatchObject({ code: 'forbidden', status: 403, requestId: 'request-1', retryAfterMs: null });
    expect(error).toMatchObject({ permission: 'keys:create', title: 'A title', detail: 'A detail.' });
    expect([error.name, error.message]).toEqual(['KeysteadError', 'A detail.']);
    expect(error.stack).toMatch(/^KeysteadError: A detail\./);
  });

  test('without a body is undefined', async () => {
    expect(await clientOn([new Response(null, { status: 204 })]).keystead.keys.delete('acme', 'key_1')).toBe(undefined);
  });

  test.each([
    ['a page of a proxy', html(200), 200, 'text/html instead of JSON'],
    ['a failure of a proxy', html(500), 500, 'text/html instead of JSON'],
    ['JSON of something else', json({ error: 'no' }, 404), 404, 'JSON that is not a problem'],
    ['JSON that is none', json(null, 404), 404, 'JSON that is not a problem'],
    ['half of it', new Response('{"id":', { headers: { 'Content-Type': 'application/json' } }), 200, 'not JSON'],
    ['no type', new Response(new Uint8Array([123, 125])), 200, 'no content type instead of JSON'],
    [
      'a redirect',
      new Response(null, { status: 302, headers: { Location: 'https://evil.example' } }),
      302,
      'a redirect',
    ],
  ])('that is not of Keystead is a clear error: %s', async (_what, reply, status, what) => {
    const { keystead, sent } = clientOn([reply]);
    const error = await errorOf(keystead.keys.get('acme', 'key_1'));
    expect(error).toMatchObject({ code: 'unexpected_answer', status });
    expect(error.message).toContain(`https://keys.example.com answered ${status}`);
    expect(error.message).toContain(what);
    expect(sent.length).toBe(1);
  });

  test('without end is not read to it', async () => {
    let pulled = 0;
    const chunk = new Uint8Array(4 * 1024 * 1024).fill(32);
    const body = new ReadableStream({
      pull: (controller) => {
        pulled += 1;
        controller.enqueue(chunk);
      },
    });
    const reply = new Response(body, { headers: { 'Content-Type': 'application/json' } });
    const error = await errorOf(clientOn([reply]).keystead.tenants.get('acme'));
    expect(error).toMatchObject({ code: 'unexpected_answer' });
    expect(pulled).toBeLessThan(12);
  });

  test('in the middle of a character, over several chunks', async () => {
    const bytes = new TextEncoder().encode('{"name":"🎉"}');
    const body = new ReadableStream({
      start: (controller) => {
        for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
        controller.close();
      },
    });
    const reply = new Response(body, { headers: { 'Content-Type': 'application/json; charset=utf-8' } });
    expect(await clientOn([reply]).keystead.tenants.get('acme')).toEqual({ name: '🎉' });
  });

  test('of another type is a text where the call accepts it', async () => {
    const csv = new Response('start,valid\n', { headers: { 'Content-Type': 'text/csv; charset=utf-8' } });
    const { keystead, sent } = clientOn([csv, html(200)]);
    const answer = await keystead.request({ method: 'GET', path: '/v1/tenants/acme/usage', accept: 'text/csv' });
    expect(answer).toMatchObject({ status: 200, body: 'start,valid\n' });
    expect(sent[0]?.headers.accept).toBe('text/csv, application/json;q=0.1');
    expect(await keystead.service.docs()).toBe('<h1>Oops</h1>');
  });
});

test('the error says why no answer came', async () => {
  const error = await errorOf(clientOn([lost(), lost()]).keystead.verify('ks_1'));
  expect(error.message).toBe('No answer from Keystead: ECONNRESET');
});
