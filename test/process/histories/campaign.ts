/**
 * Runs more random histories: of the model (test/model), and of the rules of leases (test/leases) and of limits
 * (test/limits). They run in workerd under vitest, where time can be simulated.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Progress } from '../campaign.ts';
import { ROOT } from '../server.ts';

export async function histories(runs: number, progress: Progress): Promise<object> {
  await run(['test/model'], runs, progress);
  return { histories: runs, interleavings: runs, deletions: Math.ceil(runs / 3) };
}

export async function leaseHistories(runs: number, progress: Progress): Promise<object> {
  await run(['test/leases/model.test.ts', 'test/leases/promise.test.ts'], runs, progress);
  return { histories: runs };
}

export async function limitHistories(runs: number, progress: Progress): Promise<object> {
  await run(['test/limits/model.test.ts'], runs, progress);
  return { histories: runs };
}

async function run(files: readonly string[], runs: number, progress: Progress): Promise<void> {
  const vitest = spawn(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/process/histories/vitest.config.ts', ...files],
    { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, MODEL_RUNS: String(runs) } },
  );
  const ended = once(vitest, 'close');
  for await (const line of createInterface({ input: vitest.stdout })) progress(line);
  await ended;
  if (vitest.exitCode !== 0) throw new Error('a history does not do what the model says (see above)');
}
