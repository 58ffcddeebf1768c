/**
 * Keystead over service bindings: the Worker of examples/service-binding, and a Worker that hands each of its bindings
 * whatever a test wants to call.
 */
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';
import { Log, LogLevel, Miniflare, type MiniflareOptions } from 'miniflare';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureBuilt } from '../../selfhost/build.ts';
import { TEST_SECRETS } from '../support/test-secrets.ts';
import { ROOT } from './server.ts';

type Worker = MiniflareOptions['workers'][number];
type WorkerEnv = NonNullable<Extract<Worker, { config: unknown }>['config']['env']>;

/** Calls a method of a binding, or its `fetch`, and shows what comes back. */
const CALLER = `export default {
  async fetch(request, env) {
    const { binding, method, args } = await request.json();
    if (method !== 'fetch') return Response.json(await env[binding][method](...args).then(
      (result) => ({ result }), (error) => ({ thrown: String(error) })));
    const response = await env[binding].fetch(...args);
    return Response.json({ status: response.status, body: await response.text(), etag: response.headers.get('ETag') });
  },
};`;

/** A Worker that uses the client over a binding, once for all requests, and says how many the client has made. */
const CLIENT = `import { Keystead } from './client/src/keystead.ts';
import { waitUntil } from 'cloudflare:workers';
let keystead;
let requests = 0;
export default {
  async fetch(request, { KEYSTEAD }) {
    const counted = { fetch: (url, init) => { requests += 1; return KEYSTEAD.fetch(url, init); } };
    keystead ??= new Keystead({ binding: counted, leases: { waitUntil } });
    const { group, method, args } = await request.json();
    const result = await (group === undefined ? keystead : keystead[group])[method](...args);
    return Response.json({ result, requests });
  },
};`;

const PROPS: Readonly<Record<string, Record<string, unknown> | undefined>> = {
  ALL: { name: 'everything', role: 'owner' },
  VERIFIER: { name: 'verifier', permissions: ['keys:verify'], tenantId: 'orders' },
  ELSEWHERE: { name: 'elsewhere', role: 'operator', tenantId: 'elsewhere' },
  OWNER_OF_ORDERS: { name: 'orders', role: 'owner', tenantId: 'orders' },
  NO_PROPS: undefined,
  NO_NAME: { role: 'owner' },
  NO_PERMISSIONS: { name: 'nothing', permissions: [] },
  UNKNOWN_PERMISSION: { name: 'typo', permissions: ['keys:verfy'] },
  UNKNOWN_MEMBER: { name: 'typo', role: 'verifier', tenant: 'orders' },
  BOTH: { name: 'both', role: 'verifier', permissions: ['keys:read'] },
};

let miniflare: Miniflare;

function worker(name: string, source: string, env: WorkerEnv = {}, exports = {}): Worker {
  const manifest = {
    mainModule: 'index.js',
    modulesRoot: '/',
    modules: { 'index.js': { type: 'esm', contents: source } },
  };
  return { config: { name, compatibilityDate: '2026-10-01', manifest, env, exports } } as Worker;
}

const bindingTo = (props: Record<string, unknown> | undefined) =>
  ({
    type: 'worker',
    worker: 'keystead',
    exportName: 'KeysteadService',
    ...(props === undefined ? {} : { props }),
  }) as const;

/** The props that the example's wrangler.toml gives its binding. */
function propsOfExample(): Record<string, unknown> {
  const text = readFileSync(join(ROOT, 'examples/service-binding/wrangler.toml'), 'utf8');
  expect(text).toContain('entrypoint = "KeysteadService"');
  const lines = (text.split('[services.props]\n')[1] ?? '').trim().split('\n');
  return Object.fromEntries(
    lines.map((line) => {
      const [name = '', value = ''] = line.split(' = ');
      return [name, JSON.parse(value)];
    }),
  );
}

async function bundled(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: ROOT },
    ...{ bundle: true, format: 'esm', write: false, external: ['cloudflare:workers'] },
  });
  return outputFiles[0]?.text ?? '';
}

beforeAll(async () => {
  await ensureBuilt(new AbortController().signal);
  const secrets: WorkerEnv = Object.fromEntries(
    Object.entries(TEST_SECRETS).map(([name, value]) => [name, { type: 'text', value }]),
  );
  const example = stripTypeScriptTypes(readFileSync(join(ROOT, 'examples/service-binding/index.ts'), 'utf8'));
  miniflare = new Miniflare({
    log: new Log(LogLevel.NONE),
    logRequests: false,
    workers: [
      worker(
        'keystead',
        readFileSync(join(ROOT, 'dist/index.js'), 'utf8'),
        {
          ...secrets,
          TENANTS: { type: 'durable-object', worker: 'keystead', exportName: 'Tenant' },
          DIRECTORY: { type: 'durable-object', worker: 'keystead', exportName: 'Directory' },
        },
        {
          Tenant: { type: 'durable-object', storage: 'sqlite' },
          Directory: { type: 'durable-object', storage: 'sqlite' },
          KeysteadService: { type: 'worker' },
        },
      ),
      worker('example', example, { KEYSTEAD: bindingTo(propsOfExample()) }),
      worker('client', await bundled(CLIENT), { KEYSTEAD: bindingTo(PROPS.ALL) }),
      worker(
        'caller',
        CALLER,
        Object.fromEntries(Object.entries(PROPS).map(([name, props]) => [name, bindingTo(props)])),
      ),
    ],
  });
  await miniflare.ready;
  await call('ALL', 'tenants.create', { body: { id: 'orders', settings: { leaseSeconds: 1 } } });
  await call('ALL', 'tenants.create', { body: { id: 'elsewhere' } });
});

afterAll(() => miniflare.dispose());

// biome-ignore lint/suspicious/noExplicitAny: what comes back is compared as a whole.
async function through(binding: string, method: string, ...args: unknown[]): Promise<any> {
  const { fetch } = await miniflare.getWorker('caller');
  const response = await fetch('http://caller.test/', {
    method: 'POST',
    body: JSON.stringify({ binding, method, args }),
  });
  return response.json();
}

const call = async (binding: string, ...args: unknown[]) => (await through(binding, 'call', ...args)).result;
const codeOf = async (binding: string, ...args: unknown[]) => (await call(binding, ...args)).problem?.code;

const inOrders = { path: { tenantId: 'orders' } };
const createKey = async (body: object = {}) =>
  (await call('ALL', 'keys.create', { ...inOrders, body: { name: 'A key', ...body } })).value;

it('the client uses a binding in place of address and token, with leases of its own', async () => {
  const { fetch } = await miniflare.getWorker('client');
  // biome-ignore lint/suspicious/noExplicitAny: what comes back is compared as a whole.
  const ask = async (input: object): Promise<any> =>
    (await fetch('http://client.test/', { method: 'POST', body: JSON.stringify(input) })).json();
  const made = await ask({
    group: 'keys',
    method: 'create',
    args: ['orders', { name: 'By the client', scopes: ['a'] }],
  });
  const { id, secret } = made.result;
  const verify = () => ask({ method: 'verify', args: [secret, { scopes: ['a'] }] });
  // The first call after a quiet time may bring no lease.
  await verify();
  const { requests } = await verify();
  let last = requests;
  for (let i = 0; i < 20; i++) {
    const again = await verify();
    expect(again.result).toMatchObject({ valid: true, keyId: id });
    last = again.requests;
  }
  expect(last - requests).toBeLessThan(20);
  await ask({ group: 'keys', method: 'revoke', args: ['orders', id] });
  expect((await verify()).result).toMatchObject({ valid: false, code: 'REVOKED' });
});

describe('a service binding', () => {
  it('verifies, with a result for good keys and for others', async () => {
    const { secret, id } = await createKey({ scopes: ['a'] });
    const good = await through('VERIFIER', 'verify', { key: secret, scopes: ['a'] });
    expect(good.result).toMatchObject({ ok: true, value: { valid: true, code: 'VALID', keyId: id } });
    const lacking = await through('VERIFIER', 'verify', { key: secret, scopes: ['b'] });
    expect(lacking.result).toMatchObject({ ok: true, value: { valid: false, code: 'INSUFFICIENT_SCOPES' } });
    const wrong = await through('VERIFIER', 'verify', { key: secret, scope: ['a'] });
    expect(wrong.result).toMatchObject({ ok: false, problem: { code: 'validation_failed', status: 422 } });
    await call('ALL', 'keys.revoke', { path: { tenantId: 'orders', keyId: id } });
    const ended = await through('VERIFIER', 'verify', { key: secret, scopes: ['a'] });
    expect(ended.result).toMatchObject({ ok: true, value: { valid: false, code: 'REVOKED' } });
  });

  it('may do what its props say, and nothing else', async () => {
    expect(await codeOf('VERIFIER', 'keys.list', inOrders)).toBe('forbidden');
    expect(await codeOf('ELSEWHERE', 'keys.list', inOrders)).toBe('tenant_not_found');
    expect((await call('ELSEWHERE', 'keys.list', { path: { tenantId: 'elsewhere' } })).ok).toBe(true);
    expect(await codeOf('ELSEWHERE', 'tenants.create', { body: { id: 'more' } })).toBe('forbidden');
    const { secret } = await createKey();
    const elsewhere = await through('ELSEWHERE', 'verify', { key: secret });
    expect(elsewhere.result).toMatchObject({ ok: true, value: { code: 'NOT_FOUND' } });
  });

  it('that is confined to a tenant makes callers and sees callers of that tenant only', async () => {
    const made = await call('OWNER_OF_ORDERS', 'managementKeys.create', {
      body: { name: 'm', role: 'verifier', tenantId: 'orders' },
    });
    expect(made).toMatchObject({ ok: true, value: { tenantId: 'orders' } });
    for (const body of [
      { name: 'm', role: 'verifier' },
      { name: 'm', role: 'verifier', tenantId: 'elsewhere' },
    ]) {
      expect((await call('OWNER_OF_ORDERS', 'managementKeys.create', { body })).ok).toBe(false);
    }
    await call('ALL', 'managementKeys.create', { body: { name: 'other', role: 'verifier' } });
    const { value } = await call('OWNER_OF_ORDERS', 'managementKeys.list');
    expect(value.data.map(({ id }: { id: string }) => id)).toEqual([made.value.id]);
    const keyPath = { path: { keyId: made.value.id } };
    expect((await call('OWNER_OF_ORDERS', 'managementKeys.revoke', keyPath)).ok).toBe(true);
  });

  it.each(Object.keys(PROPS).slice(4))('without valid props is refused: %s', async (binding) => {
    const refused = { ok: false, problem: { code: 'forbidden', status: 403 } };
    expect((await through(binding, 'verify', { key: 'x' })).result).toMatchObject(refused);
    expect(await call(binding, 'tenants.list')).toMatchObject(refused);
    const headers = { Authorization: `Bearer ${TEST_SECRETS.ADMIN_TOKEN}` };
    expect(await through(binding, 'fetch', 'http://keystead/v1/tenants', { headers })).toMatchObject({ status: 403 });
  });

  it('cannot say for itself who it is', async () => {
    for (const args of [[{ key: 'x' }, { props: PROPS.ALL }], [{ key: 'x', role: 'owner' }]]) {
      const { result } = await through('NO_PROPS', 'verify', ...args);
      expect(result.problem.code).toBe('forbidden');
    }
    for (const method of ['env', 'ctx', '#caller', 'handle']) {
      expect(await through('ALL', method)).toHaveProperty('thrown');
    }
  });

  it('repeats no change, changes only the version that is meant, and is named in the audit log', async () => {
    const options = { idempotencyKey: 'one', onBehalfOf: 'Ädä' };
    const input = { ...inOrders, body: { name: 'Once' } };
    const first = await call('ALL', 'keys.create', input, options);
    const again = await call('ALL', 'keys.create', input, options);
    expect(again).toEqual({ ...first, replayed: true });
    const other = { ...inOrders, body: { name: 'Other' } };
    expect(await codeOf('ALL', 'keys.create', other, options)).toBe('idempotency_key_reused');
    const keyPath = { path: { tenantId: 'orders', keyId: first.value.id } };
    const patch = { ...keyPath, body: { name: 'Renamed' } };
    expect(await codeOf('ALL', 'keys.update', patch, { ifVersion: 7 })).toBe('precondition_failed');
    const renamed = await call('ALL', 'keys.update', patch, { ifVersion: 1, requestId: 'mine' });
    expect(renamed).toMatchObject({ ok: true, value: { name: 'Renamed' }, version: 2 });
    const actor = { type: 'service_binding', id: 'binding:everything' };
    expect(first.value.createdBy).toEqual(actor);
    const query = { keyId: first.value.id, actor: actor.id };
    const { value } = await call('ALL', 'audit.list', { ...inOrders, query });
    expect(value.data).toMatchObject([
      { action: 'key.update', actor, requestId: 'mine' },
      { action: 'key.create', actor, onBehalfOf: 'Ädä' },
    ]);
  });

  it('answers nothing as null, and a table as a text', async () => {
    const { id } = await createKey();
    const keyPath = { path: { tenantId: 'orders', keyId: id } };
    expect(await call('ALL', 'keys.delete', keyPath)).toEqual({ ok: true, value: null });
    const csv = await call('ALL', 'usage.read', { ...inOrders, query: { format: 'csv' } });
    expect(csv.value).toMatch(/^start,/);
  });

  it('refuses what is no input, without a look beyond the operation that is meant', async () => {
    expect(await codeOf('ALL', 'keys.nothing')).toBe('not_found');
    expect(await codeOf('ALL', 'gateways.authorize', { query: { scopes: '' } })).toBe('not_found');
    for (const tenantId of ['orders/keys', '../tenants', 'orders?limit=1', '', 7, null, undefined]) {
      expect(await codeOf('ALL', 'keys.list', { path: { tenantId } }), String(tenantId)).toBe('tenant_not_found');
    }
    expect(await codeOf('ALL', 'keys.create', inOrders)).toBe('validation_failed');
    expect(await codeOf('ALL', 'keys.create', { ...inOrders, body: 'x'.repeat(200_000) })).toBe('payload_too_large');
    expect(await codeOf('ALL', 'keys.create', { ...inOrders, body: {} }, { idempotencyKey: 'a\nb' })).toBe(
      'validation_failed',
    );
    for (const args of [
      ['keys.list', null],
      ['keys.list', 7],
      ['keys.list', inOrders, null],
    ]) {
      const { result } = await through('ALL', 'call', ...args);
      expect(result.ok, JSON.stringify(args)).toBe(false);
    }
  });

  it('is the HTTP API for a client, whatever token that sends', async () => {
    const headers = { Authorization: 'Bearer none' };
    const answer = await through('ALL', 'fetch', 'http://keystead/v1/tenants/orders', { headers });
    expect([answer.status, JSON.parse(answer.body).id]).toEqual([200, 'orders']);
    expect((await through('VERIFIER', 'fetch', 'http://keystead/v1/tenants/orders')).status).toBe(403);
    expect((await through('ALL', 'fetch', 'http://keystead/v1/nothing')).status).toBe(404);
  });
});

describe('the example', () => {
  const ask = async (key: string | null, method = 'GET', path = '/orders', more: Record<string, string> = {}) => {
    const { fetch } = await miniflare.getWorker('example');
    const headers: Record<string, string> = { ...more, ...(key === null ? {} : { Authorization: `Bearer ${key}` }) };
    const response = await fetch(`http://orders.test${path}`, { method, headers });
    return { status: response.status, body: JSON.parse(await response.text()) };
  };

  it('lets in who has a good key, and refuses it when its revocation has returned', async () => {
    const { secret, id } = await createKey({ owner: 'customer-17', scopes: ['orders:read'] });
    expect(await ask(secret)).toEqual({ status: 200, body: { orders: [], owner: 'customer-17' } });
    expect((await ask(null)).status).toBe(401);
    expect((await ask('x')).status).toBe(401);
    expect((await ask(secret, 'POST', '/keys')).status).toBe(403);
    await call('ALL', 'keys.revoke', { path: { tenantId: 'orders', keyId: id } });
    expect((await ask(secret)).status).toBe(401);
  });

  it('makes a key for its customer, once', async () => {
    const { secret } = await createKey({ owner: 'customer-18', scopes: ['keys:write'] });
    const repeated = { 'Idempotency-Key': 'order-1' };
    const [first, again] = [await ask(secret, 'POST', '/keys', repeated), await ask(secret, 'POST', '/keys', repeated)];
    expect(first).toMatchObject({ status: 201, body: { owner: 'customer-18' } });
    expect(again.body.secret).toBe(first.body.secret);
    expect((await ask(first.body.secret)).status).toBe(200);
  });
});
