import { env, exports } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { directoryStub } from '../../durable-objects/bindings.ts';
import { routes } from '../../src/routes/index.ts';
import { TEST_SECRETS } from '../secrets.ts';
import { createKey, createTenant, revokeKey, rotateKey } from '../support/api.ts';
import { sqlIn } from '../support/objects.ts';
import { runHostileOn, type Tally, type Target, type Victims } from './hostile.ts';

/** Requests of this suite over all routes. A soak sends more, from other seeds. */
const REQUESTS = 300;
/** Fixed, so that the suite asks the same each time. */
const SEED = 20_261_122;

let made = 0;

async function prepare(): Promise<Victims> {
  made += 1;
  const tenant = `victim-${made}`;
  await createTenant(tenant);
  const [plain, rotating, revoked] = [await createKey(tenant), await createKey(tenant), await createKey(tenant)];
  await rotateKey(tenant, rotating.id);
  await revokeKey(tenant, revoked.id);
  return { tenant, key: plain.id, rotating: rotating.id, revoked: revoked.id, secret: plain.secret };
}

/** Every row of the victim's database and of the directory. A use of a key is noted aside from the row's own changes; an attempt to reveal one is recorded though refused. */
async function snapshot({ tenant }: Victims): Promise<string> {
  const tables = await sqlIn(
    tenant,
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'",
  );
  const rows = await Promise.all(
    tables.map(({ name }) =>
      name === 'keys'
        ? sqlIn(tenant, 'SELECT *, NULL AS last_used_at, hex(digest) AS digest, hex(envelope) AS envelope FROM keys')
        : name === 'audit'
          ? sqlIn(tenant, "SELECT * FROM audit WHERE action <> 'key.reveal'")
          : sqlIn(tenant, `SELECT * FROM ${name}`),
    ),
  );
  const directory = directoryStub(env);
  const [listed, audit] = [
    await directory.list(null, 10_000),
    await directory.listAudit({ filter: {}, limit: 10_000, after: null }),
  ];
  return JSON.stringify([tables, rows, listed, audit]);
}

const target: Target = {
  adminToken: TEST_SECRETS.ADMIN_TOKEN,
  secrets: [TEST_SECRETS.ENCRYPTION_KEY, TEST_SECRETS.HMAC_SECRET].map((entry) => entry.slice(2)),
  send: (request) => exports.default.fetch(request),
  prepare,
  snapshot,
};

describe('hostile requests', () => {
  const tally: Tally = new Map();

  it.each(routes.map((route) => [`${route.method} ${route.path}`, route] as const))(
    'get no 5xx, no secret, and, refused, change no row: %s',
    async (_name, route) => {
      await runHostileOn(route, target, { requests: Math.ceil(REQUESTS / routes.length), seed: SEED, tally });
    },
    60_000,
  );

  it('have got through to every kind of answer', () => {
    expect([...tally.keys()]).toEqual(expect.arrayContaining([200, 201, 204, 400, 401, 404, 405, 409, 413, 415, 422]));
  });
});
