/**
 * How much of the runtime's memory an awake tenant takes: the resident set with one tenant awake, and with all of them
 * awake. An object falls asleep after about ten idle seconds, so the tenants that are already awake are called again
 * and again while the others are woken.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type LoadGenerator, request } from '../load/client.ts';
import type { Progress } from '../progress.ts';
import type { Key } from '../servers/api.ts';
import type { Keystead } from '../servers/keystead.ts';

export type MemoryFigures = {
  /** The number that was asked for, or as many as the limit of open files allows. */
  readonly tenants: number;
  /** With all tenants awake and one key verified in each. */
  readonly bytes: number;
  /** With one tenant awake. */
  readonly bytesAtStart: number;
  readonly bytesPerTenant: number;
  /** How long the last pass over all tenants took. Below ten seconds, all were awake at its end. */
  readonly askedWithinSeconds: number;
};

/** Files of an awake object: the database, its write-ahead log and the log's index. */
const FILES_PER_TENANT = 3;
/** Other open files of the runtime: sockets, the directory. */
const OTHER_FILES = 200;
/** Tenants woken before the clock is read again. */
const CHUNK = 200;
/** How often all awake tenants are called again (ms). */
const KEEP_AWAKE_MS = 3000;
/** Verifications before the first measurement, so that the isolate has reached its own size. */
const WARM_UP = 2000;
const CONNECTIONS = 16;
const MAX_MS = 120_000;
const VALID = '"valid":true';

export async function measureMemory(
  { token, target }: Keystead,
  keys: readonly Key[],
  generator: LoadGenerator,
  progress: Progress,
): Promise<MemoryFigures> {
  progress.step(`${keys.length} tenants awake`);
  const { host, port, pid } = target;
  const tenants = Math.min(keys.length, Math.floor((openFilesMax(pid) - OTHER_FILES) / FILES_PER_TENANT));
  const requests = keys
    .slice(0, tenants)
    .map(({ secret }) => request('POST', '/v1/keys/verify', token, { key: secret }));
  let awake = 0;
  const ask = async (some: readonly Uint8Array[]): Promise<number> => {
    const load = {
      host,
      port,
      connections: CONNECTIONS,
      requests: some,
      expected: VALID,
      durationMs: MAX_MS,
      once: true,
    };
    const { wrong, firstWrong, seconds } = await generator.run(load);
    if (wrong > 0) throw new Error(`a wrong response with ${awake} tenants awake: ${firstWrong}`);
    return seconds;
  };
  await ask(Array.from({ length: WARM_UP }, () => requests.slice(0, 1)).flat());
  const bytesAtStart = residentBytes(pid);
  for (let askedAt = performance.now(); awake < requests.length; progress.detail(`${awake} awake`)) {
    await ask(requests.slice(awake, awake + CHUNK));
    awake = Math.min(awake + CHUNK, requests.length);
    if (performance.now() - askedAt < KEEP_AWAKE_MS) continue;
    await ask(requests.slice(0, awake));
    askedAt = performance.now();
  }
  const askedWithinSeconds = await ask(requests);
  const bytes = residentBytes(pid);
  const bytesPerTenant = (bytes - bytesAtStart) / tenants;
  return { tenants, bytes, bytesAtStart, bytesPerTenant, askedWithinSeconds };
}

/** The process's limit of open files; Infinity where the system does not tell. */
function openFilesMax(pid: number): number {
  if (process.platform !== 'linux') return Number.POSITIVE_INFINITY;
  const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8')) ?? [];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}

function residentBytes(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1024;
}
