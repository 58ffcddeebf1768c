/** The client against the Worker itself: every operation, lists, versions, and changes whose answers get lost. */
import { env, exports } from 'cloudflare:workers';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { OPERATIONS } from '../../client/src/api/operations.ts';
import type { KeysteadError } from '../../client/src/http/errors.ts';
import type { FetchLike } from '../../client/src/http/platform.ts';
import { Keystead, type KeysteadOptions } from '../../client/src/keystead.ts';
import { ELSEWHERE } from '../../client/tools/elsewhere.ts';
import openapi from '../../openapi.json';
import { createTenant, walk } from '../support/api.ts';
import { managementKey } from '../support/callers.ts';
import { clientOn, json } from './fake.ts';

const worker: FetchLike = (url, init) => exports.default.fetch(url, init);

const clientOf = (options: Partial<KeysteadOptions> = {}) =>
  new Keystead({ url: 'http://keystead.test', token: env.ADMIN_TOKEN, leases: false, fetch: worker, ...options });
const keystead = clientOf();

/** Passes requests on, and loses the answers to the first `n` of them. */
function losing(n: number) {
  const sent: string[] = [];
  const fetch: FetchLike = async (url, init) => {
    const response = await worker(url, init);
    sent.push(init.headers['idempotency-key'] ?? 'none');
    if (sent.length <= n) throw new TypeError('fetch failed');
    return response;
  };
  return { keystead: clientOf({ fetch }), sent };
}

beforeEach(() => {
  vi.spyOn(Math, 'random').mockReturnValue(0);
});
afterEach(() => {
  vi.restoreAllMocks();
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

describe('each operation of the description', () => {
  const described = Object.entries(openapi.paths).flatMap(([path, methods]) =>
    Object.entries(methods as Record<string, { operationId: string }>).map(
      ([method, { operationId }]) => [operationId, method.toUpperCase(), path] as const,
    ),
  );
  const withMethod = described.filter(([id]) => !ELSEWHERE.includes(id));

  test('has a method in the client, and no method is there without one', () => {
    const methods = Object.entries(OPERATIONS).flatMap(([group, names]) =>
      Object.keys(names).map((name) => `${group}.${name}`),
    );
    expect(withMethod.length).toBeGreaterThan(40);
    expect(methods.sort()).toEqual(withMethod.map(([id]) => id).sort());
    expect(Object.keys(keystead).sort()).toEqual(Object.keys(OPERATIONS).sort());
  });

  test.each(withMethod)('%s sends %s %s', async (id, method, path) => {
    const { keystead, sent } = clientOn([json({ data: [], page: { nextCursor: null } })]);
    const [group = '', name = ''] = id.split('.');
    const groups = keystead as unknown as Record<string, Record<string, (...args: unknown[]) => unknown>>;
    const ids = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => `the ${parameter}`);
    const result = groups[group]?.[name]?.(...ids);
    await (Symbol.asyncIterator in Object(result) ? all(result as AsyncIterable<unknown>) : result);
    expect(sent.map((request) => [request.method, decodeURIComponent(new URL(request.url).pathname)])).toEqual([
      [method, path.replaceAll(/\{(\w+)\}/g, 'the $1')],
    ]);
  });
});

test('a key lives its life', async () => {
  await createTenant('life');
  const { id, secret, version } = await keystead.keys.create('life', { name: 'Backend', scopes: ['a:*'] });
  expect(await keystead.verify(secret, { scopes: ['a:b'] })).toMatchObject({ valid: true, keyId: id });
  expect(await keystead.verify(secret, { scopes: ['b'] })).toMatchObject({ code: 'INSUFFICIENT_SCOPES' });
  expect(await keystead.verify('no key \n 🎉')).toEqual({ valid: false, code: 'MALFORMED', warnings: [] });

  const expiresAt = new Date(Date.now() + 3_600_000);
  const changed = await keystead.keys.update('life', id, { expiresAt }, { ifMatch: version });
  expect(changed).toMatchObject({ id, expiresAt: expiresAt.toISOString() });
  const stale = keystead.keys.revoke('life', id, {}, { ifMatch: version });
  await expect(stale).rejects.toMatchObject({ code: 'precondition_failed', status: 412 });

  const rotation = await keystead.keys.rotate('life', id, undefined, { onBehalfOf: 'Jürgen 100%' });
  expect(await keystead.verify(secret)).toMatchObject({ valid: true, warnings: [{ code: 'key_rotated' }, {}] });
  await keystead.rotations.complete('life', id);
  expect(await keystead.verify(secret)).toMatchObject({ valid: false, code: 'ROTATED' });
  await keystead.keys.revoke('life', rotation.key.id, { reason: 'Found in a log' });
  expect(await keystead.verify(rotation.key.secret)).toMatchObject({ valid: false, code: 'REVOKED' });
  await expect(keystead.keys.update('life', id, { name: 'x' })).rejects.toMatchObject({ keyStatus: 'rotated' });
  expect(await keystead.keys.delete('life', id)).toBe(undefined);
  await expect(keystead.keys.get('life', id)).rejects.toMatchObject({ code: 'key_not_found', status: 404 });

  const [entry] = await all(keystead.audit.list('life', { action: 'key.rotate', keyId: id }));
  expect(entry).toMatchObject({ onBehalfOf: 'Jürgen 100%' });
});

describe('a list', () => {
  beforeAll(async () => {
    await createTenant('many');
    const keys = Array.from({ length: 7 }, (_, i) => ({ name: `key ${i}`, owner: i % 2 === 0 ? 'even' : 'odd' }));
    await keystead.keys.createMany('many', { keys });
  });
  const names = (keys: readonly { readonly name: string }[]) => keys.map(({ name }) => name);
  const oldestFirst = ['key 0', 'key 1', 'key 2', 'key 3', 'key 4', 'key 5', 'key 6'];

  test('gives all items, whatever the size of its pages', async () => {
    for (const limit of [1, 3, 7, undefined]) {
      expect(names(await all(keystead.keys.list('many', { order: 'asc', limit })))).toEqual(oldestFirst);
    }
    expect(names(await all(keystead.keys.list('many', { owner: 'odd', order: 'asc', limit: 2 })))).toEqual([
      'key 1',
      'key 3',
      'key 5',
    ]);
  });

  test('may be walked again, and left early without another request', async () => {
    const { keystead: counted, sent } = losing(0);
    const list = counted.keys.list('many', { order: 'asc', limit: 2 });
    expect(sent.length).toBe(0);
    for await (const key of list) if (key.name === 'key 2') break;
    expect(sent.length).toBe(2);
    expect(names(await all(list))).toEqual(oldestFirst);
  });

  test('gives single pages, by cursor and by offset', async () => {
    const list = keystead.keys.list('many', { order: 'asc' });
    const first = await list.page({ limit: 3 });
    expect(names(first.data)).toEqual(oldestFirst.slice(0, 3));
    const second = await list.page({ limit: 3, cursor: first.page.nextCursor ?? '' });
    expect(names(second.data)).toEqual(oldestFirst.slice(3, 6));
    const last = await list.page({ limit: 3, offset: 6 });
    expect(last).toMatchObject({ data: [{ name: 'key 6' }], page: { total: 7, hasMore: false } });
    const rest = keystead.keys.list('many', { order: 'asc', cursor: second.page.nextCursor ?? '' });
    expect(names(await all(rest))).toEqual(['key 6']);
  });

  test('whose pages lose their answers is complete all the same', async () => {
    const { keystead: lossy } = losing(2);
    expect(names(await all(lossy.keys.list('many', { order: 'asc', limit: 2 })))).toEqual(oldestFirst);
  });

  test('that could not be read in whole does not look complete', async () => {
    const page = { data: [{ id: 'a' }], unavailable: ['b'], page: { nextCursor: 'next' } };
    const { keystead: fake } = clientOn([json(page)]);
    const seen: string[] = [];
    const walking = (async () => {
      for await (const { id } of fake.tenants.list()) seen.push(id);
    })();
    await expect(walking).rejects.toMatchObject({ code: 'unavailable', ids: ['b'] });
    expect(seen).toEqual(['a']);
  });

  test('tells the problem of a page', async () => {
    await expect(all(keystead.keys.list('nobody'))).rejects.toMatchObject({ code: 'tenant_not_found' });
    await expect(keystead.keys.list('many').page({ cursor: 'none' })).rejects.toMatchObject({ code: 'invalid_cursor' });
  });
});

describe('a change whose answers are lost is applied once', () => {
  test('on creation: the key string is that of the first attempt', async () => {
    await createTenant('lossy');
    const { keystead: lossy, sent } = losing(2);
    const key = await lossy.keys.create('lossy', { name: 'once' });
    expect(new Set(sent).size).toBe(1);
    expect(sent.length).toBe(3);
    expect(await walk('/tenants/lossy/keys')).toEqual([expect.objectContaining({ id: key.id })]);
    expect(await keystead.verify(key.secret)).toMatchObject({ valid: true, keyId: key.id });
  });

  test('on a change of a balance', async () => {
    await createTenant('balance');
    const { id } = await keystead.keys.create('balance', { name: 'paid', credits: { remaining: 5 } });
    const { keystead: lossy } = losing(1);
    const changed = await lossy.keys.changeCredits('balance', id, { operation: 'increment', amount: 10 });
    expect(changed.credits?.remaining).toBe(15);
    expect((await keystead.keys.get('balance', id)).credits?.remaining).toBe(15);
  });

  test('on a rotation, which would be refused the second time', async () => {
    await createTenant('rotating');
    const { id } = await keystead.keys.create('rotating', { name: 'once' });
    const { keystead: lossy } = losing(1);
    const { key } = await lossy.keys.rotate('rotating', id);
    expect((await keystead.keys.get('rotating', id)).rotation.replacedBy).toBe(key.id);
  });

  test('and so is a call that is repeated with an Idempotency-Key of its own', async () => {
    await createTenant('orders');
    const order = () => keystead.keys.create('orders', { name: 'Order' }, { idempotencyKey: 'order-4711' });
    expect((await order()).secret).toBe((await order()).secret);
    const other = keystead.keys.create('orders', { name: 'Another' }, { idempotencyKey: 'order-4711' });
    await expect(other).rejects.toMatchObject({ code: 'idempotency_key_reused', status: 422 });
  });
});

describe('a caller', () => {
  test('without a permission is told which', async () => {
    await createTenant('rights');
    const { secret } = await managementKey({ role: 'verifier' });
    const verifier = clientOf({ token: secret });
    const refused = verifier.keys.create('rights', { name: 'none' });
    await expect(refused).rejects.toMatchObject({ code: 'forbidden', status: 403, permission: 'keys:create' });
    const { secret: key } = await keystead.keys.create('rights', { name: 'one' });
    expect(await verifier.verify(key)).toMatchObject({ valid: true });
  });

  test('that nobody knows is told so, with the id of the request', async () => {
    const unknown = clientOf({ token: 'invented' });
    const error: KeysteadError = await unknown.verify('ks_1', {}).then(
      () => Promise.reject(new Error('answered')),
      (reason) => reason,
    );
    expect(error).toMatchObject({ name: 'KeysteadError', code: 'unauthenticated', status: 401 });
    expect(error.requestId).toMatch(/^\S+$/);
  });
});

describe('hostile values', () => {
  const VALUES = ['\n', '"', '../..', '%2e%2e', '\u0000', '🎉'.repeat(50), '__proto__', 'x'.repeat(5000), '?a=b', '{}'];

  test('as ids get a problem and change nothing', async () => {
    await createTenant('hostile');
    await keystead.keys.create('hostile', { name: 'one' });
    for (const value of VALUES) {
      for (const call of [
        () => keystead.keys.get('hostile', value),
        () => keystead.keys.delete('hostile', value),
        () => keystead.plans.get(value, value),
        () => keystead.owners.delete('hostile', value),
        () => keystead.tenants.delete(value),
      ]) {
        await expect(call(), JSON.stringify(value)).rejects.toMatchObject({
          status: expect.any(Number),
          requestId: expect.any(String),
        });
      }
    }
    expect((await keystead.keys.count('hostile')).total).toBe(1);
  });

  test('as key strings are refused, and a huge one is a problem', async () => {
    for (const value of VALUES) {
      expect(await keystead.verify(value), JSON.stringify(value)).toMatchObject({ valid: false, code: 'MALFORMED' });
    }
    await expect(keystead.verify('k'.repeat(1024 * 1024))).rejects.toMatchObject({ code: 'payload_too_large' });
  });

  test('as texts come back as they were', async () => {
    await createTenant('texts');
    const owner = 'a/b?c=d&e#f%20 "🎉" ü';
    await keystead.owners.create('texts', { id: owner, metadata: { [owner]: { x: [owner] } } });
    expect(await keystead.owners.get('texts', owner)).toMatchObject({ id: owner });
    await keystead.keys.create('texts', { name: owner, owner });
    expect(await all(keystead.keys.list('texts', { owner, name: owner, status: ['active'] }))).toHaveLength(1);
  });
});

test('usage comes as rows, and as CSV on request', async () => {
  await createTenant('usage');
  expect(await all(keystead.usage.read('usage', { interval: 'hour', from: new Date(Date.now() - 1000) }))).toEqual([]);
  const csv = await keystead.request({ method: 'GET', path: '/v1/tenants/usage/usage', accept: 'text/csv' });
  expect(csv.body).toBe('start,verifications,valid,units\r\n');
});
