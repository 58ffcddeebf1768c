/**
 * Every route with every kind of caller. The expectations are written down here, one decision for each route. A route
 * that is added without a decision fails the first test.
 */
import { env } from 'cloudflare:workers';
import * as v from 'valibot';
import { beforeAll, describe, expect, it } from 'vitest';
import { operations } from '../../src/api/all-operations.ts';
import type { Operation } from '../../src/api/operation.ts';
import { PERMISSIONS, type Permission, ROLES, type Role } from '../../src/auth/principal.ts';
import { api, createKey, createTenant } from '../support/api.ts';

/**
 * Who may use a route: the permission it needs, and whether a caller confined to one tenant may use it, where the
 * path's tenant does not decide that.
 */
const DECISIONS: Readonly<Record<string, { permission: Permission; confined?: 'allowed' | 'refused' }>> = {
  'POST /v1/keys/verify': { permission: 'keys:verify', confined: 'allowed' },
  'POST /v1/leases/renew': { permission: 'keys:verify', confined: 'allowed' },
  'GET /v1/authorize': { permission: 'keys:verify', confined: 'allowed' },
  'GET /v1/authorize/:path+': { permission: 'keys:verify', confined: 'allowed' },
  'POST /v1/tenants': { permission: 'tenants:write', confined: 'refused' },
  'GET /v1/tenants': { permission: 'tenants:read', confined: 'allowed' },
  'GET /v1/tenants/:tenantId': { permission: 'tenants:read' },
  'PATCH /v1/tenants/:tenantId': { permission: 'tenants:write' },
  'DELETE /v1/tenants/:tenantId': { permission: 'tenants:write', confined: 'refused' },
  'POST /v1/tenants/:tenantId/keys': { permission: 'keys:create' },
  'GET /v1/tenants/:tenantId/keys': { permission: 'keys:read' },
  'GET /v1/tenants/:tenantId/keys/counts': { permission: 'keys:read' },
  'POST /v1/tenants/:tenantId/keys/bulk': { permission: 'keys:create' },
  'POST /v1/tenants/:tenantId/keys/import': { permission: 'keys:create' },
  'POST /v1/tenants/:tenantId/keys/revoke': { permission: 'keys:revoke' },
  'GET /v1/tenants/:tenantId/keys/:keyId': { permission: 'keys:read' },
  'PATCH /v1/tenants/:tenantId/keys/:keyId': { permission: 'keys:update' },
  'DELETE /v1/tenants/:tenantId/keys/:keyId': { permission: 'keys:delete' },
  'POST /v1/tenants/:tenantId/keys/:keyId/rotate': { permission: 'keys:rotate' },
  'POST /v1/tenants/:tenantId/keys/:keyId/revoke': { permission: 'keys:revoke' },
  'POST /v1/tenants/:tenantId/keys/:keyId/reveal': { permission: 'keys:reveal' },
  'POST /v1/tenants/:tenantId/keys/:keyId/rotation/complete': { permission: 'keys:rotate' },
  'POST /v1/tenants/:tenantId/keys/:keyId/rotation/cancel': { permission: 'keys:rotate' },
  'POST /v1/tenants/:tenantId/keys/:keyId/credits': { permission: 'keys:update' },
  'POST /v1/tenants/:tenantId/owners/:ownerId/credits': { permission: 'owners:write' },
  'POST /v1/tenants/:tenantId/limits/check': { permission: 'keys:verify' },
  'GET /v1/tenants/:tenantId/rotations': { permission: 'keys:read' },
  'POST /v1/tenants/:tenantId/owners': { permission: 'owners:write' },
  'GET /v1/tenants/:tenantId/owners': { permission: 'owners:read' },
  'GET /v1/tenants/:tenantId/owners/:ownerId': { permission: 'owners:read' },
  'PATCH /v1/tenants/:tenantId/owners/:ownerId': { permission: 'owners:write' },
  'DELETE /v1/tenants/:tenantId/owners/:ownerId': { permission: 'owners:write' },
  'POST /v1/tenants/:tenantId/plans': { permission: 'plans:write' },
  'GET /v1/tenants/:tenantId/plans': { permission: 'plans:read' },
  'GET /v1/tenants/:tenantId/plans/:planId': { permission: 'plans:read' },
  'PATCH /v1/tenants/:tenantId/plans/:planId': { permission: 'plans:write' },
  'DELETE /v1/tenants/:tenantId/plans/:planId': { permission: 'plans:write' },
  'GET /v1/tenants/:tenantId/encryption': { permission: 'maintenance:read' },
  'POST /v1/tenants/:tenantId/encryption/reseal': { permission: 'maintenance:run' },
  'GET /v1/tenants/:tenantId/audit': { permission: 'audit:read' },
  'GET /v1/tenants/:tenantId/cleanup': { permission: 'maintenance:read' },
  'POST /v1/tenants/:tenantId/cleanup': { permission: 'maintenance:run' },
  'GET /v1/tenants/:tenantId/usage': { permission: 'usage:read' },
  'GET /metrics': { permission: 'metrics:read', confined: 'refused' },
  'GET /v1/audit': { permission: 'audit:read', confined: 'refused' },
  'POST /v1/management-keys': { permission: 'management:write', confined: 'allowed' },
  'GET /v1/management-keys': { permission: 'management:read', confined: 'allowed' },
  'GET /v1/management-keys/:keyId': { permission: 'management:read', confined: 'allowed' },
  'POST /v1/management-keys/:keyId/rotate': { permission: 'management:write', confined: 'allowed' },
  'POST /v1/management-keys/:keyId/revoke': { permission: 'management:write', confined: 'allowed' },
};

const nameOf = (route: { method: string; path: string }) => `${route.method} ${route.path}`;
/** An id of the right form that no key has. An authorised caller gets a 404, and nothing changes. */
const NO_KEY = `key_${'0'.repeat(17)}`;
const TENANT = 'table';
const OTHER = 'table-other';

const madeKey = v.object({ id: v.string(), secret: v.string() });

async function managementKey(input: object): Promise<string> {
  const { status, body } = await api('POST', '/management-keys', { name: 'caller', ...input });
  expect(status, JSON.stringify(body)).toBe(201);
  return v.parse(madeKey, body).secret;
}

type Caller = {
  readonly token: string | null;
  readonly permissions: readonly Permission[];
  readonly tenantId?: string;
};
const callers = new Map<string, Caller>();
const nobodies = new Map<string, string | null>();

beforeAll(async () => {
  for (const tenant of [TENANT, OTHER]) await createTenant(tenant);
  callers.set('ADMIN_TOKEN', { token: env.ADMIN_TOKEN ?? '', permissions: PERMISSIONS });
  for (const role of Object.keys(ROLES) as Role[]) {
    callers.set(role, { token: await managementKey({ role }), permissions: ROLES[role] });
    const confined = await managementKey({ role, tenantId: TENANT });
    callers.set(`${role} of this tenant`, { token: confined, permissions: ROLES[role], tenantId: TENANT });
    const elsewhere = await managementKey({ role, tenantId: OTHER });
    callers.set(`${role} of another tenant`, { token: elsewhere, permissions: ROLES[role], tenantId: OTHER });
  }
  for (const permission of PERMISSIONS) {
    callers.set(`only ${permission}`, {
      token: await managementKey({ permissions: [permission] }),
      permissions: [permission],
    });
  }
  nobodies.set('none', null);
  nobodies.set('garbage', 'garbage');
  nobodies.set('a key of a tenant', (await createKey(TENANT)).secret);
  const owner = await managementKey({ role: 'owner' });
  nobodies.set('an altered management key', `${owner.slice(0, -1)}${owner.endsWith('0') ? '1' : '0'}`);
  const revoked = v.parse(madeKey, (await api('POST', '/management-keys', { name: 'r', role: 'owner' })).body);
  await api('POST', `/management-keys/${revoked.id}/revoke`);
  nobodies.set('a revoked management key', revoked.secret);
  const rotated = v.parse(madeKey, (await api('POST', '/management-keys', { name: 'r', role: 'owner' })).body);
  await api('POST', `/management-keys/${rotated.id}/rotate`, { gracePeriodSeconds: 0 });
  nobodies.set('a management key rotated out', rotated.secret);
  const soon = new Date(Date.now() + 1000).toISOString();
  nobodies.set('an expired management key', await managementKey({ role: 'owner', expiresAt: soon }));
  await scheduler.wait(1100);
});

/**
 * Sends a request. Where the route takes a body, the body is invalid on purpose, so that an authorised caller changes
 * nothing.
 */
async function ask(route: Pick<Operation, 'method' | 'path' | 'sender'>, token: string | null) {
  if (route.sender === 'gateway') return askAsGateway(route, token);
  const path = route.path
    .replace('/v1', '')
    .replace(':tenantId', TENANT)
    .replace(':keyId', NO_KEY)
    .replace(':ownerId', 'nobody')
    .replace(':planId', 'none');
  const body = route.method === 'GET' ? undefined : { wrong: true };
  const {
    status,
    body: received,
    headers,
  } = await api(route.method, path, body, {
    Authorization: token === null ? '' : `Bearer ${token}`,
  });
  // A success may be a text.
  const problem = status < 400 ? {} : received;
  const { code = '' } = v.parse(v.object({ code: v.optional(v.string()) }), problem ?? {});
  return { status, code, headers };
}

/**
 * The same for a gateway, in the terms of the others: the status is what the caller would be told. The customer's
 * request has no key, so that an authorised gateway is told that it is refused.
 */
async function askAsGateway({ method, path }: Pick<Operation, 'method' | 'path'>, token: string | null) {
  const { status, body, headers } = await api(method, `${path.replace('/v1', '')}?scopes=`, undefined, {
    Authorization: '',
    'X-Keystead-Token': token ?? '',
    'X-Keystead-Query': 'scopes=',
  });
  const { code, detail } = v.parse(v.object({ code: v.string(), detail: v.string() }), body);
  if (code === 'key_missing') return { status: 200, code: '', headers };
  expect([status, code]).toEqual([503, 'gateway_misconfigured']);
  return detail.includes('not valid')
    ? { status: 401, code: 'unauthenticated', headers: new Headers({ 'WWW-Authenticate': 'Bearer' }) }
    : { status: 403, code: 'forbidden', headers };
}

describe('every route', () => {
  it('has a decision about who may use it, which the code follows', () => {
    expect(operations.map(nameOf).sort()).toEqual(Object.keys(DECISIONS).sort());
    for (const route of operations) expect(route.permission, nameOf(route)).toBe(DECISIONS[nameOf(route)]?.permission);
  });

  for (const route of operations) {
    if (nameOf(route) === 'DELETE /v1/tenants/:tenantId') continue;
    it(`${nameOf(route)} admits exactly the callers it should`, async () => {
      for (const [name, token] of nobodies) {
        const response = await ask(route, token);
        expect([response.status, response.code], name).toEqual([401, 'unauthenticated']);
        expect(response.headers.get('WWW-Authenticate'), name).toContain('Bearer');
      }
      const { permission, confined } = DECISIONS[nameOf(route)] ?? { permission: 'keys:read', confined: undefined };
      for (const [name, caller] of callers) {
        const response = await ask(route, caller.token);
        const isElsewhere = confined === undefined && caller.tenantId === OTHER;
        if (isElsewhere) expect([response.status, response.code], name).toEqual([404, 'tenant_not_found']);
        else if (!caller.permissions.includes(permission))
          expect([response.status, response.code], name).toEqual([403, 'forbidden']);
        else if (confined === 'refused' && caller.tenantId !== undefined) {
          expect([response.status, response.code], name).toEqual([403, 'forbidden']);
        } else expect([401, 403], `${name}: ${response.status} ${response.code}`).not.toContain(response.status);
      }
    });
  }

  it('DELETE /v1/tenants/:tenantId admits exactly the callers it should', async () => {
    for (const [name, token] of nobodies) {
      expect((await api('DELETE', '/tenants/none', undefined, { Authorization: `Bearer ${token}` })).status, name).toBe(
        401,
      );
    }
    for (const [name, caller] of callers) {
      const { status } = await api('DELETE', '/tenants/no-such', undefined, {
        Authorization: `Bearer ${caller.token}`,
      });
      const reaches = caller.tenantId === undefined && !caller.permissions.includes('tenants:write');
      expect(status, name).toBe(reaches ? 403 : 404);
    }
  });
});
