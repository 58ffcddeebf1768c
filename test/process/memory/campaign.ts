/**
 * Many keys of the largest permitted size, on a heap as small as Cloudflare's. Whatever callers store, the caches of
 * the Worker and of all objects together stay within their budget, and the process survives. Half of the tenants lease
 * their verifications.
 */
import { join } from 'node:path';
import { demand, inParallel, type Progress, range } from '../campaign.ts';
import type { KeyWithSecret, Verification } from '../client.ts';
import { Runtime } from '../runtime.ts';
import { temporaryFolder } from '../server.ts';

const TENANTS = 50;
/** Keys in one request: 15 KB each, and a body may have 4 MiB. */
const BATCH = 250;
const AT_ONCE = 16;
/**
 * A second pass finds everything as cold as the first or warmer, so it may take little longer. A garbage collector
 * without room takes several times as long.
 */
const SLOWER_MAX = 2;
const PAUSES_MS = 2_000;

export async function memory(keys: number, progress: Progress): Promise<object> {
  using folder = temporaryFolder();
  await using runtime = await Runtime.start(join(import.meta.dirname, 'small-heap.capnp'), folder.path);
  const { client } = runtime;
  const created: KeyWithSecret[] = [];
  for (const tenant of range(TENANTS)) {
    await client.createTenant(tenantId(tenant), { leaseSeconds: tenant % 2 === 0 ? 10 : 0 });
    const [from, to] = [Math.floor((tenant * keys) / TENANTS), Math.floor(((tenant + 1) * keys) / TENANTS)];
    for (let first = from; first < to; first += BATCH) {
      const bodies = range(Math.min(BATCH, to - first)).map((i) => largestKey(first + i));
      created.push(...(await client.createKeys(tenantId(tenant), bodies)));
    }
  }
  progress(`${created.length} keys created, ${runtime.rssMb} MB`);

  /** Verifies every key twice and returns how long each pass took (ms). */
  const pass = async () => {
    const startedAt = performance.now();
    await inParallel(AT_ONCE, created, async ({ id, secret }) => {
      for (let time = 0; time < 2; time++) {
        const { status, body } = await client.send<Verification>('POST', '/keys/verify', { key: secret });
        demand(status === 200 && body.code === 'VALID', `${id}: ${status} ${body.code}`);
      }
    });
    return Math.round(performance.now() - startedAt);
  };
  const passesMs: number[] = [];
  for (let n = 0; n < 2; n++) {
    passesMs.push(await pass());
    progress(`each verified twice in ${passesMs[n]} ms, ${runtime.rssMb} MB`);
  }
  const [firstMs = 0, secondMs = 0] = passesMs;
  demand(runtime.alive, 'the runtime has ended');
  demand(secondMs <= firstMs * SLOWER_MAX + PAUSES_MS, `the second pass took ${secondMs} ms, the first ${firstMs}`);
  return { keys: created.length, passesMs, rssMb: runtime.rssMb };
}

const tenantId = (tenant: number) => `large-${tenant}`;

/** Every attribute as long as allowed, in characters that take two bytes each in memory. */
function largestKey(i: number): object {
  const scopes = range(100).map((n) => `${i}:${n}:`.padEnd(100, 'x'));
  // {"note":"…"} in 4,096 bytes of UTF-8, in which one character takes three.
  const note = `\u6f22${'m'.repeat(4096 - 11 - 3)}`;
  return { name: '\u6f22'.repeat(100), owner: '\u6f22'.repeat(128), scopes, metadata: { note } };
}
