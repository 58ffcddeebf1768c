/** What survives a crash: everything that was acknowledged, nothing incomplete, and alarms that still run. */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Client } from './client.ts';
import { databases } from './hostile/rows.ts';
import { kill9 } from './kill9/campaign.ts';
import { checkTenant, type Questions } from './kill9/check.ts';
import { TenantTraffic } from './kill9/traffic.ts';
import { eventually, startServer, temporaryFolder } from './server.ts';

/** `npm run soak -- kill9 <rounds>` runs more. */
const ROUNDS = 3;

test('a server killed during concurrent writes loses no acknowledged change and keeps no incomplete one', async () => {
  const report = await kill9(ROUNDS);
  expect(report.rounds).toBe(ROUNDS);
  // Some writes must have been interrupted, or the campaign has shown nothing.
  expect(report.acknowledged).toBeGreaterThan(10 * ROUNDS);
  expect(report.unanswered).toBeGreaterThan(0);
});

test('the check that follows a kill finds the faults that it looks for', async () => {
  using folder = temporaryFolder();
  await using server = await startServer(folder.path);
  const client = new Client(server);
  const { id } = await client.createTenant('acme');
  const traffic = new TenantTraffic(id, client);
  const running = traffic.run();
  await eventually('a key was rotated', 30_000, async () =>
    (await client.keys(id)).some(({ rotation }) => rotation.replacedBy !== null),
  );
  await server.stop();
  await running;

  await using restarted = await startServer(folder.path);
  const honest = new Client(restarted);
  await checkTenant(honest, traffic);
  const [keys, audit] = await Promise.all([honest.keys(id), honest.audit(id)]);
  const rotated = keys.find(({ rotation }) => rotation.replacedBy !== null);
  const lie = (answers: Partial<Questions>) =>
    checkTenant(
      { keys: async () => keys, audit: async () => audit, verify: (key) => honest.verify(key), ...answers },
      traffic,
    );

  await expect(lie({})).resolves.toBeDefined();
  await expect(lie({ audit: async () => audit.slice(1) })).rejects.toThrow('is lost');
  await expect(lie({ audit: async () => audit.flatMap((entry) => [entry, entry]) })).rejects.toThrow('2 audit entries');
  await expect(lie({ keys: async () => keys.slice(1) })).rejects.toThrow('are in the log');
  await expect(lie({ verify: async () => ({ valid: false, code: 'NOT_FOUND' }) })).rejects.toThrow(
    'verifies as NOT_FOUND',
  );
  const half = { replaces: null, replacedBy: null, graceEndsAt: null };
  const unrotated = keys.map((key) => (key === rotated ? { ...key, rotation: half } : key));
  await expect(lie({ keys: async () => unrotated })).rejects.toThrow('half rotation');
  const older = keys.map((key) => (key === rotated ? { ...key, version: key.version - 1 } : key));
  await expect(lie({ keys: async () => older })).rejects.toThrow('last logged change');
});

test('an alarm that was due while the server was down runs after the restart, without any request', async () => {
  using folder = temporaryFolder();
  let expiresAt = 0;
  {
    await using server = await startServer(folder.path);
    const client = new Client(server);
    await client.createTenant('acme');
    expiresAt = Date.now() + 3_000;
    await client.createKey('acme', { expiresAt: new Date(expiresAt).toISOString() });
    await server.killGroup();
  }
  await sleep(Math.max(0, expiresAt + 200 - Date.now()));
  const restartedAt = Date.now();
  await using server = await startServer(folder.path);
  // Read from the database file, because a request would wake the object.
  const [path = ''] = databases(folder.path, 'keystead-tenant');
  await eventually('the alarm has run', 30_000, () => {
    using database = new DatabaseSync(path, { readOnly: true });
    return database.prepare('SELECT 1 FROM cleanups').get() !== undefined;
  });
  const firstRequestAt = Date.now();
  const { data } = await new Client(server).cleanups('acme');
  expect(data).toMatchObject([{ trigger: 'alarm', expired: 1 }]);
  const startedAt = Date.parse(data[0]?.startedAt ?? '');
  expect(startedAt).toBeGreaterThanOrEqual(restartedAt);
  expect(startedAt).toBeLessThanOrEqual(firstRequestAt);
});
