/**
 * What an awake tenant takes of the runtime's memory: the resident set of a server that was just started, and with all
 * tenants awake. An object that nobody asks for some ten seconds falls asleep, so those that are awake already are
 * asked again and again while the others are woken.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type LoadGenerator, request } from '../load/client.ts';
import type { Progress } from '../progress.ts';
import type { Key } from '../servers/api.ts';
import type { Keystead } from '../servers/keystead.ts';

export type MemoryFigures = {
  /** As many as were wanted, or as the limit of open files allows. */
  readonly tenants: number;
  /** With all tenants awake, each with one key verified. */
  readonly bytes: number;
  /** With one tenant awake. */
  readonly bytesAtStart: number;
  readonly bytesPerTenant: number;
  /** How long the last pass over all tenants took: below ten seconds, all were awake at its end. */
  readonly askedWithinSeconds: number;
};

/** An awake object's database, its write-ahead log and the index of that. */
const FILES_PER_TENANT = 3;
/** Open files of the runtime beside those: sockets, the directory. */
const OTHER_FILES = 200;
/** Tenants woken between two looks at the clock. */
const CHUNK = 200;
/** Every so often all that are awake are asked again. */
const KEEP_AWAKE_MS = 3000;
/** Verifications before the first look, so that the isolate is as large as it gets by itself. */
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
    if (wrong > 0) throw new Error(`a wrong answer with ${awake} tenants awake: ${firstWrong}`);
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

/** The limit that the process runs under; without bound where the system does not tell. */
function openFilesMax(pid: number): number {
  if (process.platform !== 'linux') return Number.POSITIVE_INFINITY;
  const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8')) ?? [];
  return soft === undefined ? Number.POSITIVE_INFINITY : Number(soft);
}

function residentBytes(pid: number): number {
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) * 1024;
}
