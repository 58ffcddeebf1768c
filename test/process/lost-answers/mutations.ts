/**
 * Every route that changes something and takes an `Idempotency-Key`: how to prepare one request, and what it must leave
 * in the audit log.
 */
import type { Client, KeyWithSecret, Method } from '../client.ts';

export type MutationRequest = {
  readonly method: Method;
  readonly path: string;
  readonly body?: unknown;
  readonly status: number;
  /** Actions of the audit entries that one request leaves, in order. */
  readonly actions: readonly string[];
  /** The log that has them: a tenant's id, or null for the deployment's log. */
  readonly log: string | null;
};

const SYSTEM = '_system';

/** A key that was issued elsewhere. */
function foreign(name: string) {
  const value = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex');
  return { name, hash: { algorithm: 'sha256', value, encoding: 'hex' } };
}

/** By name. Each prepares a new request over a connection that loses nothing. */
export const MUTATIONS: Readonly<Record<string, (client: Client, tenant: string) => Promise<MutationRequest>>> = {
  'create a tenant': async () => {
    const id = `made-${crypto.randomUUID()}`;
    return { method: 'POST', path: '/tenants', body: { id }, status: 201, ...logged('tenant.create', id) };
  },
  'change a tenant': async (client) => {
    const { id } = await client.createTenant(`patched-${crypto.randomUUID()}`);
    return {
      method: 'PATCH',
      path: `/tenants/${id}`,
      body: { name: 'New' },
      status: 200,
      ...logged('tenant.update', id),
    };
  },
  'delete a tenant': async (client) => {
    const { id } = await client.createTenant(`deleted-${crypto.randomUUID()}`);
    await client.createKey(id);
    return { method: 'DELETE', path: `/tenants/${id}`, status: 204, ...logged('tenant.delete', null) };
  },
  'create a key': async (_client, tenant) => onKeys(tenant, '', { name: 'once' }, 201, 'key.create'),
  'create keys in bulk': async (_client, tenant) => ({
    ...onKeys(tenant, '/bulk', { keys: [{ name: 'a' }, { name: 'b', prefix: 'other' }] }, 201, 'key.create'),
    actions: ['key.create', 'key.create'],
  }),
  'import keys': async (_client, tenant) => ({
    ...onKeys(tenant, '/import', { keys: [foreign('a'), foreign('b')] }, 201, 'key.import'),
    actions: ['key.import', 'key.import'],
  }),
  'change a key': (client, tenant) => onKey(client, tenant, '', { name: 'New' }, 200, 'key.update', 'PATCH'),
  'add credits to a key': async (client, tenant) => {
    const { id } = await client.createKey(tenant, { credits: { remaining: 5 } });
    return onKeys(tenant, `/${id}/credits`, { operation: 'increment', amount: 5 }, 200, 'key.credits');
  },
  'add credits to an owner': async (client, tenant) => {
    const id = crypto.randomUUID();
    await client.send('POST', `/tenants/${tenant}/owners`, { id, credits: { remaining: 5 } });
    return {
      ...{ method: 'POST', path: `/tenants/${tenant}/owners/${id}/credits`, status: 200 },
      ...{ body: { operation: 'increment', amount: 5 }, ...logged('owner.credits', tenant) },
    };
  },
  'delete a key': (client, tenant) => onKey(client, tenant, '', undefined, 204, 'key.delete', 'DELETE'),
  'rotate a key': (client, tenant) => onKey(client, tenant, '/rotate', { gracePeriodSeconds: 60 }, 201, 'key.rotate'),
  'revoke a key': (client, tenant) => onKey(client, tenant, '/revoke', { reason: 'lost' }, 200, 'key.revoke'),
  'complete a rotation': (client, tenant) => onRotating(client, tenant, '/rotation/complete', 'key.rotation_complete'),
  'cancel a rotation': (client, tenant) => onRotating(client, tenant, '/rotation/cancel', 'key.rotation_cancel'),
  'revoke keys by id': async (client, tenant) => {
    const keys = await client.createKeys(tenant, [{ name: 'a' }, { name: 'b' }]);
    const ids = keys.map(({ id }) => id);
    return { ...onKeys(tenant, '/revoke', { ids }, 200, 'key.revoke'), actions: ['key.revoke', 'key.revoke'] };
  },
  'revoke keys by owner': async (client, tenant) => {
    const owner = crypto.randomUUID();
    await client.createKeys(tenant, [
      { name: 'a', owner },
      { name: 'b', owner },
    ]);
    const actions = ['key.revoke_owner', 'key.revoke', 'key.revoke'];
    return { ...onKeys(tenant, '/revoke', { owner }, 200, 'key.revoke_owner'), actions };
  },
  'clean up': async (_client, tenant) => ({
    ...{ method: 'POST', path: `/tenants/${tenant}/cleanup`, status: 200 },
    ...logged('cleanup.run', tenant),
  }),
  'create a management key': async () => ({
    ...{ method: 'POST', path: '/management-keys', body: { name: 'once', role: 'auditor' }, status: 201 },
    ...logged('key.create', SYSTEM),
  }),
  'rotate a management key': (client) => onManagementKey(client, '/rotate', 201, 'key.rotate'),
  'revoke a management key': (client) => onManagementKey(client, '/revoke', 200, 'key.revoke'),
};

const logged = (action: string, log: string | null) => ({ actions: [action], log });

function onKeys(tenant: string, path: string, body: unknown, status: number, action: string): MutationRequest {
  return { method: 'POST', path: `/tenants/${tenant}/keys${path}`, body, status, ...logged(action, tenant) };
}

async function onKey(
  client: Client,
  tenant: string,
  path: string,
  body: unknown,
  status: number,
  action: string,
  method: Method = 'POST',
): Promise<MutationRequest> {
  const { id } = await client.createKey(tenant);
  return { ...onKeys(tenant, `/${id}${path}`, body, status, action), method };
}

async function onRotating(client: Client, tenant: string, path: string, action: string): Promise<MutationRequest> {
  const { id } = await client.createKey(tenant);
  await client.rotateKey(tenant, id);
  return onKeys(tenant, `/${id}${path}`, {}, 200, action);
}

async function onManagementKey(client: Client, path: string, status: number, action: string): Promise<MutationRequest> {
  const { body } = await client.send<KeyWithSecret>('POST', '/management-keys', { name: 'm', role: 'auditor' });
  return { method: 'POST', path: `/management-keys/${body.id}${path}`, body: {}, status, ...logged(action, SYSTEM) };
}
