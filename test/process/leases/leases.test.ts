import { expect, it } from 'vitest';
import { leases } from './campaign.ts';

it('no isolate tells the old state in an answer to a request sent after the call that ended it has returned', async () => {
  const report = await leases(100, () => {});
  expect(report.endings).toBe(100);
  // Leases were at work: without the wait these answers would have been wrong.
  expect(report.leasedMeanwhile).toBeGreaterThan(0);
});
