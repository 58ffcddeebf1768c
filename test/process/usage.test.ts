/** What becomes of usage on a real server: an eviction by the platform, a stop, and a crash. */
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { range } from './campaign.ts';
import { Client } from './client.ts';
import { eventually, startServer, temporaryFolder } from './server.ts';

type Usage = { readonly data: readonly { readonly verifications: number; readonly units: number }[] };

/**
 * What an isolate has counted is reported within 10 s and a lease, and what the object knows is written when it has
 * been quiet for 3 s.
 */
const LEASE_SECONDS = 5;
const WRITTEN_AFTER_MS = 10_000 + LEASE_SECONDS * 1000 + 3000;
const SLACK_MS = 1500;
const TIMES = 20;

async function counted(client: Client, tenant: string): Promise<readonly [number, number]> {
  const { data } = await client.get<Usage>(`/tenants/${tenant}/usage?interval=month`);
  return [data.reduce((n, row) => n + row.verifications, 0), data.reduce((n, row) => n + row.units, 0)];
}

const journals = (dataDir: string) =>
  readdirSync(dataDir, { recursive: true, encoding: 'utf8' }).filter(
    (file) => /keystead-tenant.*-wal$/.test(file) && !file.includes('metadata'),
  );

type Verified = { readonly code: string };
const verifyFor2 = (client: Client, key: string) => client.send<Verified>('POST', '/keys/verify', { key, cost: 2 });

/** A tenant with leases and one without, and a key of each that was verified many times. */
async function verifiedOften(client: Client): Promise<readonly string[]> {
  const tenants = { leased: LEASE_SECONDS, strict: 0 };
  for (const [tenant, leaseSeconds] of Object.entries(tenants)) {
    await client.createTenant(tenant, { leaseSeconds });
    const { secret } = await client.createKey(tenant);
    for (const _ of range(TIMES)) expect((await verifyFor2(client, secret)).body.code).toBe('VALID');
  }
  return Object.keys(tenants);
}

// Concurrent, because these tests do little but wait.
describe.concurrent('usage', () => {
  test('is complete after the platform has evicted the object, under leases and without', async () => {
    using folder = temporaryFolder();
    await using server = await startServer(folder.path);
    const client = new Client(server);
    const tenants = await verifiedOften(client);
    await sleep(WRITTEN_AFTER_MS);
    await eventually('all objects of tenants are evicted', 40_000, () => journals(server.dataDir).length === 0);
    for (const tenant of tenants) expect(await counted(client, tenant), tenant).toEqual([TIMES, 2 * TIMES]);
  });

  test('is there after a crash, once it was written', async () => {
    using folder = temporaryFolder();
    const tenants = await (async () => {
      await using server = await startServer(folder.path);
      const of = await verifiedOften(new Client(server));
      await sleep(WRITTEN_AFTER_MS + SLACK_MS);
      await server.killGroup();
      return of;
    })();
    await using server = await startServer(folder.path);
    for (const tenant of tenants) {
      expect(await counted(new Client(server), tenant), tenant).toEqual([TIMES, 2 * TIMES]);
    }
  });

  test('that is still to be reported does not hold up a stop', async () => {
    using folder = temporaryFolder();
    await using server = await startServer(folder.path);
    await verifiedOften(new Client(server));
    const startedAt = performance.now();
    expect(await server.stop()).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(4000);
  });
});
