/** The results of a run, as kept in bench/results/latest.json. */
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, platform, release } from 'node:os';
import { join } from 'node:path';
import type { ClientFigures } from '../client/measure.ts';
import type { CleanupFigures } from '../figures/cleanup.ts';
import type { DiskFigures } from '../figures/disk.ts';
import type { MemoryFigures } from '../figures/memory.ts';
import type { UsageFigures } from '../figures/usage.ts';
import type { Measured } from '../measure.ts';
import type { Options } from '../options.ts';
import type { Verdict } from './verdict.ts';

export type Results = {
  readonly at: string;
  readonly machine: {
    readonly processor: string;
    readonly cores: number;
    readonly system: string;
    readonly node: string;
    readonly workerd: string;
  };
  readonly options: Options;
  readonly rows: readonly Measured[];
  readonly client: ClientFigures | null;
  readonly cleanup: CleanupFigures | null;
  readonly disk: readonly DiskFigures[];
  readonly memory: MemoryFigures | null;
  readonly usage: UsageFigures | null;
  /** Keys a second that bulk creation reached in the large tenant; null when it was not filled. */
  readonly filledPerSecond: number | null;
  readonly notes: readonly string[];
  readonly verdicts: readonly Verdict[];
};

export function machine(): Results['machine'] {
  const manifest = readFileSync(join(import.meta.dirname, '../../node_modules/workerd/package.json'), 'utf8');
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    system: `${platform()} ${release().split('-')[0]} ${arch()}`,
    node: process.versions.node,
    workerd: JSON.parse(manifest).version,
  };
}
