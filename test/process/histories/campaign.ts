/**
 * Runs more of the model's random histories (test/model). They run in workerd under vitest, where time can be
 * simulated.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { ROOT } from '../server.ts';

export async function histories(runs: number, progress: (line: string) => void): Promise<object> {
  const vitest = spawn(
    process.execPath,
    ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/process/histories/vitest.config.ts'],
    { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, MODEL_RUNS: String(runs) } },
  );
  const ended = once(vitest, 'close');
  for await (const line of createInterface({ input: vitest.stdout })) progress(line);
  await ended;
  if (vitest.exitCode !== 0) throw new Error('a history does not do what the model says (see above)');
  return { histories: runs, interleavings: runs, deletions: Math.ceil(runs / 3) };
}
