import { expect, it } from 'vitest';
import { leases } from './campaign.ts';

it('no isolate says VALID in a verification sent after the call that ended the key has returned', async () => {
  const report = await leases(100, () => {});
  expect(report.endings).toBe(100);
  // Leases were at work: without the wait these answers would have been wrong.
  expect(report.leasedMeanwhile).toBeGreaterThan(100);
});
