/**
 * The promise of leases over HTTP, with several isolates. Customer keys, management keys and whole tenants are used
 * under load in all isolates while each of them is ended or changed, in every possible way. After the call that ends
 * one has returned, no isolate may use the old state for a request that is sent later. The campaign also counts what
 * would have been wrong without the wait: results with the old state that came after the commit.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureBuilt } from '../../../selfhost/build.ts';
import { runtimePath } from '../../../selfhost/runtime-path.ts';
import { range } from '../campaign.ts';
import { Client, type Method, type Verification } from '../client.ts';
import { temporaryFolder } from '../server.ts';

/** Keys that are ended at the same time. Each ending waits about a second. */
const KEYS_AT_ONCE = 100;
/** Pause between two requests of a watcher, which leaves time for the endings. */
const PACE_MS = 5;
const SOCKETS = ['first', 'second', 'third'] as const;

export type LeaseReport = {
  readonly endings: number;
  /** Calls that were given up and sent again. */
  readonly repeated: number;
  readonly verifications: number;
  /** VALID results while an ending waited, which show that leases were in use. */
  readonly leasedMeanwhile: number;
};

/** Ends `trials` keys under load. Throws at the first verification that saw an old record too late. */
export async function leases(trials: number, progress: (line: string) => void): Promise<LeaseReport> {
  await ensureBuilt(new AbortController().signal);
  using folder = temporaryFolder();
  const adminToken = randomBytes(32).toString('base64url');
  const runtime = startRuntime(folder.path, adminToken);
  try {
    const urls = await listening(runtime);
    const isolates = urls.map((url) => new Client({ url, adminToken }));
    const report = { endings: 0, repeated: 0, verifications: 0, leasedMeanwhile: 0 };
    await isolates[0]?.createTenant('leased', { leaseSeconds: 1 });
    // The first management key makes the tenant of all management keys.
    if (isolates[0] !== undefined) await caller(isolates[0], {});
    for (let done = 0; done < trials; done += KEYS_AT_ONCE) {
      await round(isolates, Math.min(KEYS_AT_ONCE, trials - done), report);
      progress(`${report.endings} ended, ${report.verifications} verifications`);
    }
    return report;
  } finally {
    runtime.kill('SIGKILL');
    await once(runtime, 'close');
  }
}

async function round(
  isolates: readonly Client[],
  keys: number,
  report: { -readonly [K in keyof LeaseReport]: number },
) {
  await Promise.all(range(keys).map((i) => trial(isolates, report.endings + i, report)));
  report.endings += keys;
}

/** Watches one subject in every isolate while it is ended, and for some time after. */
async function trial(isolates: readonly Client[], i: number, report: { -readonly [K in keyof LeaseReport]: number }) {
  const by = isolates[i % isolates.length];
  const other = isolates[(i + 1) % isolates.length];
  const way = WAYS[i % WAYS.length];
  if (by === undefined || other === undefined || way === undefined) throw new Error('no isolate, or no way');
  const { tellsOld, end } = await way.prepare(by, `w${i}`);
  let endingAt = Number.POSITIVE_INFINITY;
  let endedAt = Number.POSITIVE_INFINITY;
  const watchers = isolates.map(async (isolate) => {
    for (let after = 0; after < 5; ) {
      await sleep(PACE_MS);
      const sentAt = performance.now();
      const isLate = sentAt > endedAt;
      const isOld = await tellsOld(isolate);
      report.verifications += 1;
      if (isLate) after += 1;
      if (isLate && isOld) throw new Error(`${way.name}: old ${sentAt - endedAt} ms after the end had returned`);
      if (!isLate && isOld && sentAt > endingAt) report.leasedMeanwhile += 1;
    }
  });
  const ending = async () => {
    await sleep(20 + Math.random() * 300);
    endingAt = performance.now();
    // Every third caller gives up on its first call and sends it again, to another isolate.
    const givesUp = i % 3 === 0;
    if (givesUp) {
      const signal = AbortSignal.timeout(Math.round(50 + Math.random() * 700));
      try {
        await sent(by, end, signal);
      } catch (error) {
        if (!signal.aborted) throw error;
        report.repeated += 1;
        await sent(other, end, null);
      }
    } else {
      await sent(by, end, null);
    }
    endedAt = performance.now();
  };
  await Promise.all([ending(), ...watchers]);
}

type Request = { readonly method: Method; readonly path: string; readonly body?: unknown };
/** `after`: a request that nobody waits for and that must come before this one; until then this one gets 409. */
type End = Request & { readonly after?: Request };

/** Sends the request that ends something. Any response that is not a failure says that it has ended. */
async function sent(client: Client, { after, method, path, body }: End, signal: AbortSignal | null): Promise<void> {
  const first = after && client.send(after.method, after.path).catch(() => null);
  for (;;) {
    const { status } = await client.send(method, path, body, undefined, {}, signal);
    if (status >= 500 || status === 422) throw new Error(`${method} ${path} got status ${status}`);
    if (after === undefined || status !== 409) break;
    await sleep(10);
  }
  await first;
}

type Watched = {
  /** Whether this isolate still uses the state from before the end. */
  readonly tellsOld: (isolate: Client) => Promise<boolean>;
  readonly end: End;
};

type Way = { readonly name: string; readonly prepare: (client: Client, id: string) => Promise<Watched> };

const KEYS = '/tenants/leased/keys';

type Told = Verification & {
  readonly scopes?: readonly string[];
  readonly owner?: string;
  readonly metadata?: { readonly is?: string };
};

const told = async (isolate: Client, key: string) => (await isolate.send<Told>('POST', '/keys/verify', { key })).body;

const validity = (key: string) => async (isolate: Client) => (await told(isolate, key)).valid;

/** A key that is ended by one call on its path. */
const byKey = (name: string, method: Method, action: string, body?: object): Way => ({
  name,
  prepare: async (client) => {
    const key = await client.createKey('leased');
    return { tellsOld: validity(key.secret), end: { method, path: `${KEYS}/${key.id}${action}`, body } };
  },
});

/** A change of something that a verification returns. */
const byPatch = (name: string, patch: object, isOld: (told: Told) => boolean): Way => ({
  name,
  prepare: async (client) => {
    const { id, secret } = await client.createKey('leased', { scopes: ['a'], owner: 'a', metadata: { is: 'a' } });
    const tellsOld = async (isolate: Client) => isOld(await told(isolate, secret));
    return { tellsOld, end: { method: 'PATCH', path: `${KEYS}/${id}`, body: patch } };
  },
});

/** One of the two keys of a rotation with grace. */
const byRotation = (name: string, watch: 'predecessor' | 'successor', action: string, body?: object): Way => ({
  name,
  prepare: async (client) => {
    const old = await client.createKey('leased');
    const { key } = await client.rotateKey('leased', old.id, { gracePeriodSeconds: 3600 });
    const { secret } = watch === 'successor' ? key : old;
    return { tellsOld: validity(secret), end: { method: 'POST', path: `${KEYS}/${old.id}/${action}`, body } };
  },
});

/** Requests with a management key. */
const byCaller = (name: string, action: string, body: object): Way => ({
  name,
  prepare: async (client) => {
    const { id, tellsOld } = await caller(client, {});
    return { tellsOld, end: { method: 'POST', path: `/management-keys/${id}/${action}`, body } };
  },
});

async function caller(client: Client, input: object) {
  type Created = { readonly id: string; readonly secret: string };
  const created = await client.send<Created>('POST', '/management-keys', { name: 'm', role: 'admin', ...input });
  const { id, secret } = created.body;
  const tellsOld = async (isolate: Client) => {
    const { status } = await isolate.send('GET', '/tenants?limit=1', undefined, undefined, {
      Authorization: `Bearer ${secret}`,
    });
    return status === 200;
  };
  return { id, tellsOld };
}

/** Every key of a tenant that ends. */
const byTenant = (name: string, end: (id: string) => Request, watchesCaller = false): Way => ({
  name,
  prepare: async (client, id) => {
    await client.createTenant(id, { leaseSeconds: 1 });
    const key = await client.createKey(id);
    const { tellsOld } = watchesCaller ? await caller(client, { tenantId: id }) : { tellsOld: validity(key.secret) };
    return { tellsOld, end: end(id) };
  },
});

const deletionOf = (id: string): Request => ({ method: 'DELETE', path: `/tenants/${id}` });

/** Every way to end a key, a management key or a tenant, or to change what a verification returns. */
const WAYS: readonly Way[] = [
  byKey('revocation', 'POST', '/revoke'),
  byKey('rotation', 'POST', '/rotate', { gracePeriodSeconds: 0 }),
  byKey('suspension', 'PATCH', '', { enabled: false }),
  byKey('deletion', 'DELETE', ''),
  {
    name: 'revocation of some keys',
    prepare: async (client) => {
      const { id, secret } = await client.createKey('leased');
      return { tellsOld: validity(secret), end: { method: 'POST', path: `${KEYS}/revoke`, body: { ids: [id] } } };
    },
  },
  {
    name: 'revocation of an owner',
    prepare: async (client, owner) => {
      const { secret } = await client.createKey('leased', { owner });
      return { tellsOld: validity(secret), end: { method: 'POST', path: `${KEYS}/revoke`, body: { owner } } };
    },
  },
  byRotation('revocation of a lineage', 'successor', 'revoke', { lineage: true }),
  byRotation('completed rotation', 'predecessor', 'rotation/complete'),
  byRotation('cancelled rotation', 'successor', 'rotation/cancel'),
  byPatch('scopes', { scopes: ['b'] }, ({ scopes }) => scopes?.[0] === 'a'),
  byPatch('metadata', { metadata: { is: 'b' } }, ({ metadata }) => metadata?.is === 'a'),
  byPatch('owner', { owner: 'b' }, ({ owner }) => owner === 'a'),
  byCaller('revocation of a caller', 'revoke', {}),
  byCaller('rotation of a caller', 'rotate', { gracePeriodSeconds: 0 }),
  byTenant('suspension of a tenant', (id) => ({
    method: 'PATCH',
    path: `/tenants/${id}`,
    body: { status: 'disabled' },
  })),
  byTenant('deletion of a tenant', deletionOf),
  byTenant("deletion of a caller's tenant", deletionOf, true),
  {
    // When a new tenant with the id exists, the one before it is gone.
    name: 'deletion and creation of a tenant',
    prepare: async (client, id) => {
      const watched = await byTenant('', deletionOf).prepare(client, id);
      return { ...watched, end: { method: 'POST', path: '/tenants', body: { id }, after: deletionOf(id) } };
    },
  },
];

function startRuntime(dataDir: string, adminToken: string): ChildProcess {
  const ring = () => `1:${randomBytes(32).toString('base64')}`;
  return spawn(
    runtimePath(),
    ['serve', join(import.meta.dirname, 'isolates.capnp'), `--directory-path=data=${dataDir}`, '--control-fd=3'],
    {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
      env: { PATH: process.env.PATH ?? '', ADMIN_TOKEN: adminToken, ENCRYPTION_KEY: ring(), HMAC_SECRET: ring() },
    },
  );
}

/** Returns the URLs of the sockets, once the runtime listens on all of them. */
async function listening(runtime: ChildProcess): Promise<string[]> {
  const control = runtime.stdio[3];
  if (control === null || control === undefined || !('setEncoding' in control)) throw new Error('no control channel');
  const ports = new Map<string, number>();
  let text = '';
  for await (const chunk of control.setEncoding('utf8')) {
    text += chunk;
    for (const line of text.split('\n').slice(0, -1)) {
      const { event, socket, port } = JSON.parse(line);
      if (event === 'listen') ports.set(socket, port);
    }
    text = text.slice(text.lastIndexOf('\n') + 1);
    if (SOCKETS.every((socket) => ports.has(socket))) break;
  }
  return SOCKETS.map((socket) => `http://127.0.0.1:${ports.get(socket)}`);
}
