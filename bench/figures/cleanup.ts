/** How long the alarm takes to process many keys that expire at the same moment. */
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuMicros } from '../load/cpu.ts';
import type { Progress } from '../progress.ts';
import type { Instance } from '../servers/api.ts';

export type CleanupFigures = {
  readonly keys: number;
  /** From the keys' expiry until no work is left. */
  readonly seconds: number;
  readonly microsPerKey: number;
  readonly cpuMicrosPerKey: number;
};

const TENANT = 'bench-expiring';
/** The lowest rate of creation (keys a second) to plan for, so that all keys exist before the first expires. */
const FILL_RATE = 1500;
const MARGIN_MS = 2000;
const POLL_MS = 100;
const WAIT_MAX_MS = 600_000;

export async function measureCleanup(
  { server: { target }, api }: Instance,
  keys: number,
  progress: Progress,
): Promise<CleanupFigures> {
  progress.step(`${keys} keys that expire together`);
  await api.createTenant(TENANT, { leaseSeconds: 0 });
  const expiresAt = Math.ceil(Date.now() + MARGIN_MS + (keys / FILL_RATE) * 1000);
  const extra = { expiresAt: new Date(expiresAt).toISOString() };
  await api.fill(TENANT, keys, 1, (done) => progress.detail(`${done} made`), extra);
  while (Date.now() < expiresAt) {
    progress.detail(`they expire in ${Math.ceil((expiresAt - Date.now()) / 1000)} s`);
    await sleep(Math.min(POLL_MS, expiresAt - Date.now()));
  }
  const before = cpuMicros(target.pid);
  for (const end = Date.now() + WAIT_MAX_MS; Date.now() < end; await sleep(POLL_MS)) {
    const [latest] = await api.cleanups(TENANT);
    if (latest === undefined || latest.startedAt < expiresAt || latest.remaining > 0) continue;
    const seconds = (Date.now() - expiresAt) / 1000;
    const cpu = cpuMicros(target.pid) - before;
    return { keys, seconds, microsPerKey: (seconds * 1e6) / keys, cpuMicrosPerKey: cpu / keys };
  }
  throw new Error('the cleanup did not end');
}
