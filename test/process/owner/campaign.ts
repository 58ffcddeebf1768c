/**
 * Revokes all keys of an owner who has very many, in one request that takes effect before it returns, whenever the rows
 * are written. It is done again while cleanup still writes the rows of the first time. A long lineage is revoked in the
 * same way, and the server is killed meanwhile. Other callers verify all the time and never wait long for any step.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createMany,
  demand,
  inParallel,
  oneOf,
  type Progress,
  percentile,
  RestartingServer,
  range,
  sample,
} from '../campaign.ts';
import type { KeyResource, KeyWithSecret, Verification } from '../client.ts';
import { Observer } from '../hostile/observer.ts';
import { temporaryFolder } from '../server.ts';

const TENANT = 'company';
const OWNER = 'leaver';
const OTHERS = 50;
/** The keys of the owner that are verified in each check. Few, because cleanup soon ends. */
const LOOK = 100;
const FINAL_LOOK = 20_000;
const VERIFYING = 8;
const KILLS = 3;
/** How long verifications run alone, as a baseline for those beside the request (ms). */
const ALONE_MS = 1_500;
const WRITTEN_WITHIN_MS = 300_000;
/** The longest that others may wait for one step (ms). */
const STEP_MAX_MS = 50;
/** Keys that the owner gets before all are revoked again. Few, so that the first revocation is still being written. */
const AGAIN = 200;
/**
 * The lineage has a tenth as many keys as the owner, up to a limit: each rotation is a request of its own, and revoking
 * more in one step would take over 100 ms.
 */
const LINEAGE_MAX = 2_000;
/** Long enough for all keys of the lineage to be valid when it is revoked. */
const GRACE_SECONDS = 86_400;

export async function owner(keys: number, progress: Progress): Promise<object> {
  using folder = temporaryFolder();
  await using server = new RestartingServer(folder.path);
  await server.start();
  await server.client.createTenant(TENANT);
  const others = await createMany(server.client, TENANT, OTHERS, () => ({ owner: 'stayer' }));
  const leaving = await createMany(server.client, TENANT, keys, () => ({ owner: OWNER }));
  progress(`${keys} keys of one owner created`);
  const lineage = await makeLineage(server, Math.min(LINEAGE_MAX, Math.ceil(keys / 10)));
  progress(`${lineage.length} keys of one lineage created`);

  const beside = new Beside(server, others);
  await sleep(ALONE_MS);
  const alone = beside.take();
  const steps = new Map<string, number>();
  const again = await (async () => {
    await using watched = new Watched(server, others, steps);
    const revokeMs = await watched.during('revoke', () => revokeOwner(server, keys));
    progress(`revoked by owner in ${revokeMs} ms`);
    const more = await watched.during('create', () => createAlone(server, AGAIN));
    const unwritten = (await living(server)) - OTHERS - more.length - lineage.length;
    const againMs = await watched.during('revokeAgain', () => revokeOwner(server, more.length));
    progress(`revoked again in ${againMs} ms, with ${unwritten} keys of the first time to be written`);
    const lineageMs = await watched.during('revokeLineage', () => revokeLineage(server, lineage));
    progress(`revoked the lineage in ${lineageMs} ms`);
    return { more, unwritten, times: { revokeMs, againMs, lineageMs } };
  })();
  leaving.push(...again.more, ...lineage);

  const later: KeyWithSecret[] = [];
  /** What must hold at any moment after the response. */
  const look = async (n: number) => {
    const { body: key } = await server.ask<KeyWithSecret>('POST', `/tenants/${TENANT}/keys`, {
      name: 'later',
      owner: OWNER,
    });
    later.push(key);
    for (const revoked of [leaving.slice(0, keys), again.more, lineage]) {
      await expectCode(server, sample(revoked, n), 'REVOKED');
    }
    await expectCode(server, [...later, ...others], 'VALID');
  };
  await look(LOOK);
  const during = beside.take();
  const unwritten = [again.unwritten];
  for (let kill = 0; kill < KILLS; kill++) {
    await server.kill();
    await server.start();
    unwritten.push((await living(server)) - OTHERS - later.length);
    await look(LOOK);
  }
  progress(`killed ${KILLS} times; keys to be written: ${unwritten.join(', ')}`);
  // Waits for a killed server say nothing about a running one.
  beside.take();
  {
    await using watched = new Watched(server, others, steps);
    await watched.during('write', async () => {
      const end = Date.now() + WRITTEN_WITHIN_MS;
      while ((await living(server)) > OTHERS + later.length) {
        demand(Date.now() < end, 'the revocations are not written to the rows in time');
        await sleep(250);
      }
    });
  }
  const writing = beside.take();
  progress('written to all rows');
  await server.kill();
  await server.start();
  await look(FINAL_LOOK);
  await beside.stop();
  const entries = await server.client.all<{ changes?: unknown }>(
    `/tenants/${TENANT}/audit?action=key.revoke_owner&limit=100`,
  );
  demand(entries.length === 2, `${entries.length} audit entries`);
  const report = {
    ...{ keys, again: again.more.length, lineage: lineage.length },
    ...{ ...again.times, unwritten, othersWaitedMs: Object.fromEntries(steps) },
    ...{ verifyP99AloneMs: percentile(alone, 0.99), verifyP99DuringMs: percentile(during, 0.99) },
    ...{ during: during.length, verifyMaxDuringMs: percentile(during, 1) },
    verifyP99WhileWritingMs: percentile(writing, 0.99),
  };
  const longest = Math.max(...steps.values());
  demand(longest <= STEP_MAX_MS, `others waited ${longest} ms for one step: ${JSON.stringify(report)}`);
  return report;
}

/** Keys made from each other by rotation, oldest first. Each but the last is in its grace period. */
async function makeLineage(server: RestartingServer, length: number): Promise<KeyWithSecret[]> {
  const keys = [await server.client.createKey(TENANT)];
  while (keys.length < length) {
    const { key } = await server.client.rotateKey(TENANT, keys.at(-1)?.id ?? '', {
      gracePeriodSeconds: GRACE_SECONDS,
    });
    keys.push(key);
  }
  return keys;
}

/** One key a request, because another campaign measures how long others wait for a bulk request. */
async function createAlone(server: RestartingServer, n: number): Promise<KeyWithSecret[]> {
  const keys: KeyWithSecret[] = [];
  await inParallel(VERIFYING, range(n), async () => {
    const { body } = await server.ask<KeyWithSecret>('POST', `/tenants/${TENANT}/keys`, { name: 'more', owner: OWNER });
    keys.push(body);
  });
  return keys;
}

/** Returns how long it took (ms). */
async function revokeOwner(server: RestartingServer, expected: number): Promise<number> {
  const startedAt = performance.now();
  const { status, body } = await server.ask<{ revoked: number }>('POST', `/tenants/${TENANT}/keys/revoke`, {
    owner: OWNER,
  });
  demand(status === 200 && body.revoked === expected, `revoke: ${status} ${JSON.stringify(body)}, not ${expected}`);
  return Math.round(performance.now() - startedAt);
}

/** Returns how long it took (ms). */
async function revokeLineage(server: RestartingServer, lineage: readonly KeyWithSecret[]): Promise<number> {
  const startedAt = performance.now();
  const middle = lineage[Math.floor(lineage.length / 2)]?.id;
  const path = `/tenants/${TENANT}/keys/${middle}/revoke`;
  const { status, body } = await server.ask<KeyResource>('POST', path, { lineage: true });
  demand(status === 200 && body.status === 'revoked', `revoke with lineage: ${status} ${JSON.stringify(body)}`);
  return Math.round(performance.now() - startedAt);
}

/** Records under a name how long others wait at most while something is done. */
class Watched implements AsyncDisposable {
  readonly #observer: Observer;
  readonly #longest: Map<string, number>;

  constructor(server: RestartingServer, others: readonly KeyWithSecret[], longest: Map<string, number>) {
    this.#observer = new Observer(server.launcher, oneOf(others).secret);
    this.#longest = longest;
  }

  async during<T>(name: string, work: () => Promise<T>): Promise<T> {
    this.#observer.begin();
    const result = await work();
    this.#longest.set(name, Math.round(await this.#observer.end()));
    return result;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#observer[Symbol.asyncDispose]();
  }
}

/** Returns how many keys do not say revoked in their own rows yet. */
async function living(server: RestartingServer): Promise<number> {
  type Encryption = { signatures: Record<string, number> };
  const { body } = await server.ask<Encryption>('GET', `/tenants/${TENANT}/encryption`);
  return Object.values(body.signatures).reduce((sum, n) => sum + n, 0);
}

async function expectCode(server: RestartingServer, keys: readonly KeyWithSecret[], code: string): Promise<void> {
  await inParallel(VERIFYING, keys, async ({ id, secret }) => {
    const { body } = await server.ask<Verification>('POST', '/keys/verify', { key: secret });
    demand(body.code === code, `${id} verifies as ${body.code}, not ${code}`);
  });
}

/** Verifies other keys all the time and records how long each verification took. */
class Beside {
  #times: number[] = [];
  #stopped = false;
  readonly #running: Promise<unknown>;

  constructor(server: RestartingServer, keys: readonly KeyWithSecret[]) {
    const run = async () => {
      while (!this.#stopped) {
        const startedAt = performance.now();
        const { body } = await server.ask<Verification>('POST', '/keys/verify', { key: oneOf(keys).secret });
        this.#times.push(performance.now() - startedAt);
        demand(body.code === 'VALID', `a key of another owner verifies as ${body.code}`);
      }
    };
    this.#running = Promise.all([run(), run()]);
    // `stop` reports the error. Until then it must not end the process.
    this.#running.catch(() => {});
  }

  /** Returns the times (ms) since the last call. */
  take(): number[] {
    return this.#times.splice(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }
}
