import { expect, it } from 'vitest';
import { leases } from './campaign.ts';

it('no isolate uses the old state for a request that is sent after the call that ended it has returned', async () => {
  const report = await leases(100, () => {});
  expect(report.endings).toBe(100);
  // Leases were in use: without the wait these results would have been wrong.
  expect(report.leasedMeanwhile).toBeGreaterThan(0);
});
