import { env, exports } from 'cloudflare:workers';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { SYSTEM_TENANT_ID } from '../../domain/tenants/locator.ts';
import { directoryStub } from '../../durable-objects/bindings.ts';
import { operations } from '../../src/api/all-operations.ts';
import { managementKeyWithSecret } from '../../src/api/management-keys/schemas.ts';
import { api, createKey, createTenant, revokeKey, rotateKey } from '../support/api.ts';
import { describedBody } from '../support/described.ts';
import { sqlIn } from '../support/objects.ts';
import { TEST_SECRETS } from '../support/test-secrets.ts';
import { HOSTILE_ROUTES, runHostileOn, type Tally, type Target, type Victims } from './hostile.ts';

/** Requests of this suite over all routes. A campaign sends more, from other seeds. */
const REQUESTS = 300;
/** Fixed, so that the suite sends the same requests each time. */
const SEED = 20_261_122;

let made = 0;

async function prepare(): Promise<Victims> {
  made += 1;
  const tenant = `victim-${made}`;
  await createTenant(tenant);
  for (const id of ['p', 'used']) await api('POST', `/tenants/${tenant}/plans`, { id });
  await createKey(tenant, { plan: 'used', rateLimits: [{ name: 'calls', limit: 1, windowSeconds: 60 }] });
  const [plain, rotating] = [await createKey(tenant, { owner: 'o' }), await createKey(tenant)];
  const revoked = await createKey(tenant, { owner: 'ended' });
  await rotateKey(tenant, rotating.id);
  await revokeKey(tenant, revoked.id);
  const { body } = await api('POST', '/management-keys', { name: 'm', role: 'verifier', tenantId: tenant });
  const management = v.parse(managementKeyWithSecret, body);
  return {
    ...{ tenant, key: plain.id, rotating: rotating.id, revoked: revoked.id, secret: plain.secret },
    ...{ managementKey: management.id, managementSecret: management.secret },
  };
}

/** Every row of the victim's database, of the management keys' database and of the directory. */
async function snapshot({ tenant }: Victims): Promise<string> {
  const directory = directoryStub(env);
  const [listed, audit] = [
    await directory.list(null, 10_000),
    await directory.listAudit({ filter: {}, limit: 10_000, after: null }),
  ];
  return JSON.stringify([await rowsOf(tenant), await rowsOf(SYSTEM_TENANT_ID), listed, audit]);
}

/**
 * Some writes do not count as changes: the time of a key's last use, usage, the record of a refused reveal, the
 * response kept for an `Idempotency-Key` (a refusal is a response too), and whether leases are out.
 */
async function rowsOf(tenant: string): Promise<unknown> {
  const tables = await sqlIn(
    tenant,
    `SELECT name FROM sqlite_master
      WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT IN ('idempotency', 'results')
        AND name NOT LIKE 'usage\\_%' ESCAPE '\\'`,
  );
  const rows = tables.map(({ name }) =>
    name === 'keys'
      ? sqlIn(tenant, 'SELECT *, NULL AS last_used_at, hex(digest) AS digest, hex(envelope) AS envelope FROM keys')
      : name === 'audit'
        ? sqlIn(tenant, "SELECT * FROM audit WHERE action <> 'key.reveal'")
        : name === 'tenant'
          ? sqlIn(tenant, 'SELECT *, NULL AS leases_out FROM tenant')
          : name === 'rotations'
            ? sqlIn(tenant, 'SELECT *, NULL AS successor_first_used_at FROM rotations')
            : sqlIn(tenant, `SELECT * FROM ${name}`),
  );
  return Promise.all(rows);
}

const target: Target = {
  origin: 'http://keystead.test',
  adminToken: TEST_SECRETS.ADMIN_TOKEN,
  secrets: [TEST_SECRETS.ENCRYPTION_KEY, TEST_SECRETS.HMAC_SECRET].map((entry) => entry.slice(2)),
  send: async (request) => {
    const { method, url } = request;
    const response = await exports.default.fetch(request);
    await describedBody(method, url.slice(url.indexOf('/', 'http://'.length)), response.clone());
    return response;
  },
  prepare,
  snapshot,
};

describe('hostile requests', () => {
  const tally: Tally = new Map();

  it('exist for every route', () => {
    const names = (list: readonly { method: string; path: string }[]) =>
      list.map(({ method, path }) => `${method} ${path}`).sort();
    expect(names(HOSTILE_ROUTES)).toEqual(names(operations));
  });

  it.each(operations.map((route, index) => [`${route.method} ${route.path}`, route, index] as const))(
    'get no 5xx and no secret, and change no row when they are refused: %s',
    async (_name, route, index) => {
      // A separate seed for each route, because with the same seed all routes would get the same headers.
      const seed = SEED + index;
      await runHostileOn(route, target, { requests: Math.ceil(REQUESTS / operations.length), seed, tally });
    },
    60_000,
  );

  it('have received every kind of response', () => {
    expect([...tally.keys()]).toEqual(
      expect.arrayContaining([200, 201, 204, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422]),
    );
  });
});
