/** Every kind of change of something that isolates use under leases: keys, tenants, and management keys. */
import { createHash } from 'node:crypto';
import { range } from '../campaign.ts';
import type { Client, Method, Verification } from '../client.ts';

export type Request = {
  readonly method: Method;
  readonly path: string;
  readonly body?: unknown;
  /** Is sent just before this one, and nobody waits for it. This one gets status 409 until it has come. */
  readonly before?: Request;
};

/** Something that isolates use, and its change. */
export type Subject = {
  /** Uses it in an isolate. Returns whether that still showed the state of before the change. */
  readonly tellsOld: (isolate: Client) => Promise<boolean>;
  /** Uses another key of the same tenant, which keeps the isolate's lease on all of them alive. */
  readonly useNeighbour: (isolate: Client) => Promise<unknown>;
  /** The requests that make the change, one after the other. Call it when the change begins. */
  readonly requests: () => readonly Request[];
};

export type Change = {
  readonly name: string;
  /** The length of all leases that it waits for, one after the other (s). */
  readonly waitsSeconds: number;
  /** Makes a subject. `id` is part of no other subject. */
  readonly prepare: (client: Client, id: string) => Promise<Subject>;
};

/** A change of single keys. It is prepared in a tenant that is in use. */
export type KeyChange = {
  readonly name: string;
  readonly prepare: (client: Client, tenant: UsedTenant, id: string) => Promise<Subject>;
};

/** A tenant with a key that nobody changes. */
export type UsedTenant = { readonly id: string; readonly neighbour: string };

export async function usedTenant(client: Client, id: string, leaseSeconds: number): Promise<UsedTenant> {
  await client.createTenant(id, { leaseSeconds });
  return { id, neighbour: (await client.createKey(id)).secret };
}

type Told = Verification & {
  readonly name?: string;
  readonly scopes?: readonly string[];
  readonly owner?: string;
  readonly metadata?: { readonly is?: string };
  readonly ownerMetadata?: { readonly is?: string };
  readonly expiresAt?: string | null;
};

/** Verifies a key string in an isolate. */
export async function told(isolate: Client, key: string, input: object = {}): Promise<Told> {
  const { status, body } = await isolate.send<Told>('POST', '/keys/verify', { key, ...input });
  if (status !== 200) throw new Error(`a verification got status ${status}`);
  return body;
}

const isValid = ({ valid }: Told) => valid;
const hasCode = (code: string) => (found: Told) => found.code === code;

/** A subject that is a key of a tenant. */
function keySubject(
  { neighbour }: UsedTenant,
  secret: string,
  isOld: (told: Told) => boolean,
  requests: readonly Request[] | (() => readonly Request[]),
): Subject {
  return {
    tellsOld: async (isolate) => isOld(await told(isolate, secret)),
    useNeighbour: (isolate) => told(isolate, neighbour),
    requests: typeof requests === 'function' ? requests : () => requests,
  };
}

const keysOf = ({ id }: { readonly id: string }) => `/tenants/${id}/keys`;

/** A valid key that is ended by one call on its path. */
const byKey = (name: string, method: Method, action: string, body?: object): KeyChange => ({
  name,
  prepare: async (client, tenant) => {
    const { id, secret } = await client.createKey(tenant.id);
    return keySubject(tenant, secret, isValid, [{ method, path: `${keysOf(tenant)}/${id}${action}`, body }]);
  },
});

/** A valid key that was issued elsewhere, likewise. */
const byForeignKey = (name: string, method: Method, action: string): KeyChange => ({
  name,
  prepare: async (client, tenant) => {
    const text = `foreign ${crypto.randomUUID()}`;
    const hash = { algorithm: 'sha256', value: createHash('sha256').update(text).digest('hex'), encoding: 'hex' };
    const body = { keys: [{ name, hash }] };
    const imported = await client.send<{ data: { id: string }[] }>('POST', `${keysOf(tenant)}/import`, body);
    const path = `${keysOf(tenant)}/${imported.body.data[0]?.id}${action}`;
    const tellsOld = async (isolate: Client) => isValid(await told(isolate, text, { tenantId: tenant.id }));
    return { ...keySubject(tenant, text, isValid, [{ method, path, body: undefined }]), tellsOld };
  },
});

/** A change of something that a verification returns. */
const byPatch = (name: string, patch: () => object, isOld: (told: Told) => boolean, created = {}): KeyChange => ({
  name,
  prepare: async (client, tenant) => {
    const attributes = { name: 'a', scopes: ['a'], owner: 'a', metadata: { is: 'a' }, ...created };
    const { id, secret } = await client.createKey(tenant.id, attributes);
    const path = `${keysOf(tenant)}/${id}`;
    return keySubject(tenant, secret, isOld, () => [{ method: 'PATCH', path, body: patch() }]);
  },
});

/** A change of a key's owner. */
const byOwner = (name: string, isOld: (told: Told) => boolean, body: object, before?: object): KeyChange => ({
  name,
  prepare: async (client, tenant, owner) => {
    const { secret } = await client.createKey(tenant.id, { owner });
    const path = `/tenants/${tenant.id}/owners/${owner}`;
    if (before !== undefined) await client.send('PATCH', path, before);
    return keySubject(tenant, secret, isOld, [{ method: 'PATCH', path, body }]);
  },
});

/** One of the two keys of a rotation with grace. */
const byRotation = (name: string, watch: 'predecessor' | 'successor', action: string, body?: object): KeyChange => ({
  name,
  prepare: async (client, tenant) => {
    const old = await client.createKey(tenant.id);
    const { key } = await client.rotateKey(tenant.id, old.id, { gracePeriodSeconds: 3600 });
    const { secret } = watch === 'successor' ? key : old;
    const path = `${keysOf(tenant)}/${old.id}/${action}`;
    return keySubject(tenant, secret, isValid, [{ method: 'POST', path, body }]);
  },
});

const SOON_MS = 60_000;

/** More than isolates use, so that they hold units of it. */
const MUCH = 1_000_000;
const limitOf = (limit: number) => ({ name: 'calls', limit, windowSeconds: 3600 });

/** Changes of single keys. They wait for nobody when no isolate has a record of these keys. */
export const KEY_CHANGES: readonly KeyChange[] = [
  byKey('revocation', 'POST', '/revoke'),
  byKey('rotation without grace', 'POST', '/rotate', { gracePeriodSeconds: 0 }),
  byKey('deletion', 'DELETE', ''),
  byForeignKey('revocation of an imported key', 'POST', '/revoke'),
  byForeignKey('deletion of an imported key', 'DELETE', ''),
  {
    name: 'revocation of some keys',
    prepare: async (client, tenant) => {
      const [{ id, secret }, other] = [await client.createKey(tenant.id), await client.createKey(tenant.id)];
      const request = { method: 'POST', path: `${keysOf(tenant)}/revoke`, body: { ids: [other.id, id] } } as const;
      return keySubject(tenant, secret, isValid, [request]);
    },
  },
  {
    name: 'revocation of an owner',
    prepare: async (client, tenant, owner) => {
      const { secret } = await client.createKey(tenant.id, { owner });
      const request = { method: 'POST', path: `${keysOf(tenant)}/revoke`, body: { owner } } as const;
      return keySubject(tenant, secret, isValid, [request]);
    },
  },
  byOwner('suspension of an owner', isValid, { enabled: false }),
  byOwner("end of an owner's suspension", hasCode('OWNER_DISABLED'), { enabled: true }, { enabled: false }),
  byOwner('metadata of an owner', ({ ownerMetadata }) => ownerMetadata?.is === undefined, { metadata: { is: 'b' } }),
  {
    name: 'deletion of a revoked key',
    prepare: async (client, tenant) => {
      const { id, secret } = await client.createKey(tenant.id);
      await client.revokeKey(tenant.id, id);
      return keySubject(tenant, secret, hasCode('REVOKED'), [{ method: 'DELETE', path: `${keysOf(tenant)}/${id}` }]);
    },
  },
  byRotation('revocation of a lineage', 'successor', 'revoke', { lineage: true }),
  byRotation('completed rotation', 'predecessor', 'rotation/complete'),
  byRotation('cancelled rotation', 'successor', 'rotation/cancel'),
  byPatch('suspension', () => ({ enabled: false }), isValid),
  byPatch('end of a suspension', () => ({ enabled: true }), hasCode('DISABLED'), { enabled: false }),
  byPatch(
    'name',
    () => ({ name: 'b' }),
    ({ name }) => name === 'a',
  ),
  byPatch(
    'scopes',
    () => ({ scopes: ['b'] }),
    ({ scopes }) => scopes?.[0] === 'a',
  ),
  byPatch(
    'metadata',
    () => ({ metadata: { is: 'b' } }),
    ({ metadata }) => metadata?.is === 'a',
  ),
  byPatch(
    'owner',
    () => ({ owner: 'b' }),
    ({ owner }) => owner === 'a',
  ),
  byPatch(
    'expiry',
    () => ({ expiresAt: new Date(Date.now() + SOON_MS) }),
    ({ expiresAt }) => expiresAt === null,
  ),
  byPatch('lower limit', () => ({ rateLimits: [limitOf(0)] }), isValid, { rateLimits: [limitOf(MUCH)] }),
  byPatch('first credits', () => ({ credits: { remaining: 0 } }), isValid, { rateLimits: [limitOf(MUCH)] }),
  {
    name: 'plan of an owner',
    prepare: async (client, tenant, owner) => {
      for (const [plan, limit] of [
        [`${owner}-much`, MUCH],
        [`${owner}-none`, 0],
      ] as const) {
        await client.send('POST', `/tenants/${tenant.id}/plans`, { id: plan, rateLimits: [limitOf(limit)] });
      }
      const { secret } = await client.createKey(tenant.id, { owner });
      const path = `/tenants/${tenant.id}/owners/${owner}`;
      await client.send('PATCH', path, { plan: `${owner}-much` });
      return keySubject(tenant, secret, isValid, [{ method: 'PATCH', path, body: { plan: `${owner}-none` } }]);
    },
  },
];

/** A change of an owner of so many keys that it concerns all keys of the tenant. */
const byLargeOwner = (name: string, request: (path: string) => Request): Change => ({
  name,
  waitsSeconds: 1,
  prepare: async (client, id) => {
    const tenant = await usedTenant(client, id, 1);
    const keys = await client.createKeys(
      id,
      range(MANY).map((i) => ({ name: `key ${i}`, owner: 'o' })),
    );
    return keySubject(tenant, keys.at(-1)?.secret ?? '', isValid, [request(`/tenants/${id}`)]);
  },
});

/** A change of a whole tenant, watched by one of its keys. */
const byTenant = (
  name: string,
  waitsSeconds: number,
  requests: (tenant: string, key: string) => readonly Request[],
  { leaseSeconds = 1, isOld = isValid, isDisabled = false } = {},
): Change => ({
  name,
  waitsSeconds,
  prepare: async (client, id) => {
    const tenant = await usedTenant(client, id, leaseSeconds);
    const key = await client.createKey(id);
    if (isDisabled) await client.send('PATCH', `/tenants/${id}`, { status: 'disabled' });
    const made = requests(`/tenants/${id}`, `${keysOf(tenant)}/${key.id}`);
    return keySubject(tenant, key.secret, isOld, made);
  },
});

/** More keys than are revoked one by one. */
const MANY = 205;

const TENANT_CHANGES: readonly Change[] = [
  byTenant('suspension of a tenant', 1, (path) => [{ method: 'PATCH', path, body: { status: 'disabled' } }]),
  byTenant('end of the suspension of a tenant', 1, (path) => [{ method: 'PATCH', path, body: { status: 'active' } }], {
    isOld: hasCode('TENANT_DISABLED'),
    isDisabled: true,
  }),
  byTenant('deletion of a tenant', 1, (path) => [{ method: 'DELETE', path }]),
  // A creation waits as for the longest lease that there is, because nothing is left that says how long they were.
  byTenant('creation of a tenant under the id of a deleted one', 1 + 10, (path) => {
    const body = { id: path.slice('/tenants/'.length) };
    return [{ method: 'POST', path: '/tenants', body, before: { method: 'DELETE', path } }];
  }),
  byTenant(
    'revocation after leases were switched off',
    2,
    (path, key) => [leasesOf(path, 0), { method: 'POST', path: `${key}/revoke` }],
    { leaseSeconds: 2 },
  ),
  byTenant(
    'revocation while leases are switched off',
    2,
    (path, key) => [{ method: 'POST', path: `${key}/revoke`, before: leasesOf(path, 0) }],
    { leaseSeconds: 2 },
  ),
  byTenant(
    'revocation after leases were shortened',
    2 + 1,
    (path, key) => [leasesOf(path, 1), { method: 'POST', path: `${key}/revoke` }],
    { leaseSeconds: 2 },
  ),
  byTenant('revocation after leases were lengthened', 1 + 2, (path, key) => [
    leasesOf(path, 2),
    { method: 'POST', path: `${key}/revoke` },
  ]),
  {
    name: 'lower limit of a plan',
    waitsSeconds: 1,
    prepare: async (client, id) => {
      const tenant = await usedTenant(client, id, 1);
      await client.send('POST', `/tenants/${id}/plans`, { id: 'plan', rateLimits: [limitOf(MUCH)] });
      const { secret } = await client.createKey(id, { plan: 'plan' });
      const body = { rateLimits: [limitOf(0)] };
      return keySubject(tenant, secret, isValid, [{ method: 'PATCH', path: `/tenants/${id}/plans/plan`, body }]);
    },
  },
  byLargeOwner('revocation of an owner of many keys', (path) => {
    return { method: 'POST', path: `${path}/keys/revoke`, body: { owner: 'o' } };
  }),
  byLargeOwner('suspension of an owner of many keys', (path) => {
    return { method: 'PATCH', path: `${path}/owners/o`, body: { enabled: false } };
  }),
];

function leasesOf(path: string, leaseSeconds: number): Request {
  return { method: 'PATCH', path, body: { settings: { leaseSeconds } } };
}

/** A management key, and whether an isolate accepts it. */
async function caller(client: Client, input: object = {}) {
  type Created = { readonly id: string; readonly secret: string };
  const created = await client.send<Created>('POST', '/management-keys', { name: 'm', role: 'admin', ...input });
  const { id, secret } = created.body;
  const tellsOld = async (isolate: Client) => {
    const headers = { Authorization: `Bearer ${secret}` };
    const { status } = await isolate.send('GET', '/tenants?limit=1', undefined, undefined, headers);
    if (status !== 200 && status !== 401) throw new Error(`a caller got status ${status}`);
    return status === 200;
  };
  return { id, tellsOld };
}

const byCaller = (name: string, action: string, body: object): Change => ({
  name,
  waitsSeconds: 1,
  prepare: async (client) => {
    const [{ id, tellsOld }, neighbour] = [await caller(client), await caller(client)];
    const path = `/management-keys/${id}/${action}`;
    return { tellsOld, useNeighbour: neighbour.tellsOld, requests: () => [{ method: 'POST', path, body }] };
  },
});

const CALLER_CHANGES: readonly Change[] = [
  byCaller('revocation of a caller', 'revoke', {}),
  byCaller('rotation of a caller', 'rotate', { gracePeriodSeconds: 0 }),
  {
    name: "deletion of a caller's tenant",
    // The revocation of the caller, and the deletion.
    waitsSeconds: 1 + 1,
    prepare: async (client, id) => {
      await client.createTenant(id);
      const [{ tellsOld }, neighbour] = [await caller(client, { tenantId: id }), await caller(client)];
      const requests = () => [{ method: 'DELETE', path: `/tenants/${id}` }] as const;
      return { tellsOld, useNeighbour: neighbour.tellsOld, requests };
    },
  },
];

/** All changes. Those of keys are made in a tenant with leases of a second. */
export const changesIn = (tenant: UsedTenant): readonly Change[] => [
  ...TENANT_CHANGES,
  ...CALLER_CHANGES,
  ...KEY_CHANGES.map(({ name, prepare }) => ({
    name,
    waitsSeconds: 1,
    prepare: (client: Client, id: string) => prepare(client, tenant, id),
  })),
];
