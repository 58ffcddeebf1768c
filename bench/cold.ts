/**
 * The row about tenants that nobody used for a while. It measures the first verification of each tenant, which wakes
 * its object and opens its database. The floor beside it does the same with an object that has nothing to do when it
 * starts. An object sleeps after about ten idle seconds, and after a server's start all objects are asleep. So each
 * turn restarts the server on a copy of the same files and verifies one key of each tenant.
 */
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type LoadGenerator, request } from './load/client.ts';
import type { Means } from './means.ts';
import type { Row } from './measure.ts';
import * as names from './report/names.ts';
import { Api, type Key } from './servers/api.ts';
import { startFloors } from './servers/floors.ts';
import type { Target } from './servers/target.ts';

/** Tenants used first in each turn, so that the measurement does not include the JIT compiler's work. */
const WARM_UP_MAX = 250;
/** Tenants measured in each turn. */
const ASKED_MAX = 400;
const CONNECTIONS = 16;
const MAX_MS = 60_000;
const VALID = '"valid":true';
const TOKEN = 'a token as long as an admin token is, in characters';

type Running = AsyncDisposable & { readonly target: Target };
type ColdMeans = Pick<Means, 'options' | 'folder' | 'generator' | 'progress' | 'stack' | 'startKeystead'>;

/** A server that each turn restarts, with its files as they were at first. */
class RestartedServer implements AsyncDisposable {
  readonly #files: string;
  readonly #start: (folder: string) => Promise<Running>;
  #running: Running | null = null;

  constructor(files: string, start: (folder: string) => Promise<Running>) {
    this.#files = files;
    this.#start = start;
  }

  get target(): Target {
    if (this.#running === null) throw new Error('the server was not started');
    return this.#running.target;
  }

  async restart(): Promise<void> {
    await this[Symbol.asyncDispose]();
    const copy = `${this.#files}-turn`;
    rmSync(copy, { recursive: true, force: true });
    cpSync(this.#files, copy, { recursive: true });
    this.#running = await this.#start(copy);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running?.[Symbol.asyncDispose]();
    this.#running = null;
  }
}

export async function coldRow(means: ColdMeans): Promise<Row> {
  const { options, folder, generator, progress, stack, startKeystead } = means;
  const warmUp = Math.min(WARM_UP_MAX, options.tenants);
  const tenants = warmUp + Math.min(ASKED_MAX, options.tenants);
  progress.step(`${tenants} tenants of one key that sleep`);
  const [files, floorFiles] = [join(folder, 'cold'), join(folder, 'cold-floor')];
  const { token, keys } = await makeTenants(files, tenants, startKeystead);
  await makeSleepers(floorFiles, tenants, generator);
  const server = stack.use(new RestartedServer(files, startKeystead));
  const floor = stack.use(new RestartedServer(floorFiles, startFloors));
  const asked = keys.map(({ secret }) => request('POST', '/v1/keys/verify', token, { key: secret }));
  const floorAsked = keys.map(({ secret }, i) => request('POST', `/d?${sleeperQuery(i)}`, TOKEN, { key: secret }));
  const against = coldTurns(names.FLOOR_D, floor, floorAsked, warmUp, generator);
  return coldTurns(names.COLD, server, asked, warmUp, generator, against);
}

function coldTurns(
  name: string,
  server: RestartedServer,
  requests: readonly Uint8Array[],
  warmUp: number,
  generator: LoadGenerator,
  against?: Row,
): Row {
  const turn = async () => {
    await server.restart();
    await sendOnce(requests.slice(0, warmUp), server.target, generator);
    return requests.slice(warmUp);
  };
  return {
    name,
    get target() {
      return server.target;
    },
    expected: VALID,
    requests: turn,
    once: true,
    ...(against === undefined ? {} : { against }),
  };
}

async function sendOnce(requests: readonly Uint8Array[], target: Target, generator: LoadGenerator): Promise<void> {
  const { host, port } = target;
  const load = { host, port, connections: CONNECTIONS, requests, expected: VALID, durationMs: MAX_MS, once: true };
  const { wrong, firstWrong } = await generator.run(load);
  if (wrong > 0) throw new Error(`a wrong response: ${firstWrong}`);
}

/** Makes tenants that have one key and the default settings, on a server that has stopped when this returns. */
async function makeTenants(
  folder: string,
  tenants: number,
  startKeystead: ColdMeans['startKeystead'],
): Promise<{ readonly token: string; readonly keys: readonly Key[] }> {
  const server = await startKeystead(folder);
  const api = new Api(server);
  const keys: Key[] = [];
  let next = 0;
  const make = async () => {
    while (next < tenants) {
      const tenantId = `bench-cold-${next++}`;
      await api.createTenant(tenantId, {});
      keys.push(...(await api.createKeys(tenantId, 1)));
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, make));
  await server.stop();
  checkpoint(join(folder, 'objects', 'keystead-tenant'));
  return { token: server.token, keys };
}

async function makeSleepers(folder: string, sleepers: number, generator: LoadGenerator): Promise<void> {
  const requests = Array.from({ length: sleepers }, (_, i) =>
    request('POST', `/d/make?${sleeperQuery(i)}`, TOKEN, { key: '' }),
  );
  const floors = await startFloors(folder);
  await sendOnce(requests, floors.target, generator);
  await floors[Symbol.asyncDispose]();
  checkpoint(join(folder, 'objects', 'sleeper'));
}

const sleeperQuery = (number: number) => `object=sleeper-${number}`;

/**
 * Leaves databases in the state that a sleeping object leaves them in. A server that is stopped leaves write-ahead logs
 * behind, which the next start would have to read.
 */
function checkpoint(folder: string): void {
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.sqlite'))) {
    const database = new DatabaseSync(join(folder, name));
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    database.close();
  }
}
