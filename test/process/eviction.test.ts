/**
 * What survives an eviction by the platform, which removes an object from memory after about ten idle seconds, without
 * a crash and without a call. These tests really wait for that. And what survives a crash of a tenant that is quiet.
 */
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Client } from './client.ts';
import { TENANT as QUIET, quietUses } from './quiet-uses.ts';
import { eventually, startServer, temporaryFolder } from './server.ts';

type Used = { readonly lastUsedAt: string | null };
/** A use under a lease is reported within 3 s, and what the object knows is written within 3 s. */
const WRITTEN_AFTER_MS = 3000 + 3000;
const SLACK_MS = 1000;

type Rotations = { readonly data: readonly { readonly successorFirstUsedAt: string | null }[] };

/**
 * Counts the journals of tenants' open databases: an object in memory has one. The runtime keeps one of its own, too.
 */
function journals(dataDir: string): string[] {
  const files = readdirSync(dataDir, { recursive: true, encoding: 'utf8' });
  return files.filter((file) => /keystead-tenant.*-wal$/.test(file) && !file.includes('metadata'));
}

/** Returns how long a request took (ms). */
async function duration(request: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await request();
  return performance.now() - startedAt;
}

// Concurrent, because these tests do little but wait.
describe.concurrent('an object that the platform evicted', () => {
  test('has kept every use, and knows that no lease is out', async () => {
    using folder = temporaryFolder();
    await using server = await startServer(folder.path);
    const client = new Client(server);
    const tenants = ['leased', 'strict'];
    await client.createTenant('leased', { leaseSeconds: 5 });
    await client.createTenant('strict', { leaseSeconds: 0 });
    const used = await Promise.all(
      tenants.map(async (tenant) => {
        const old = await client.createKey(tenant);
        const { key } = await client.rotateKey(tenant, old.id);
        expect((await client.verify(key.secret)).code).toBe('VALID');
        return { tenant, key };
      }),
    );
    expect(journals(server.dataDir).length).toBeGreaterThanOrEqual(tenants.length);
    await eventually('all objects of tenants are evicted', 40_000, () => journals(server.dataDir).length === 0);

    for (const { tenant, key } of used) {
      const path = `/tenants/${tenant}/keys/${key.id}`;
      // No change waits for leases that nobody can hold.
      const took = await duration(() => client.send('PATCH', path, { name: 'renamed' }));
      expect(took).toBeLessThan(4000);
      expect((await client.get<Used>(path)).lastUsedAt).not.toBeNull();
      const { data } = await client.get<Rotations>(`/tenants/${tenant}/rotations`);
      expect(data[0]?.successorFirstUsedAt).not.toBeNull();
    }
  });
});

describe.concurrent('a use under a lease, when nothing else happens', () => {
  const usesOf = async (client: Client, keyId: string) => {
    const { lastUsedAt } = await client.get<Used>(`/tenants/${QUIET}/keys/${keyId}`);
    const { data } = await client.get<Rotations>(`/tenants/${QUIET}/rotations`);
    return { lastUsedAt, successorFirstUsedAt: data[0]?.successorFirstUsedAt ?? '' };
  };

  test('is kept by an object that the platform evicted', async () => {
    using folder = temporaryFolder();
    const { runtime, used, minutes } = await quietUses(folder.path, 4);
    await using server = runtime;
    await eventually('the object is evicted', 40_000, () => journals(folder.path).length === 0);
    const { lastUsedAt, successorFirstUsedAt } = await usesOf(server.client, used.id);
    expect(lastUsedAt).toBe(minutes[1]);
    expect(successorFirstUsedAt > minutes[0] && successorFirstUsedAt < minutes[1]).toBe(true);
  });

  test('is lost by a crash only if it was in the last seconds', async () => {
    using folder = temporaryFolder();
    const { runtime, restart, used, other, minutes } = await quietUses(folder.path, 10);
    {
      await using server = runtime;
      await sleep(WRITTEN_AFTER_MS + SLACK_MS);
      // The lease is still in force, since the report has renewed it.
      expect((await server.client.verify(other.secret)).code).toBe('VALID');
    }
    await using server = await restart();
    const { lastUsedAt, successorFirstUsedAt } = await usesOf(server.client, used.id);
    expect(lastUsedAt).toBe(minutes[1]);
    expect(successorFirstUsedAt > minutes[0] && successorFirstUsedAt < minutes[1]).toBe(true);
    // Of the other key's uses at most the one just before the crash is lost. The one before that was in the minute in
    // which the key was created.
    const kept = (await usesOf(server.client, other.id)).lastUsedAt;
    expect([other.createdAt, minutes[1]]).toContain(kept);
  });
});

describe.concurrent('a crash', () => {
  test('under a lease makes the next change wait; a few seconds later no use is lost', async () => {
    using folder = temporaryFolder();
    const { early, late } = await (async () => {
      await using server = await startServer(folder.path);
      const client = new Client(server);
      await client.createTenant('crashed', { leaseSeconds: 5 });
      const [first, second] = [await client.createKey('crashed'), await client.createKey('crashed')];
      await client.verify(first.secret);
      // Longer than uses stay unwritten, and shorter than the lease.
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
    // Five seconds from the start of the object, a little of which the verification may have taken.
    expect(took).toBeGreaterThan(4000);
    expect((await client.get<Used>(`/tenants/crashed/keys/${early.id}`)).lastUsedAt).not.toBeNull();
  });
});
