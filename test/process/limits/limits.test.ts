import { expect, it } from 'vitest';
import { limits } from './campaign.ts';

const VERIFICATIONS = 1500;

it('limits hold in every interval, through four isolates, whatever is changed and killed meanwhile', async () => {
  const report = await limits(VERIFICATIONS, () => {});
  // Keys were used up, so a limit that is too high would have shown.
  expect(report.fullest).toBe(1);
  expect(report.rotations).toBeGreaterThan(0);
  expect(report.limitChanges).toBeGreaterThan(0);
});
