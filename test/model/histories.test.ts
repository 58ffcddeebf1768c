/** Random histories compared with the model: sequential and concurrent. */
import fc from 'fast-check';
import { expect, inject, it } from 'vitest';
import { walk } from '../support/api.ts';
import { hurryTimers, pretendTime } from '../support/clock.ts';
import { checkHistory, checkInterleaving, history, interleaving } from './histories.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /**
     * Runs of each property. `npm run soak -- histories <runs>` sets it higher and is part of every full check
     * (.ci/run).
     */
    modelRuns?: number;
  }
}

const numRuns = inject('modelRuns') ?? 16;

pretendTime();
hurryTimers();

it('a history of commands, evictions and alarms agrees with the model, to the millisecond', async () => {
  await fc.assert(
    fc.asyncProperty(history, async (steps) => {
      await checkHistory(steps);
    }),
    { numRuns },
  );
});

it('concurrent commands have a serial explanation, and one audit entry each', async () => {
  await fc.assert(
    fc.asyncProperty(interleaving, async (rounds) => {
      await checkInterleaving(rounds);
    }),
    { numRuns },
  );
});

it('a list shows nothing of another tenant', async () => {
  expect((await walk('/tenants')).length).toBeGreaterThan(0);
});
