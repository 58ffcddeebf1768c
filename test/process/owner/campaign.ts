/**
 * Revoking all keys of an owner who has very many: one request, final when it is answered, whatever is written when. Others verify beside it, and the server is
 * killed while cleanup still writes.
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
  sample,
} from '../campaign.ts';
import type { KeyWithSecret, Verification } from '../client.ts';
import { temporaryFolder } from '../server.ts';

const TENANT = 'company';
const OWNER = 'leaver';
const OTHERS = 50;
/** How many keys of the owner are verified at each look: few while cleanup writes, which is soon done. */
const LOOK = 100;
const FINAL_LOOK = 20_000;
const VERIFYING = 8;
const KILLS = 3;
/** Verifications alone, to compare with those beside the request (ms). */
const ALONE_MS = 1_500;
const WRITTEN_WITHIN_MS = 300_000;

export async function owner(keys: number, progress: Progress): Promise<object> {
  using folder = temporaryFolder();
  await using server = new RestartingServer(folder.path);
  await server.start();
  await server.client.createTenant(TENANT);
  const others = await createMany(server.client, TENANT, OTHERS, () => ({ owner: 'stayer' }));
  const leaving = await createMany(server.client, TENANT, keys, () => ({ owner: OWNER }));
  progress(`${keys} keys of one owner created`);

  const beside = new Beside(server, others);
  await sleep(ALONE_MS);
  const alone = beside.take();
  const startedAt = performance.now();
  const { status, body } = await server.ask<{ revoked: number }>('POST', `/tenants/${TENANT}/keys/revoke`, {
    owner: OWNER,
  });
  const revokeMs = Math.round(performance.now() - startedAt);
  demand(status === 200 && body.revoked === keys, `revoke: ${status} ${JSON.stringify(body)}`);
  progress(`revoked by owner in ${revokeMs} ms`);

  const later: KeyWithSecret[] = [];
  /** What must hold from the answer on, at any moment. */
  const look = async (n: number) => {
    const { body: key } = await server.ask<KeyWithSecret>('POST', `/tenants/${TENANT}/keys`, {
      name: 'later',
      owner: OWNER,
    });
    later.push(key);
    await expectCode(server, sample(leaving, n), 'REVOKED');
    await expectCode(server, [...later, ...others], 'VALID');
  };
  await look(LOOK);
  const during = beside.take();
  const unwritten: number[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    await server.kill();
    await server.start();
    unwritten.push((await living(server)) - OTHERS - later.length);
    await look(LOOK);
  }
  progress(`killed ${KILLS} times with ${unwritten.join(', ')} keys to be written`);
  // Waits for a killed server are no measure of one that runs.
  beside.take();
  const end = Date.now() + WRITTEN_WITHIN_MS;
  while ((await living(server)) > OTHERS + later.length) {
    demand(Date.now() < end, 'the revocation is not written to the rows in time');
    await sleep(250);
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
  demand(entries.length === 1, `${entries.length} audit entries`);
  const p99 = (times: number[]) => percentile(times, 0.99);
  return {
    ...{
      keys,
      revokeMs,
      unwritten,
      verifyP99AloneMs: p99(alone),
      verifyP99DuringMs: p99(during),
      during: during.length,
    },
    ...{ verifyMaxDuringMs: percentile(during, 1), verifyP99WhileWritingMs: p99(writing) },
  };
}

/** Keys whose own rows do not say revoked yet. */
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

/** Verifications of other keys that go on all the time, and how long each took. */
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
    // Reported by `stop`; until then it must not end the process.
    this.#running.catch(() => {});
  }

  /** The times (ms) since the last call. */
  take(): number[] {
    return this.#times.splice(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }
}
