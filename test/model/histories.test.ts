/** Random histories against the model: one after the other, and interleaved. */
import fc from 'fast-check';
import { expect, inject, it } from 'vitest';
import { walk } from '../support/api.ts';
import { pretendTime } from '../support/clock.ts';
import { checkHistory, checkInterleaving, history, interleaving } from './histories.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Runs of each property; `npm run soak -- histories <runs>` provides more, and is part of every full check (.ci/run). */
    modelRuns?: number;
  }
}

const numRuns = inject('modelRuns') ?? 24;

pretendTime();

it('a history of operations, evictions and alarms does what the model says, to the millisecond', async () => {
  await fc.assert(
    fc.asyncProperty(history, async (steps) => {
      await checkHistory(steps);
    }),
    { numRuns },
  );
});

it('operations sent at once have a serial explanation, and one audit entry each', async () => {
  await fc.assert(
    fc.asyncProperty(interleaving, async (rounds) => {
      await checkInterleaving(rounds);
    }),
    { numRuns },
  );
});

it('the walk sees nothing of another tenant', async () => {
  expect((await walk('/tenants')).length).toBeGreaterThan(0);
});
