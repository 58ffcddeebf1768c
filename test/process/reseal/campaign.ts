/**
 * A change of ENCRYPTION_KEY under load. Many keys are sealed with entry 1. Then the server runs with entries 2 and 1,
 * and a loop reseals while clients create, rotate, revoke and verify and `kill -9` strikes at random moments. In the
 * end nothing depends on entry 1: the server runs with entry 2 alone.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { demand, inParallel, type Progress, percentile, RestartingServer, range, sample } from '../campaign.ts';
import type { Verification } from '../client.ts';
import { temporaryFolder } from '../server.ts';
import { ResealTraffic } from './traffic.ts';

const TENANT = 'resealed';
const BULK = 500;
const CLIENTS = 3;
const KILLS = 6;
/** Keys of each kind that are checked in the end. */
const SAMPLE = 500;
const CHECKING = 8;

type Resealed = { readonly resealed: number; readonly remaining: number; readonly unreadable?: number };
type Encryption = { readonly current: string; readonly envelopes: Readonly<Record<string, number>> };

export async function reseal(keys: number, progress: Progress): Promise<object> {
  using folder = temporaryFolder();
  const [first, second] = [1, 2].map((id) => `${id}:${randomBytes(32).toString('base64')}`);
  await using server = new RestartingServer(folder.path);
  const startedAt = Date.now();
  await server.start({ ENCRYPTION_KEY: first ?? '' });
  await server.client.createTenant(TENANT, { allowReveal: true });
  const traffic = new ResealTraffic(server, TENANT);
  for (let left = keys; left > 0; left -= BULK) await traffic.createBulk(Math.min(BULK, left));
  await traffic.createEachKind();
  progress(`${keys} keys created in ${Date.now() - startedAt} ms`);
  await server.stop();

  const both = { ENCRYPTION_KEY: `${second},${first}` };
  await server.start(both);
  const clients = Promise.all(range(CLIENTS).map(() => traffic.run()));
  const walk = resealAll(server);
  // A client that found a fault ends the campaign at once.
  const killing = killNowAndThen(server, both, walk.progress, keys, progress);
  try {
    await Promise.race([Promise.all([walk.done, killing]), clients]);
  } finally {
    traffic.stop();
  }
  await clients;
  const { batches, times } = await walk.done;
  progress(
    `${batches} answered reseal requests, ${traffic.keys.length} keys, ${traffic.verified} verifications beside`,
  );

  const { body: encryption } = await server.ask<Encryption>('GET', `/tenants/${TENANT}/encryption`);
  const sealed = traffic.keys.length + traffic.kept.length;
  demand(
    encryption.current === '2' && JSON.stringify(encryption.envelopes) === JSON.stringify({ '2': sealed }),
    `${JSON.stringify(encryption)}, expected ${sealed} envelopes under 2`,
  );
  await checkAll(server, traffic);
  await server.stop();
  await server.start({ ENCRYPTION_KEY: second ?? '' });
  await checkAll(server, traffic);
  return { keys: traffic.keys.length, kills: KILLS, batches, p99OfBatchMs: percentile(times, 0.99) };
}

type Walk = { resealed: number };

/** Reseals batch after batch until nothing remains. */
function resealAll(server: RestartingServer) {
  const progress: Walk = { resealed: 0 };
  const run = async () => {
    const times: number[] = [];
    for (let batches = 1, before = Number.POSITIVE_INFINITY; ; batches++) {
      const startedAt = performance.now();
      const { status, body } = await server.ask<Resealed>('POST', `/tenants/${TENANT}/encryption/reseal`);
      times.push(performance.now() - startedAt);
      demand(status === 200 && body.unreadable === undefined, `reseal: ${status} ${JSON.stringify(body)}`);
      // New envelopes are sealed with the current entry, so the remaining number never grows, not even across kills.
      demand(body.remaining <= before, `${body.remaining} remain, ${before} did before`);
      before = body.remaining;
      progress.resealed += body.resealed;
      if (body.remaining === 0) return { batches, times };
    }
  };
  return { progress, done: run() };
}

/** Kills at random moments spread over the whole process. */
async function killNowAndThen(
  server: RestartingServer,
  env: { readonly ENCRYPTION_KEY: string },
  walk: Walk,
  keys: number,
  progress: Progress,
): Promise<void> {
  for (let kill = 1; kill <= KILLS; kill++) {
    const at = ((kill - 0.5 + Math.random() * 0.5) / (KILLS + 1)) * keys;
    const end = Date.now() + 600_000;
    while (walk.resealed < at && Date.now() < end) await sleep(5);
    await sleep(Math.random() * 50);
    await server.kill();
    progress(`kill ${kill} after ${walk.resealed} envelopes`);
    await server.start(env);
  }
}

/** Keys of every kind must verify and be revealed unchanged, and stored responses must be replayed. */
async function checkAll(server: RestartingServer, { keys, kept }: ResealTraffic): Promise<void> {
  const byKind = Map.groupBy(keys, ({ kind }) => kind);
  for (const [kind, known] of byKind) {
    await inParallel(CHECKING, sample(known, SAMPLE), async ({ id, secret }) => {
      const verified = await server.ask<Verification>('POST', '/keys/verify', { key: secret });
      const wanted = kind === 'revoked' ? 'REVOKED' : 'VALID';
      demand(verified.body.code === wanted, `${id} (${kind}) verifies as ${verified.body.code}`);
      const revealed = await server.ask<{ secret: string }>('POST', `/tenants/${TENANT}/keys/${id}/reveal`);
      demand(revealed.body.secret === secret, `${id} (${kind}) is revealed with ${revealed.status}, or another secret`);
    });
  }
  demand(byKind.size === 5, `only ${[...byKind.keys()]} came up`);
  await inParallel(CHECKING, sample(kept, SAMPLE), async ({ path, body, idempotencyKey, response }) => {
    const again = await server.ask('POST', path, body, idempotencyKey);
    const replayed = again.headers.get('Idempotency-Replayed') === 'true';
    demand(
      replayed && JSON.stringify(again.body) === JSON.stringify(response),
      `${path}: another response when repeated`,
    );
  });
}
