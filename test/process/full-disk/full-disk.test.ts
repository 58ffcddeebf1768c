import { expect, it } from 'vitest';
import { fullDisk } from './campaign.ts';

/** `npm run soak -- full-disk <keys>` runs with more keys. */
const KEYS = 100;

it('on a full disk keys verify and can be ended, all else is refused, and with space again all works', async ({
  skip,
}) => {
  const report = await fullDisk(KEYS);
  if ('skipped' in report) return skip(report.skipped);
  expect(report.keys).toBeGreaterThanOrEqual(KEYS);
  expect(report.ended).toBeGreaterThan(0);
  expect(report.refused).toBeGreaterThan(0);
  expect(report.verifications).toBeGreaterThan(0);
});
