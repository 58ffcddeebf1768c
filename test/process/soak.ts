/** `npm run soak -- <campaign> <size>`: the campaigns that the tests run small, at any size. Exit code 1 when one finds something wrong. */
import { inspect } from 'node:util';
import type { Progress } from './campaign.ts';
import { fullDisk } from './full-disk/campaign.ts';
import { grace } from './grace/campaign.ts';
import { histories } from './histories/campaign.ts';
import { hostile } from './hostile/campaign.ts';
import { kill9 } from './kill9/campaign.ts';
import { leases } from './leases/campaign.ts';
import { lostAnswers } from './lost-answers/campaign.ts';
import { memory } from './memory/campaign.ts';
import { owner } from './owner/campaign.ts';
import { reseal } from './reseal/campaign.ts';
import { walk } from './walk/campaign.ts';

/** A campaign of the given size reports its progress by lines, resolves with what it did and throws when something is wrong. */
type Campaign = (size: number, progress: Progress) => Promise<object>;

const CAMPAIGNS: ReadonlyMap<string, { readonly size: string; readonly run: Campaign }> = new Map([
  ['kill9', { size: 'rounds', run: kill9 }],
  ['histories', { size: 'runs', run: histories }],
  ['leases', { size: 'keys', run: leases }],
  ['reseal', { size: 'keys', run: reseal }],
  ['owner', { size: 'keys', run: owner }],
  ['lost-answers', { size: 'mutations', run: lostAnswers }],
  ['hostile', { size: 'requests', run: hostile }],
  ['walk', { size: 'keys', run: walk }],
  ['grace', { size: 'keys', run: grace }],
  ['full-disk', { size: 'keys', run: fullDisk }],
  ['memory', { size: 'keys', run: memory }],
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
  // With its cause, which is where a property that failed says why.
  console.error(`${name}: ${inspect(error)}`);
  process.exitCode = 1;
}
