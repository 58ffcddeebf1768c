import { expect, it } from 'vitest';
import { leases } from './campaign.ts';

/** Each change is made once or twice. */
const CHANGES = 40;

it('no isolate and no client uses the old state for a request that is sent after the change has returned', async () => {
  const report = await leases(CHANGES, () => {}, 1);
  expect(report.changes).toBe(CHANGES);
  // Leases were in use: without the wait these results would have been wrong.
  expect(report.oldMeanwhile).toBeGreaterThan(0);
  expect(report.clientsFromMemory).toBeGreaterThan(0);
});
