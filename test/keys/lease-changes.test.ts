/**
 * Every kind of change under a lease, over HTTP. Two isolates verify just before the change, so it has to wait for
 * their leases. When it has returned, neither isolate uses the old state. While it waits, every other response that
 * would disclose the change (a repetition, a refusal, a read) waits as long.
 *
 * The tests run in real time, all cases at once, each in a tenant of its own. They check only lower bounds, which a
 * slow machine cannot break: a lease requested at some time cannot end before that time plus its length.
 */
import * as v from 'valibot';
import { beforeAll, describe, expect, it } from 'vitest';
import { keyWithSecret } from '../../src/api/keys/schemas.ts';
import { verification } from '../../src/api/verification/schemas.ts';
import type { Env } from '../../src/env.ts';
import { type ApiResponse, api, createKey, createTenant, revokeKey, rotateKey } from '../support/api.ts';
import { apiWith } from '../support/faults.ts';
import { hashOf, importInto, importKey } from '../support/foreign-keys.ts';
import { isolate } from '../support/isolates.ts';
import { sqlIn } from '../support/objects.ts';

const LEASE_SECONDS = 3;
/** `_system` has the default. */
const SYSTEM_LEASE_SECONDS = 1;
/** More than are revoked row by row. */
const MANY = 203;

type Send = () => Promise<ApiResponse>;

type Subject = {
  readonly leaseSeconds?: number;
  /** Whether this isolate still uses the state from before the change. */
  readonly tellsOld: (edge: Env) => Promise<boolean>;
  readonly change: Send;
  /** Requests whose responses disclose the change, by name. */
  readonly telling: Readonly<Record<string, Send>>;
};

type Outcome = {
  readonly subject: Subject;
  readonly status: number;
  /** Time from sending the last verification before the change (ms). */
  readonly returnedAfterMs: number;
  readonly oldAfterReturn: readonly boolean[];
  readonly oldWhileWaiting: readonly boolean[];
  readonly told: readonly {
    readonly what: string;
    readonly afterMs: number;
    readonly status: number;
    readonly oldThen: readonly boolean[];
  }[];
};

async function run(subject: Subject): Promise<Outcome> {
  const { leaseSeconds = LEASE_SECONDS, tellsOld, change, telling } = subject;
  // The second isolate verifies while the first one's lease is partly over, and its responses take longer than the
  // margin of a lease.
  const first = isolate();
  const second = isolate({ resultsTakeMs: leaseSeconds * 200 });
  // Looks whether the change has been committed. A lease of its own would make the change wait longer than for the
  // second isolate.
  const observer = isolate({ wantsLeases: false });
  const tellOld = () => Promise.all([tellsOld(first), tellsOld(second)]);
  const before = [await tellsOld(first)];
  await scheduler.wait(leaseSeconds * 400);
  const askedAt = performance.now();
  before.push(await tellsOld(second));
  expect(before).toEqual([true, true]);

  let isReturned = false;
  const changing = change().then(async ({ status }) => {
    isReturned = true;
    const returnedAfterMs = performance.now() - askedAt;
    return { status, returnedAfterMs, oldAfterReturn: await tellOld() };
  });
  while (!isReturned && (await tellsOld(observer))) await scheduler.wait(30);
  const tellings = Object.entries(telling).map(async ([what, send]) => {
    const { status } = await send();
    const afterMs = performance.now() - askedAt;
    return { what, status, afterMs, oldThen: await tellOld() };
  });
  const oldWhileWaiting = await tellOld();
  return { subject, ...(await changing), oldWhileWaiting, told: await Promise.all(tellings) };
}

const isValid = (secret: string) => async (edge: Env) => (await verified(secret, edge)).valid;

async function verified(secret: string, edge: Env, input: object = {}) {
  const { body } = await apiWith(edge, 'POST', '/keys/verify', { key: secret, ...input });
  return v.parse(verification, body);
}

const leased = (tenantId: string) => createTenant(tenantId, { settings: { leaseSeconds: LEASE_SECONDS } });

/** A change sent with an `Idempotency-Key`, and requests that repeat it with and without the key. */
function repeatable(method: string, path: string, body?: unknown) {
  const send = (headers: Readonly<Record<string, string>> = {}) => api(method, path, body, headers);
  const key = { 'Idempotency-Key': crypto.randomUUID() };
  return { change: () => send(key), repeats: { repetition: () => send(), replay: () => send(key) } };
}

const reads = (tenantId: string, keyId: string): Readonly<Record<string, Send>> => ({
  'read of the key': () => api('GET', `/tenants/${tenantId}/keys/${keyId}`),
  'list of keys': () => api('GET', `/tenants/${tenantId}/keys`),
  'list of active keys': () => api('GET', `/tenants/${tenantId}/keys?status=active`),
  'list by offset': () => api('GET', `/tenants/${tenantId}/keys?offset=0`),
});

const refusals = (tenantId: string, keyId: string): Readonly<Record<string, Send>> => ({
  'refused update': () => api('PATCH', `/tenants/${tenantId}/keys/${keyId}`, { name: 'other' }),
  'refused rotation': () => api('POST', `/tenants/${tenantId}/keys/${keyId}/rotate`, { gracePeriodSeconds: 0 }),
  'revocation along with another': async () => {
    const { id } = await createKey(tenantId);
    return api('POST', `/tenants/${tenantId}/keys/revoke`, { ids: [keyId, id] });
  },
});

/** Ends a key by a call on its own path. */
const onKey = (method: string, action: string, body?: unknown) => async (tenantId: string) => {
  await leased(tenantId);
  const { id, secret } = await createKey(tenantId);
  const { change, repeats } = repeatable(method, `/tenants/${tenantId}/keys/${id}${action}`, body);
  const telling = { ...repeats, ...reads(tenantId, id), ...refusals(tenantId, id) };
  return { tellsOld: isValid(secret), change, telling };
};

/** Ends a key that was issued elsewhere. A new import of its hash, which may be sent meanwhile, makes another key. */
const onForeignKey = (method: string, action: string, body?: unknown) => async (tenantId: string) => {
  await leased(tenantId);
  const text = `foreign ${tenantId}`;
  const { id } = await importKey(tenantId, text);
  const { change, repeats } = repeatable(method, `/tenants/${tenantId}/keys/${id}${action}`, body);
  const tellsOld = async (edge: Env) => {
    const { valid, keyId } = await verified(text, edge, { tenantId });
    return valid && keyId === id;
  };
  const hash = await hashOf(text);
  const again = () => importInto(tenantId, [{ name: 'again', hash }]);
  const telling = { ...repeats, ...reads(tenantId, id), ...refusals(tenantId, id) };
  return {
    tellsOld,
    change,
    telling: method === 'DELETE' ? { ...telling, 'import of the same hash': again } : telling,
  };
};

/** Changes something that a verification returns. */
const patched = (patch: object, isOld: (told: v.InferOutput<typeof verification>) => boolean) => {
  return async (tenantId: string) => {
    await leased(tenantId);
    const { id, secret } = await createKey(tenantId, { scopes: ['old'], metadata: { is: 'old' }, owner: 'old' });
    const { change, repeats } = repeatable('PATCH', `/tenants/${tenantId}/keys/${id}`, patch);
    const tellsOld = async (edge: Env) => isOld(await verified(secret, edge));
    // Who asks for it may still see the key with this owner.
    const ofOwner = () => api('PATCH', `/tenants/${tenantId}/owners/old`, { metadata: { is: 'new' } });
    const telling = { ...repeats, ...reads(tenantId, id), 'change of the owner that it had': ofOwner };
    return { tellsOld, change, telling };
  };
};

async function many(tenantId: string, owner: string | null) {
  const keys = Array.from({ length: MANY }, (_, i) => ({ name: `key ${i}`, owner }));
  const { body } = await api('POST', `/tenants/${tenantId}/keys/bulk`, { keys });
  const { data } = v.parse(v.object({ data: v.array(keyWithSecret) }), body);
  const [first] = data;
  const last = data.at(-1);
  if (first === undefined || last === undefined) throw new Error('no keys');
  return { first, last };
}

const byOwner = (isLarge: boolean) => async (tenantId: string) => {
  await leased(tenantId);
  const last = isLarge ? (await many(tenantId, 'o')).last : await createKey(tenantId, { owner: 'o' });
  const { change, repeats } = repeatable('POST', `/tenants/${tenantId}/keys/revoke`, { owner: 'o' });
  const telling = { ...repeats, ...reads(tenantId, last.id), ...refusals(tenantId, last.id) };
  return { tellsOld: isValid(last.secret), change, telling };
};

/** Changes something of an owner that verifications of its keys tell. */
const onOwner = (isLarge: boolean, patch: object, isOld: (told: v.InferOutput<typeof verification>) => boolean) => {
  return async (tenantId: string) => {
    await leased(tenantId);
    await api('POST', `/tenants/${tenantId}/owners`, { id: 'o', metadata: { is: 'old' } });
    const { secret } = isLarge ? (await many(tenantId, 'o')).last : await createKey(tenantId, { owner: 'o' });
    const { change, repeats } = repeatable('PATCH', `/tenants/${tenantId}/owners/o`, patch);
    const tellsOld = async (edge: Env) => isOld(await verified(secret, edge));
    return { tellsOld, change, telling: { ...repeats, ...ownerReads(tenantId) } };
  };
};

const ownerReads = (tenantId: string): Readonly<Record<string, Send>> => ({
  'read of the owner': () => api('GET', `/tenants/${tenantId}/owners/o`),
  'list of owners': () => api('GET', `/tenants/${tenantId}/owners`),
  'list of disabled owners': () => api('GET', `/tenants/${tenantId}/owners?enabled=false`),
  'refused update of the owner': () =>
    api('PATCH', `/tenants/${tenantId}/owners/o`, { name: 'n' }, { 'If-Match': '""' }),
});

/** An owner with a key that is revoked, whose metadata a verification still tells. */
async function ended(tenantId: string) {
  await leased(tenantId);
  const { id, secret } = await createKey(tenantId, { owner: 'o' });
  await revokeKey(tenantId, id);
  const tellsOwner = async (edge: Env) => (await verified(secret, edge)).ownerMetadata?.is === 'there';
  return { owners: `/tenants/${tenantId}/owners`, tellsOwner };
}

const byLineage = (isLarge: boolean) => async (tenantId: string) => {
  await leased(tenantId);
  const { head, tail } = isLarge ? await longLineage(tenantId) : await shortLineage(tenantId);
  const { change, repeats } = repeatable('POST', `/tenants/${tenantId}/keys/${head}/revoke`, { lineage: true });
  const telling = { ...repeats, ...reads(tenantId, tail.id), ...refusals(tenantId, tail.id) };
  return { tellsOld: isValid(tail.secret), change, telling };
};

/** A key that is revoked already, with a successor that is not. Revoking the lineage changes only the successor. */
async function shortLineage(tenantId: string) {
  const { id } = await createKey(tenantId);
  const { key } = await rotateKey(tenantId, id, { gracePeriodSeconds: 0 });
  await revokeKey(tenantId, id);
  return { head: id, tail: key };
}

async function longLineage(tenantId: string) {
  const { first, last } = await many(tenantId, null);
  await sqlIn(tenantId, 'UPDATE keys SET lineage = ?', first.id);
  return { head: first.id, tail: last };
}

/** A rotation with grace, and a change that ends one of its two keys. */
const inGrace = (action: 'complete' | 'cancel') => async (tenantId: string) => {
  await leased(tenantId);
  const old = await createKey(tenantId);
  const { key } = await rotateKey(tenantId, old.id, { gracePeriodSeconds: 3600 });
  const ended = action === 'complete' ? old : key;
  const path = `/tenants/${tenantId}/keys/${old.id}/rotation/${action}`;
  const { change, repeats } = repeatable('POST', path);
  const rotations = () => api('GET', `/tenants/${tenantId}/rotations`);
  const telling = { ...repeats, ...reads(tenantId, ended.id), ...refusals(tenantId, ended.id), rotations };
  return { tellsOld: isValid(ended.secret), change, telling };
};

/** A management key, and whether it is accepted. */
async function managementKey(input: object) {
  const created = await api('POST', '/management-keys', { name: 'm', role: 'admin', ...input });
  const { id, secret } = v.parse(v.object({ id: v.string(), secret: v.string() }), created.body);
  const tellsOld = async (edge: Env) => {
    const { status } = await apiWith(edge, 'GET', '/tenants', undefined, { Authorization: `Bearer ${secret}` });
    return status === 200;
  };
  return { id, tellsOld, read: () => api('GET', `/management-keys/${id}`) };
}

const onManagementKey = (action: string, body: object) => async () => {
  const { id, tellsOld, read } = await managementKey({});
  const { change, repeats } = repeatable('POST', `/management-keys/${id}/${action}`, body);
  const list = () => api('GET', '/management-keys');
  return { leaseSeconds: SYSTEM_LEASE_SECONDS, tellsOld, change, telling: { ...repeats, read, list } };
};

const CASES: Readonly<Record<string, (tenantId: string) => Promise<Subject>>> = {
  revocation: onKey('POST', '/revoke', {}),
  'rotation without grace': onKey('POST', '/rotate', { gracePeriodSeconds: 0 }),
  deletion: async (tenantId) => {
    await leased(tenantId);
    const { id, secret } = await createKey(tenantId);
    const path = `/tenants/${tenantId}/keys`;
    const { change, repeats } = repeatable('DELETE', `${path}/${id}`);
    const telling = {
      ...repeats,
      ...reads(tenantId, id),
      ...refusals(tenantId, id),
      disclosure: () => api('POST', `${path}/${id}/reveal`),
      'revocation of an unknown key': () => api('POST', `${path}/${id}/revoke`),
      'revocation of unknown keys': () => api('POST', `${path}/revoke`, { ids: [id] }),
    };
    return { tellsOld: isValid(secret), change, telling };
  },
  'deletion of a revoked key': async (tenantId) => {
    await leased(tenantId);
    const { id, secret } = await createKey(tenantId);
    await revokeKey(tenantId, id);
    const { change, repeats } = repeatable('DELETE', `/tenants/${tenantId}/keys/${id}`);
    const tellsOld = async (edge: Env) => (await verified(secret, edge)).code === 'REVOKED';
    return { tellsOld, change, telling: { ...repeats, ...reads(tenantId, id) } };
  },
  'revocation of some keys': async (tenantId) => {
    await leased(tenantId);
    const [verifiedKey, other] = [await createKey(tenantId), await createKey(tenantId)];
    const { id, secret } = verifiedKey;
    const { change, repeats } = repeatable('POST', `/tenants/${tenantId}/keys/revoke`, { ids: [other.id, id] });
    return { tellsOld: isValid(secret), change, telling: { ...repeats, ...reads(tenantId, other.id) } };
  },
  'revocation of an owner': byOwner(false),
  'revocation of an owner of many keys': byOwner(true),
  'revocation of a lineage': byLineage(false),
  'revocation of a long lineage': byLineage(true),
  'completed rotation': inGrace('complete'),
  'cancelled rotation': inGrace('cancel'),
  'change of scopes': patched({ scopes: ['new'] }, ({ scopes }) => scopes?.[0] === 'old'),
  'change of metadata': patched({ metadata: { is: 'new' } }, ({ metadata }) => metadata?.is === 'old'),
  'first credits of a key': patched({ credits: { remaining: 5 } }, ({ credits }) => credits === undefined),
  'change of owner': patched({ owner: 'new' }, ({ owner }) => owner === 'old'),
  'change of name': patched({ name: 'new' }, ({ name }) => name !== 'new'),
  'change of expiry': patched({ expiresAt: '2100-01-01T00:00:00.000Z' }, ({ expiresAt }) => expiresAt === null),
  suspension: patched({ enabled: false }, ({ valid }) => valid),
  'suspension of an owner': onOwner(false, { enabled: false }, ({ valid }) => valid),
  'first credits of an owner': onOwner(false, { credits: { remaining: 5 } }, ({ credits }) => credits === undefined),
  'suspension of an owner of many keys': onOwner(true, { enabled: false }, ({ valid }) => valid),
  "change of an owner's metadata": onOwner(
    false,
    { metadata: { is: 'new' } },
    ({ ownerMetadata }) => ownerMetadata?.is === 'old',
  ),
  'deletion of an owner': async (tenantId) => {
    const { owners, tellsOwner } = await ended(tenantId);
    await api('PATCH', `${owners}/o`, { metadata: { is: 'there' } });
    const { change, repeats } = repeatable('DELETE', `${owners}/o`);
    return { tellsOld: tellsOwner, change, telling: { ...repeats, ...ownerReads(tenantId) } };
  },
  'creation of an owner whose keys have ended': async (tenantId) => {
    const { owners, tellsOwner } = await ended(tenantId);
    await api('DELETE', `${owners}/o`);
    const { change, repeats } = repeatable('POST', owners, { id: 'o', metadata: { is: 'there' } });
    const tellsOld = async (edge: Env) => !(await tellsOwner(edge));
    return { tellsOld, change, telling: { ...repeats, ...ownerReads(tenantId) } };
  },
  'suspension of the tenant': async (tenantId) => {
    await leased(tenantId);
    const { secret } = await createKey(tenantId);
    const { change, repeats } = repeatable('PATCH', `/tenants/${tenantId}`, { status: 'disabled' });
    const read = () => api('GET', `/tenants/${tenantId}`);
    return { tellsOld: isValid(secret), change, telling: { ...repeats, read } };
  },
  'deletion of the tenant': async (tenantId) => {
    await leased(tenantId);
    const { id, secret } = await createKey(tenantId);
    const { change, repeats } = repeatable('DELETE', `/tenants/${tenantId}`);
    const telling = {
      ...repeats,
      ...reads(tenantId, id),
      'read of the tenant': () => api('GET', `/tenants/${tenantId}`),
      'read by an isolate that knew no tenant': () => apiWith(isolate(), 'GET', `/tenants/${tenantId}`),
      'creation of a tenant of this id': () => api('POST', '/tenants', { id: tenantId }),
    };
    return { tellsOld: isValid(secret), change, telling };
  },
  'revocation of a management key': onManagementKey('revoke', {}),
  'rotation of a management key': onManagementKey('rotate', { gracePeriodSeconds: 0 }),
  'deletion of the tenant of a management key': async (tenantId) => {
    await leased(tenantId);
    const { tellsOld } = await managementKey({ tenantId });
    const { change, repeats } = repeatable('DELETE', `/tenants/${tenantId}`);
    return { leaseSeconds: SYSTEM_LEASE_SECONDS, tellsOld, change, telling: repeats };
  },
  'revocation of an imported key': onForeignKey('POST', '/revoke', {}),
  'deletion of an imported key': onForeignKey('DELETE', ''),
  'rotation of an imported key': onForeignKey('POST', '/rotate', { gracePeriodSeconds: 0 }),
  'revocation after leases were switched off': async (tenantId) => {
    await leased(tenantId);
    const { id, secret } = await createKey(tenantId);
    const change = async () => {
      await api('PATCH', `/tenants/${tenantId}`, { settings: { leaseSeconds: 0 } });
      return api('POST', `/tenants/${tenantId}/keys/${id}/revoke`, {});
    };
    return { tellsOld: isValid(secret), change, telling: reads(tenantId, id) };
  },
  'revocation while leases are being switched off': async (tenantId) => {
    await leased(tenantId);
    const { id, secret } = await createKey(tenantId);
    const change = async () => {
      const switching = api('PATCH', `/tenants/${tenantId}`, { settings: { leaseSeconds: 0 } });
      await scheduler.wait(200);
      const revoked = await api('POST', `/tenants/${tenantId}/keys/${id}/revoke`, {});
      await switching;
      return revoked;
    };
    return { tellsOld: isValid(secret), change, telling: reads(tenantId, id) };
  },
};

const outcomes = new Map<string, Promise<Outcome>>();

beforeAll(async () => {
  // Creates the tenant of the management keys.
  await managementKey({});
  // Everything is prepared before the first lease is granted, because preparing takes longer than leases last.
  const prepared = Object.entries(CASES).map(
    async ([name, prepare], i) => [name, await prepare(`change-${i}`)] as const,
  );
  for (const [name, subject] of await Promise.all(prepared)) outcomes.set(name, run(subject));
  await Promise.allSettled(outcomes.values());
}, 60_000);

async function outcomeOf(name: string): Promise<Outcome> {
  const outcome = await outcomes.get(name);
  if (outcome === undefined) throw new Error(`no case ${name}`);
  return outcome;
}

describe('a change that has returned', () => {
  it.each(Object.keys(CASES))('%s: waited for the leases of both isolates and its margin', async (name) => {
    const { subject, status, returnedAfterMs, oldAfterReturn } = await outcomeOf(name);
    const leaseMs = 1000 * (subject.leaseSeconds ?? LEASE_SECONDS);
    expect(status).toBeLessThan(300);
    expect(oldAfterReturn).toEqual([false, false]);
    // Clocks are read in whole milliseconds.
    expect(returnedAfterMs).toBeGreaterThan(leaseMs + Math.max(50, leaseMs / 20) - 5);
  });

  it.each(Object.keys(CASES))('%s: no other response disclosed it earlier', async (name) => {
    const { subject, told } = await outcomeOf(name);
    const leaseMs = 1000 * (subject.leaseSeconds ?? LEASE_SECONDS);
    const early = told.filter(({ afterMs, oldThen }) => afterMs < leaseMs || oldThen.includes(true));
    expect(early).toEqual([]);
    expect(told.filter(({ status }) => status >= 500)).toEqual([]);
  });

  it('found leases in use: without the wait, old results would have been returned', async () => {
    const all = await Promise.all(outcomes.values());
    const old = all.flatMap(({ oldWhileWaiting }) => oldWhileWaiting).filter(Boolean);
    expect(old.length).toBeGreaterThan(0);
  });
});

describe('a change under way', () => {
  it('does not delay requests that do not disclose it', async () => {
    await leased('bystanders');
    const [changing, idle] = [await createKey('bystanders'), await createKey('bystanders')];
    await verified(changing.secret, isolate());
    const order: string[] = [];
    const change = revokeKey('bystanders', changing.id).then(() => order.push('change'));
    while ((await verified(changing.secret, isolate())).valid) await scheduler.wait(10);
    const path = `/tenants/bystanders/keys/${idle.id}`;
    await api('GET', path);
    await api('PATCH', path, { name: 'other' });
    await api('PATCH', path, { name: 'other' }, { 'If-Match': '"99"' });
    await createKey('bystanders');
    await api('GET', '/tenants/bystanders');
    await api('GET', '/tenants/bystanders/audit');
    order.push('bystanders');
    await change;
    expect(order).toEqual(['bystanders', 'change']);
  });
});
