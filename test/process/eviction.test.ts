/**
 * What the platform's own eviction leaves: it takes an object that nobody asks for about ten seconds from memory, without a crash and without a call. These
 * tests wait for that, and for nothing else.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Client } from './client.ts';
import { eventually, startServer, temporaryFolder } from './server.ts';

type Used = { readonly lastUsedAt: string | null };
type Rotations = { readonly data: readonly { readonly successorFirstUsedAt: string | null }[] };

/** Journals of open databases, by the databases that they belong to: an object in memory has one. */
function journals(dataDir: string): string[] {
  const folders = readdirSync(dataDir, { recursive: true, withFileTypes: true });
  return folders.filter(({ name }) => name.endsWith('-wal')).map(({ parentPath, name }) => join(parentPath, name));
}

const isEvicted = (dataDir: string) => journals(dataDir).every((path) => !path.includes('keystead-tenant'));

/** How long a request took (ms). */
async function duration(request: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await request();
  return performance.now() - startedAt;
}

describe('an object that the platform took from memory', () => {
  test('has kept every use, and knows that no lease is out', async () => {
    using folder = temporaryFolder();
    await using server = await startServer(folder.path);
    const client = new Client(server);
    const tenants = ['leased', 'strict', 'long'];
    await client.createTenant('leased', { leaseSeconds: 1 });
    await client.createTenant('strict', { leaseSeconds: 0 });
    await client.createTenant('long', { leaseSeconds: 10 });
    const used = await Promise.all(
      tenants.map(async (tenant) => {
        const old = await client.createKey(tenant);
        const { key } = await client.rotateKey(tenant, old.id);
        expect((await client.verify(key.secret)).code).toBe('VALID');
        return { tenant, key };
      }),
    );
    expect(journals(server.dataDir).filter((path) => path.includes('keystead-tenant')).length).toBeGreaterThan(2);
    await eventually('all objects of tenants are evicted', 40_000, () => isEvicted(server.dataDir));

    for (const { tenant, key } of used) {
      const path = `/tenants/${tenant}/keys/${key.id}`;
      // No change waits for leases that nobody can hold.
      const took = await duration(() => client.send('PATCH', path, { name: 'renamed' }));
      if (process.env.SHOW) console.log(tenant, took);
      expect(took).toBeLessThan(1000);
      expect((await client.get<Used>(path)).lastUsedAt).not.toBeNull();
      const { data } = await client.get<Rotations>(`/tenants/${tenant}/rotations`);
      expect(data[0]?.successorFirstUsedAt).not.toBeNull();
    }
  });
});

describe('a crash', () => {
  test('under lease makes the next change wait; a little later it has lost no use', async () => {
    using folder = temporaryFolder();
    const { early, late } = await (async () => {
      await using server = await startServer(folder.path);
      const client = new Client(server);
      await client.createTenant('crashed', { leaseSeconds: 10 });
      const [first, second] = [await client.createKey('crashed'), await client.createKey('crashed')];
      await client.verify(first.secret);
      // Longer than uses stay unwritten; shorter than the lease.
      await sleep(4000);
      await client.verify(second.secret);
      await server.killGroup();
      return { early: first, late: second };
    })();
    await using server = await startServer(folder.path);
    const client = new Client(server);
    const read = await client.send('POST', '/keys/verify', { key: late.secret, fresh: true });
    expect(read.status).toBe(200);
    const took = await duration(() => client.revokeKey('crashed', late.id));
    // Ten seconds from the start of the object, of which the verification may have taken a little.
    expect(took).toBeGreaterThan(9000);
    expect((await client.get<Used>(`/tenants/crashed/keys/${early.id}`)).lastUsedAt).not.toBeNull();
    expect(existsSync(folder.path)).toBe(true);
  });
});
