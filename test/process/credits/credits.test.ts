import { expect, it } from 'vitest';
import { credits } from './campaign.ts';

const ROUNDS = 2;

it('credits are never spent twice, and none are lost in a crash beyond the calls under way', async () => {
  const report = await credits(ROUNDS, () => {});
  expect(report.spent).toBeGreaterThan(0);
  // There was nothing left now and then, so that spending more would have shown.
  expect(report.refusals).toBeGreaterThan(0);
});
