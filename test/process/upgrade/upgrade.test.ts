/**
 * A data folder that version 0.1.0 wrote opens under this version and keeps all it holds. The fixture has what that
 * version wrote and its responses about it (make-fixture.ts). The tests do not depend on how this version stores
 * anything, except where they compare databases.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Client, type KeyResource, type KeyWithSecret } from '../client.ts';
import { eventually, Launcher, startServer, temporaryFolder } from '../server.ts';
import { readExpected, restoreFixture } from './fixture.ts';

const expected = readExpected();
const secretOf = (about: string) => {
  const found = expected.verifications.find((each) => each.about === about);
  if (found === undefined) throw new Error(`no key "${about}" in the fixture`);
  return found.secret;
};
const keyOf = (about: string) => {
  const id = expected.keys[about];
  if (id === undefined) throw new Error(`no key "${about}" in the fixture`);
  return id;
};
const callerOf = (about: string) => expected.callers[about] ?? '';
const responseTo = <T>(path: string): T => {
  const found = expected.answers.find((each) => each.path === path);
  if (found === undefined) throw new Error(`no response to ${path} in the fixture`);
  // The fixture is this repository's own file; each test states which shape it reads.
  return found.answer as T;
};

type Listed = { readonly data: readonly Readonly<Record<string, unknown>>[] };
type Encryption = { readonly signatures: Readonly<Record<string, number>> };

/** A response without the permissions that roles have been given since: keys with a role hold what it means now. */
function withOldRights<T>(response: T): T {
  const reviver = (name: string, member: unknown) =>
    name === 'permissions' && Array.isArray(member)
      ? member.filter((permission) => !/^(?:owners|plans|metrics):/.test(String(permission)))
      : member;
  return JSON.parse(JSON.stringify(response), reviver);
}

describe('a data folder of version 0.1.0', () => {
  const folder = temporaryFolder();
  let server: Launcher;
  let client: Client;

  beforeAll(async () => {
    restoreFixture(folder.path);
    server = await startServer(folder.path);
    client = new Client(server);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    folder[Symbol.dispose]();
  });

  const verify = (secret: string) => client.verify(secret);
  const codesOf = async (abouts: readonly string[]) =>
    Promise.all(abouts.map(async (about) => (await verify(secretOf(about))).code));

  test('the fixture is complete', () => {
    const audited = expected.answers.filter(({ path }) => path.includes('/audit'));
    const actions = new Set(audited.flatMap(({ path }) => responseTo<Listed>(path).data.map(({ action }) => action)));
    expect([...actions].sort()).toEqual([
      'cleanup.run',
      'encryption.reseal',
      'key.create',
      'key.delete',
      'key.reveal',
      'key.revoke',
      'key.revoke_owner',
      'key.rotate',
      'key.rotation_cancel',
      'key.rotation_complete',
      'key.update',
      'tenant.create',
      'tenant.delete',
      'tenant.update',
    ]);
    const keys = responseTo<Listed>('/tenants/acme/keys?limit=100').data;
    expect(new Set(keys.map(({ status }) => status)).size).toBe(6);
    expect(keys.filter(({ lastUsedAt }) => lastUsedAt !== null).length).toBeGreaterThan(20);
    const rotations = responseTo<Listed>('/tenants/acme/rotations?limit=100').data;
    expect(new Set(rotations.map(({ state }) => state)).size).toBe(3);
    expect(rotations.filter(({ successorFirstUsedAt }) => successorFirstUsedAt !== null).length).toBeGreaterThan(10);
    expect(new Set(expected.verifications.map(({ answer }) => answer.code))).toEqual(
      new Set(['VALID', 'REVOKED', 'EXPIRED', 'ROTATED', 'DISABLED', 'TENANT_DISABLED', 'NOT_FOUND']),
    );
  });

  /** Leaves out what overdue alarms change within moments of the start. Separate tests look at that. */
  const leaves = ({ tenantId }: Readonly<Record<string, unknown>>) => tenantId === 'leaving';
  test.for(expected.answers.map(({ path }) => path))('%s has the same response as before', async (path) => {
    const response = withOldRights(await client.get<Listed & Encryption>(path));
    if (path === '/management-keys?limit=100') {
      const before = responseTo<Listed>(path).data;
      expect(response.data).toHaveLength(before.length);
      expect(response.data.filter((key) => !leaves(key))).toMatchObject(before.filter((key) => !leaves(key)));
    } else if (path.endsWith('/cleanup')) {
      // Newest first.
      const before = responseTo<Listed>(path).data;
      expect(before.length === 0 ? [] : response.data.slice(-before.length)).toMatchObject(before);
    } else if (path === '/tenants/_system/audit?limit=100') {
      const before = responseTo<Listed>(path).data;
      expect(response.data.slice(-before.length)).toMatchObject(before);
    } else if (path === '/tenants/busy/encryption' || path === '/tenants/_system/encryption') {
      const { signatures: _living, ...before } = responseTo<Encryption>(path);
      expect(response).toMatchObject(before);
    } else {
      expect(response).toMatchObject(responseTo<object>(path));
    }
  });

  test('single keys read the same as in the list, and each has its own audit log', async () => {
    const key = responseTo<{ readonly data: readonly KeyResource[] }>('/tenants/acme/keys?limit=100').data.find(
      ({ id }) => id === keyOf('revoked'),
    );
    expect(await client.get(`/tenants/acme/keys/${key?.id}`)).toMatchObject({ ...key });
    const log = responseTo<Listed>('/tenants/acme/audit?limit=100').data;
    const ofKey = log.filter(({ keyId }) => keyId === key?.id);
    expect(ofKey).toHaveLength(2);
    expect(await client.audit(`acme`).then((all) => all.filter(({ keyId }) => keyId === key?.id))).toMatchObject(ofKey);
  });

  test.for(expected.verifications)('the key "$about" verifies as $answer.code', async ({ secret, answer }) => {
    const { owner = null } = answer;
    const now = owner === null ? answer : { ...answer, ownerMetadata: {} };
    expect(await verify(secret)).toEqual(now);
    // A second time, from a lease if there is one.
    expect(await verify(secret)).toEqual(now);
  });

  test.for(expected.replays)('$method $path gets the stored response', async (replay) => {
    const { method, path, idempotencyKey, body, status, answer } = replay;
    const headers = { 'Idempotency-Key': idempotencyKey };
    const again = await client.send(method, path, body ?? undefined, undefined, headers);
    expect(again.status).toBe(status);
    expect(withOldRights({ body: again.body })).toMatchObject({ body: answer });
    expect(again.headers.get('Idempotency-Replayed')).toBe('true');
    if (path !== '/tenants/acme/keys') return;
    const other = await client.send(method, path, { name: 'otherwise' }, undefined, headers);
    expect(other.body).toMatchObject({ code: 'idempotency_key_reused' });
  });

  test('owners of its keys have records, as old as their first keys', async () => {
    for (const tenant of ['acme', 'digest-only', 'suspended', 'empty', 'busy']) {
      const keys = responseTo<Listed>(`/tenants/${tenant}/keys?limit=100`).data.filter(({ owner }) => owner !== null);
      const firsts = new Map(keys.map(({ owner, createdAt }) => [String(owner), createdAt]));
      const owners = await client.all<{ readonly id: string }>(`/tenants/${tenant}/owners`);
      const wanted = [...firsts].map(([id, createdAt]) => ({ id, createdAt, name: null, enabled: true, version: 1 }));
      expect(owners.toSorted(byId)).toMatchObject(wanted.toSorted(byId));
      expect(owners).toHaveLength(firsts.size);
    }
  });

  test('an owner of its keys is stopped, and goes on', async () => {
    const [about, owner] = ['in grace', '/tenants/acme/owners/customer-3'];
    expect(await codesOf([about])).toEqual(['VALID']);
    await client.send('PATCH', owner, { enabled: false });
    expect(await codesOf([about])).toEqual(['OWNER_DISABLED']);
    await client.send('PATCH', owner, { enabled: true });
    expect(await codesOf([about])).toEqual(['VALID']);
  });

  test('the counts by status agree with the list', async () => {
    for (const tenant of ['acme', 'digest-only', 'suspended', 'empty', 'busy']) {
      const keys = responseTo<Listed>(`/tenants/${tenant}/keys?limit=100`).data;
      const counts = Object.groupBy(keys, ({ status }) => String(status));
      const none = { active: 0, rotating: 0, rotated: 0, disabled: 0, expired: 0, revoked: 0 };
      const numbers = Object.fromEntries(Object.entries(counts).map(([status, of]) => [status, of?.length ?? 0]));
      const counted = { ...none, ...numbers, total: keys.length };
      expect(await client.get(`/tenants/${tenant}/keys/counts`)).toMatchObject(counted);
    }
  });

  test('the alarm writes the pending revocation of an owner, and spares keys that came later', async () => {
    const living = async () => Object.values((await client.get<Encryption>('/tenants/busy/encryption')).signatures);
    await eventually('three keys are written down', 20_000, async () => {
      return (await living()).reduce((sum, n) => sum + n, 0) === 2;
    });
    const isRevoked = ({ status }: Readonly<Record<string, unknown>>) => status === 'revoked';
    const before = responseTo<Listed>('/tenants/busy/keys?limit=100').data.filter(isRevoked);
    expect(before).toHaveLength(3);
    const { data } = await client.get<Listed>('/tenants/busy/keys?limit=100');
    expect(data.filter(isRevoked)).toMatchObject(before);
    expect(await client.get('/tenants/busy/audit?limit=100')).toMatchObject(
      responseTo<object>('/tenants/busy/audit?limit=100'),
    );
    expect(await codesOf(['of the revoked owner 1', 'given to the revoked owner later', 'of another owner'])).toEqual([
      'REVOKED',
      'VALID',
      'VALID',
    ]);
  });

  test('the alarm finishes a deletion that was decided', async () => {
    // Nobody reads the tenant before that, because reading it would also finish the deletion.
    await eventually('its management key is revoked', 20_000, async () => {
      const { data } = await client.get<Listed>('/management-keys?limit=100');
      return data.find(leaves)?.status === 'revoked';
    });
    expect(await verify(callerOf('key that leaves'))).toMatchObject({ code: 'NOT_FOUND' });
    const caller = new Client({ url: server.url, adminToken: callerOf('of the tenant that leaves') });
    expect((await caller.send('GET', '/tenants')).status).toBe(401);
    await client.createTenant('leaving');
    expect(await verify(callerOf('key that leaves'))).toMatchObject({ code: 'NOT_FOUND' });
  });

  describe('management keys', () => {
    const as = (about: string) => new Client({ url: server.url, adminToken: callerOf(about) });
    const status = async (about: string, path: string) => (await as(about).send('GET', path)).status;

    test('that are confined to a tenant work there and nowhere else', async () => {
      for (const about of ['operator of acme', 'owner of acme']) {
        expect(await status(about, '/tenants/acme/keys')).toBe(200);
        expect(await status(about, '/tenants/busy/keys')).toBe(404);
        const listed = await as(about).get<Listed>('/tenants');
        expect(listed.data.map(({ id }) => id)).toEqual(['acme']);
      }
    });

    test('that are confined to a tenant manage its other keys, made before and after', async () => {
      const owner = as('owner of acme');
      const make = async (name: string) => {
        const made = { name, role: 'owner', tenantId: 'acme' };
        return (await owner.send<KeyWithSecret>('POST', '/management-keys', made)).body;
      };
      const [first, second] = [await make('made later 1'), await make('made later 2')];
      const newer = new Client({ url: server.url, adminToken: first.secret });
      for (const caller of [owner, newer]) {
        for (const limit of [1, 2, 3, 100]) {
          const listed = await caller.all<KeyResource>(`/management-keys?limit=${limit}`);
          expect(listed.map(({ name }) => name)).toEqual([
            'made later 2',
            'made later 1',
            'kept',
            'kept',
            'owner of acme',
            'operator of acme',
          ]);
          for (const { id } of listed) expect((await caller.send('GET', `/management-keys/${id}`)).status).toBe(200);
        }
        const strange = `/management-keys/${keyOf('of an earlier tenant of this id')}`;
        expect((await caller.send('GET', strange)).status).toBe(404);
        expect((await caller.send('POST', `${strange}/revoke`)).status).toBe(404);
      }
      expect((await owner.send('POST', `/management-keys/${second.id}/revoke`)).status).toBe(200);
      expect((await owner.send('POST', `/management-keys/${first.id}/rotate`)).status).toBe(201);
    });

    test('that were made before the tenant of their id open nothing', async () => {
      const about = 'of an earlier tenant of this id';
      expect(await status(about, '/tenants/reborn')).toBe(404);
      expect(await status(about, '/tenants/reborn/keys')).toBe(404);
      expect(await status(about, '/tenants/acme')).toBe(404);
      expect((await as(about).send('POST', '/tenants/reborn/keys', { name: 'x' })).status).toBe(404);
      const ofReborn = { name: 'of the second tenant', role: 'owner', tenantId: 'reborn' };
      const { body } = await client.send<KeyWithSecret>('POST', '/management-keys', ofReborn);
      const owner = new Client({ url: server.url, adminToken: body.secret });
      const seen = await owner.get<Listed>('/management-keys?limit=100');
      expect(seen.data.map(({ name }) => name)).toEqual(['of the second tenant']);
      expect((await owner.send('GET', `/management-keys/${keyOf(about)}`)).status).toBe(404);
    });

    test('without confinement work everywhere, also rotated ones in their grace, but not revoked ones', async () => {
      for (const tenant of ['acme', 'busy', 'reborn']) {
        expect(await status('admin', `/tenants/${tenant}/keys`)).toBe(200);
        expect(await status('reader of all', `/tenants/${tenant}/keys`)).toBe(200);
      }
      expect(await status('reader of all', '/tenants/acme/audit')).toBe(403);
      const key = secretOf('updated');
      for (const about of ['verifier', 'verifier, rotated']) {
        expect(await as(about).verify(key)).toMatchObject({ code: 'VALID' });
      }
      expect(await status('dismissed', '/tenants')).toBe(401);
    });
  });

  test('a lineage is revoked as a whole, also across keys deleted in its middle', async () => {
    const lineage = { lineage: true };
    const revoke = (about: string) => client.send('POST', `/tenants/acme/keys/${keyOf(about)}/revoke`, lineage);
    const others = [0, 1, 2, 3].map((n) => `chain ${n}`);
    const chain = [0, 1, 2, 3].map((n) => `chain to revoke ${n}`);
    await revoke('chain to revoke 3');
    expect(await codesOf(chain)).toEqual(['REVOKED', 'REVOKED', 'REVOKED', 'REVOKED']);
    await revoke('broken chain 0');
    expect(await codesOf(['broken chain 0', 'broken chain 2', 'broken chain 3'])).toEqual([
      'REVOKED',
      'REVOKED',
      'REVOKED',
    ]);
    await revoke('headless chain 2');
    expect(await codesOf(['headless chain 1', 'headless chain 2'])).toEqual(['REVOKED', 'REVOKED']);
    // After a cancelled rotation, the second one counts.
    await revoke('second successor');
    expect(await codesOf(['rotated again after a cancelled rotation', 'second successor'])).toEqual([
      'REVOKED',
      'REVOKED',
    ]);
    // A cancelled rotation leaves a key that continues by itself.
    await client.rotateKey('acme', keyOf('rotation cancelled'), { gracePeriodSeconds: 3600 });
    await revoke('rotation cancelled');
    expect(await codesOf(['rotation cancelled', 'chain without grace 3', ...others])).toEqual([
      'REVOKED',
      ...Array<string>(5).fill('VALID'),
    ]);
  });

  test('keys are created, changed, rotated and revoked as in a new tenant', async () => {
    const made = await client.createKey('acme', { owner: 'customer-1' });
    expect(made).toMatchObject({ prefix: 'acme_live', createdBy: { id: 'admin' } });
    const { key, rotated } = await client.rotateKey('acme', keyOf('updated'), { gracePeriodSeconds: 0 });
    expect(rotated).toMatchObject({ status: 'rotated' });
    expect(await verify(key.secret)).toMatchObject({ code: 'VALID', scopes: ['write'], metadata: { a: 1 } });
    expect(await verify(secretOf('updated'))).toMatchObject({ code: 'ROTATED' });
    // One that was in grace, and one at the end of a chain.
    const path = `/tenants/acme/keys/${keyOf('in grace')}/rotation/complete`;
    expect((await client.send('POST', path)).body).toMatchObject({ status: 'rotated' });
    const { key: next } = await client.rotateKey('acme', keyOf('chain 3'));
    await client.send('POST', `/tenants/acme/keys/${next.id}/revoke`, { lineage: true });
    expect(await codesOf(['chain 0', 'chain 3'])).toEqual(['REVOKED', 'REVOKED']);
    const revoked = await client.send('POST', '/tenants/acme/keys/revoke', { owner: 'customer-1' });
    expect(revoked.body).toMatchObject({ revoked: 2 });
    expect(await verify(made.secret)).toMatchObject({ code: 'REVOKED' });
    const reveal = await client.send<{ secret: string }>('POST', `/tenants/acme/keys/${keyOf('revealed')}/reveal`);
    expect(reveal.body.secret).toBe(secretOf('revealed'));
    for (let remaining = 1; remaining > 0; ) {
      const { body } = await client.send<{ remaining: number }>('POST', '/tenants/acme/encryption/reseal');
      remaining = body.remaining;
    }
    const again = await client.send<{ secret: string }>('POST', `/tenants/acme/keys/${keyOf('revealed')}/reveal`);
    expect(again.body.secret).toBe(secretOf('revealed'));
  });

  test('its databases end up like new ones', async () => {
    await client.createTenant('fresh');
    expect(await server.stop()).toBe(0);
    using other = temporaryFolder();
    await using fresh = await startServer(other.path);
    await new Client(fresh).createTenant('fresh');
    await fresh.stop();
    for (const kind of ['tenant', 'directory'] as const) {
      const [model] = databasesOf(other.path, kind).map(definitionsOf);
      expect(model?.length).toBeGreaterThan(10);
      const upgraded = databasesOf(folder.path, kind);
      expect(upgraded.length).toBeGreaterThan(kind === 'tenant' ? 8 : 0);
      for (const path of upgraded) expect(definitionsOf(path)).toEqual(model);
    }
    for (const path of databasesOf(folder.path, 'tenant')) expectConsistent(path);
  });
});

test('a database that a newer version wrote is refused in one clear line, and not changed', async () => {
  using folder = temporaryFolder();
  restoreFixture(folder.path);
  const newer = databasesOf(folder.path, 'tenant').find((path) => tenantIn(path) === 'empty') ?? '';
  write(newer, 'UPDATE schema_version SET version = 1000; ALTER TABLE keys ADD COLUMN later TEXT');
  const before = contentOf(newer);
  await using server = await startServer(folder.path);
  const client = new Client(server);
  const refused = await client.send('GET', '/tenants/empty');
  expect(refused).toMatchObject({ status: 503, body: { code: 'misconfigured' } });
  expect((await client.send('POST', '/tenants/empty/keys', { name: 'x' })).status).toBe(503);
  // Other tenants still work.
  expect(await client.verify(secretOf('updated'))).toMatchObject({ code: 'VALID' });
  await server.stop();
  const lines = `${server.stdout}${server.stderr}`.split('\n').filter((line) => line.includes('"database_is_newer"'));
  expect(JSON.parse(lines[0] ?? '{}')).toMatchObject({ level: 'error', schemaVersion: 1000 });
  expect(contentOf(newer)).toEqual(before);
});

test('a data folder that a newer version wrote is refused at the start, in one line', async () => {
  using folder = temporaryFolder();
  restoreFixture(folder.path);
  const [directory = ''] = databasesOf(folder.path, 'directory');
  write(directory, 'UPDATE schema_version SET version = 1000');
  const before = contentOf(directory);
  await using launcher = new Launcher(folder.path, { LOG_LEVEL: 'silent' });
  expect(await launcher.exit()).toBe(1);
  const said = launcher.stderr.split('\n').filter((line) => line.startsWith('keystead: '));
  expect(said).toEqual(['keystead: The database was written by a newer version of Keystead than this one']);
  expect(contentOf(directory)).toEqual(before);
});

/** Enough that migrating the database takes a while, during which its journal grows. */
const MANY_KEYS = 60_000;
/** More than any other commit writes, and a small part of what the migration writes. */
const MIGRATION_JOURNAL_BYTES = 1_000_000;
const KILLS_MAX = 5;

test('a server killed during a migration leaves the old database, and migrates at its restart', async () => {
  for (let kill = 1; ; kill++) {
    using folder = temporaryFolder();
    restoreFixture(folder.path);
    const large = databasesOf(folder.path, 'tenant').find((path) => tenantIn(path) === 'acme') ?? '';
    multiplyKeys(large, MANY_KEYS);
    {
      // An overdue alarm wakes the tenant at the start.
      await using server = new Launcher(folder.path);
      const journalBytes = () => statSync(`${large}-wal`, { throwIfNoEntry: false })?.size ?? 0;
      await eventually('the journal grows', 90_000, () => journalBytes() > MIGRATION_JOURNAL_BYTES);
      await server.killGroup();
    }
    // On a busy machine the kill may have come too late.
    if (versionOf(large) !== 1 && kill < KILLS_MAX) continue;
    expect(versionOf(large)).toBe(1);
    expect(columnsOf(large)).not.toContain('lineage');

    await using server = await startServer(folder.path);
    const client = new Client(server);
    for (const { about, secret, answer } of expected.verifications) {
      expect([about, (await client.verify(secret)).code]).toEqual([about, answer.code]);
    }
    const { total } = await client.get<{ total: number }>('/tenants/acme/keys/counts');
    expect(total).toBe(MANY_KEYS + responseTo<Listed>('/tenants/acme/keys?limit=100').data.length);
    await server.stop();
    expect(versionOf(large)).toBeGreaterThan(1);
    expectConsistent(large);
    return;
  }
});

const byId = (a: { readonly id: string }, b: { readonly id: string }) => (a.id < b.id ? -1 : 1);

// ---- databases, after their server has stopped ----

function databasesOf(dataDir: string, kind: 'tenant' | 'directory'): string[] {
  const path = join(dataDir, 'objects', `keystead-${kind}`);
  return readdirSync(path)
    .filter((file) => file.endsWith('.sqlite') && file !== 'metadata.sqlite')
    .map((file) => join(path, file))
    .filter((file) => kind === 'directory' || tenantIn(file) !== null);
}

function rows(path: string, sql: string): Record<string, unknown>[] {
  const db = new DatabaseSync(path);
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
}

function write(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

/** Returns the id of the tenant in a database, null in the one of a deleted tenant. */
function tenantIn(path: string): string | null {
  const has = rows(path, "SELECT 1 FROM sqlite_master WHERE name = 'tenant'").length > 0;
  return has ? String(rows(path, 'SELECT id FROM tenant')[0]?.id) : null;
}

const versionOf = (path: string) => Number(rows(path, 'SELECT version FROM schema_version')[0]?.version);
const columnsOf = (path: string) => rows(path, "SELECT name FROM pragma_table_info('keys')").map(({ name }) => name);
/** The program's tables, without the platform's own. */
const definitionsOf = (path: string) =>
  rows(
    path,
    "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\' ORDER BY name",
  );

/** All rows of all of the program's tables. */
function contentOf(path: string): unknown {
  const tables = rows(
    path,
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
  );
  return tables.map(({ name }) => [name, rows(path, `SELECT * FROM ${name}`)]);
}

/** The stored counts agree with the keys, and the owners of customers' keys have records. */
function expectConsistent(path: string): void {
  expect(rows(path, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
  const counts: Readonly<Record<string, number>> = JSON.parse(
    String(rows(path, 'SELECT counts FROM key_counts')[0]?.counts),
  );
  const statuses = ['active', 'rotating', 'rotated', 'disabled', 'expired', 'revoked'];
  const counted = statuses.map((status, number) => [status, counts[`status/${number}`] ?? 0]);
  const found = rows(path, 'SELECT status, count(*) AS n FROM keys GROUP BY status');
  expect(counted.filter(([, n]) => n !== 0).sort()).toEqual(found.map(({ status, n }) => [status, n]).sort());
  expect(rows(path, 'SELECT count(*) AS n FROM keys')).toEqual([{ n: counts['keys/0'] ?? 0 }]);
  expect(rows(path, 'SELECT * FROM owners_filled')).toEqual([]);
  const owners = rows(path, 'SELECT DISTINCT owner FROM keys WHERE owner IS NOT NULL ORDER BY owner');
  const recorded = rows(path, 'SELECT id AS owner FROM owners ORDER BY id');
  expect(recorded).toEqual(tenantIn(path) === '_system' ? [] : owners);
}

/** Gives the tenant this many more keys, in one lineage, all of which a migration must rewrite. */
function multiplyKeys(path: string, count: number): void {
  const columns = columnsOf(path).map(String);
  const values = columns.map((name) =>
    name === 'seq'
      ? 'k.seq + n.value'
      : name === 'id'
        ? "printf('key_%017d', n.value)"
        : name === 'replaces'
          ? "printf('key_%017d', n.value - 1)"
          : name,
  );
  write(
    path,
    `BEGIN;
     WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < ${count})
       INSERT INTO keys (${columns}) SELECT ${values} FROM n, (SELECT * FROM keys ORDER BY seq DESC LIMIT 1) AS k;
     UPDATE counts SET n = n + ${count} WHERE kind = 'keys';
     COMMIT;
     PRAGMA wal_checkpoint(TRUNCATE)`,
  );
}
