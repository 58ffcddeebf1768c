/**
 * What campaigns share: failing with an explanation, working in parallel, and a server that comes back after each kill.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiResponse, Client, type KeyWithSecret, type Method } from './client.ts';
import { type Environment, type Launcher, startServer } from './server.ts';

export type Progress = (line: string) => void;

export function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}

/** Runs `workers` workers, which take items until none is left. The first error ends it. */
export async function inParallel<T>(workers: number, items: Iterable<T>, work: (item: T) => Promise<unknown>) {
  const left = items[Symbol.iterator]();
  const take = async () => {
    for (let next = left.next(); !next.done; next = left.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: workers }, take));
}

export const range = (n: number) => Array.from({ length: n }, (_, i) => i);

/** Picks an item at random. There must be one. */
export function oneOf<T>(items: readonly T[]): T {
  const item = items[Math.floor(Math.random() * items.length)];
  if (item === undefined) throw new Error('nothing to choose from');
  return item;
}

/** Picks up to `n` of the items at random, each at most once. */
export function sample<T>(items: readonly T[], n: number): T[] {
  if (items.length <= n) return [...items];
  return [...new Set(range(n).map(() => oneOf(items)))];
}

/** Returns the value that this share of the numbers does not exceed, to one decimal place; 0 when there are none. */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return Math.round((sorted[Math.ceil(sorted.length * share) - 1] ?? 0) * 10) / 10;
}

/** The most keys that one bulk request may make (contract). */
const BULK_MAX = 500;

/** Creates many keys. `attributes` returns the attributes of the key with a given number. */
export async function createMany(client: Client, tenantId: string, n: number, attributes: (i: number) => object) {
  const keys: KeyWithSecret[] = [];
  for (let from = 0; from < n; from += BULK_MAX) {
    const batch = range(Math.min(BULK_MAX, n - from)).map((i) => ({
      name: `key-${from + i}`,
      ...attributes(from + i),
    }));
    keys.push(...(await client.createKeys(tenantId, batch)));
  }
  return keys;
}

/** How long a request is repeated before its caller gives up (ms). A restart takes a second or two. */
const GIVE_UP_AFTER_MS = 60_000;
const REPEAT_AFTER_MS = 30;

/** A server that is killed and restarted on the same data while its clients go on. */
export class RestartingServer implements AsyncDisposable {
  readonly #dataDir: string;
  readonly #env: Environment;
  #launcher: Launcher | null = null;
  #client: Client | null = null;

  constructor(dataDir: string, env: Environment = {}) {
    this.#dataDir = dataDir;
    this.#env = env;
  }

  async start(env: Environment = {}): Promise<void> {
    this.#launcher = await startServer(this.#dataDir, { ...this.#env, ...env });
    this.#client = new Client(this.#launcher);
  }

  /** Kills all its processes with `kill -9`. */
  async kill(): Promise<void> {
    this.#client = null;
    await this.#launcher?.killGroup();
  }

  /** Stops it as an operator does. */
  async stop(): Promise<void> {
    this.#client = null;
    await this.#launcher?.stop();
  }

  /** The client of a running server. */
  get client(): Client {
    if (this.#client === null) throw new Error('the server does not run');
    return this.#client;
  }

  /** The processes of a running server. */
  get launcher(): Launcher {
    if (this.#launcher === null) throw new Error('the server does not run');
    return this.#launcher;
  }

  /** Repeats a request until its response settles it, whatever happens to the server meanwhile. */
  async ask<T>(method: Method, path: string, body?: unknown, idempotencyKey?: string): Promise<ApiResponse<T>> {
    const headers: Record<string, string> = idempotencyKey === undefined ? {} : { 'Idempotency-Key': idempotencyKey };
    let last = 'no server';
    for (const end = Date.now() + GIVE_UP_AFTER_MS; Date.now() < end; await sleep(REPEAT_AFTER_MS)) {
      try {
        const response = await this.#client?.send<T>(method, path, body, undefined, headers);
        if (response === undefined) continue;
        if (response.status < 500) return response;
        last = JSON.stringify(response.body);
      } catch (error) {
        last = String(error);
      }
    }
    throw new Error(`${method} ${path}: no response in ${GIVE_UP_AFTER_MS} ms, last: ${last}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client = null;
    await this.#launcher?.[Symbol.asyncDispose]();
  }
}
