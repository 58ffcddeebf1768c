/**
 * `npm run soak -- <campaign> <size>` runs the campaigns that the tests run small, at any size. The exit code is 1 when
 * one finds a fault.
 */
import { inspect } from 'node:util';
import type { Progress } from './campaign.ts';
import { credits } from './credits/campaign.ts';
import { fullDisk } from './full-disk/campaign.ts';
import { gateways } from './gateways/campaign.ts';
import { grace } from './grace/campaign.ts';
import { histories, leaseHistories, limitHistories } from './histories/campaign.ts';
import { hostile } from './hostile/campaign.ts';
import { importHashes } from './import/campaign.ts';
import { kill9 } from './kill9/campaign.ts';
import { leaseCalls } from './leases/calls-campaign.ts';
import { leases } from './leases/campaign.ts';
import { limits } from './limits/campaign.ts';
import { lostAnswers } from './lost-answers/campaign.ts';
import { memory } from './memory/campaign.ts';
import { metrics } from './metrics/campaign.ts';
import { owner } from './owner/campaign.ts';
import { reseal } from './reseal/campaign.ts';
import { walk } from './walk/campaign.ts';

/** A campaign of the given size. It reports its progress in lines, resolves with what it did and throws at a fault. */
type Campaign = (size: number, progress: Progress) => Promise<object>;

const CAMPAIGNS: ReadonlyMap<string, { readonly size: string; readonly run: Campaign }> = new Map([
  ['kill9', { size: 'rounds', run: kill9 }],
  ['histories', { size: 'runs', run: histories }],
  ['lease-histories', { size: 'runs', run: leaseHistories }],
  ['limit-histories', { size: 'runs', run: limitHistories }],
  ['leases', { size: 'changes', run: leases }],
  ['lease-calls', { size: 'keys', run: leaseCalls }],
  ['limits', { size: 'verifications', run: limits }],
  ['credits', { size: 'rounds', run: credits }],
  ['reseal', { size: 'keys', run: reseal }],
  ['owner', { size: 'keys', run: owner }],
  ['lost-answers', { size: 'mutations', run: lostAnswers }],
  ['hostile', { size: 'requests', run: hostile }],
  ['walk', { size: 'keys', run: walk }],
  ['grace', { size: 'keys', run: grace }],
  ['gateways', { size: 'rounds', run: gateways }],
  ['import', { size: 'hashes', run: importHashes }],
  ['full-disk', { size: 'keys', run: fullDisk }],
  ['memory', { size: 'keys', run: memory }],
  ['metrics', { size: 'tenants', run: metrics }],
]);

const [name = '', sizeText = ''] = process.argv.slice(2);
const campaign = CAMPAIGNS.get(name);
if (campaign === undefined || !/^[1-9]\d{0,6}$/.test(sizeText)) {
  console.error('Usage: npm run soak -- <campaign> <size>, with one of:');
  for (const [known, { size }] of CAMPAIGNS) console.error(`  ${known} <${size}>`);
  process.exit(2);
}

try {
  const startedAt = Date.now();
  const report = await campaign.run(Number(sizeText), (line) => console.log(line));
  console.log(`${name}: ${JSON.stringify({ ...report, seconds: Math.round((Date.now() - startedAt) / 1000) })}`);
} catch (error) {
  // With its cause, in which a failed property says why.
  console.error(`${name}: ${inspect(error)}`);
  process.exitCode = 1;
}
