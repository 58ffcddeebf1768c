/**
 * What share of the verifications of limited keys calls the object of the tenant, while all are evenly loaded through
 * all isolates and below half of their limits.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createMany, demand, type Progress } from '../campaign.ts';
import type { Isolates } from './isolates.ts';
import { rateLimit } from './subjects.ts';

const TICK_MS = 5;
/** Keys at 40 % of a limit of 1,000 a minute, and one at 48 % of a limit of 10,000. */
const KEYS = 20;
const LIMIT = 1000;
const RATE = 0.4;
const LARGE_LIMIT = 10_000;
const LARGE_RATE = 0.48;
const WINDOW_SECONDS = 60;
/** Before what is measured, in lengths of a lease: isolates have to see what they use. */
const WARM_UP_LEASES = 2;

export type EvenUse = {
  readonly leaseSeconds: number;
  readonly verifications: number;
  /** Share of the verifications that called the object. */
  readonly share: number;
  /** Calls that only renewed a lease, in a second. */
  readonly renewalsPerSecond: number;
};

/** Uses the keys of a new tenant for so many seconds after the warm-up. All of them must be valid. */
export async function evenUse(isolates: Isolates, leaseSeconds: number, seconds: number, progress: Progress) {
  const tenantId = `even-${leaseSeconds}`;
  await isolates.any.createTenant(tenantId, { leaseSeconds });
  const small = await createMany(isolates.any, tenantId, KEYS, () => ({
    rateLimits: [rateLimit(LIMIT, WINDOW_SECONDS)],
  }));
  const [large] = await createMany(isolates.any, tenantId, 1, () => ({
    rateLimits: [rateLimit(LARGE_LIMIT, WINDOW_SECONDS)],
  }));
  const ofSmall = (KEYS * LIMIT * RATE) / WINDOW_SECONDS;
  const ofLarge = (LARGE_LIMIT * LARGE_RATE) / WINDOW_SECONDS;
  const use = async (forSeconds: number) => {
    const [one, other] = await Promise.all([
      evenly(
        isolates,
        small.map(({ secret }) => secret),
        ofSmall,
        forSeconds,
      ),
      evenly(isolates, [large?.secret ?? ''], ofLarge, forSeconds),
    ]);
    return one + other;
  };
  await use(WARM_UP_LEASES * leaseSeconds);
  const before = await isolates.calls();
  const verifications = await use(seconds);
  const after = await isolates.calls();
  const report: EvenUse = {
    leaseSeconds,
    verifications,
    share: Math.round(((after.verifyKey - before.verifyKey) / verifications) * 1000) / 1000,
    renewalsPerSecond: Math.round(((after.renewLease - before.renewLease) / seconds) * 10) / 10,
  };
  progress(`evenly below half: ${JSON.stringify(report)}`);
  return report;
}

/** Verifies the keys in turns, and each through all isolates in turns. Returns how many verifications there were. */
async function evenly(isolates: Isolates, secrets: readonly string[], perSecond: number, seconds: number) {
  const { clients } = isolates;
  const pending: Promise<void>[] = [];
  const startedAt = performance.now();
  for (; ; await sleep(TICK_MS)) {
    const elapsed = (performance.now() - startedAt) / 1000;
    if (elapsed >= seconds) break;
    while (pending.length < elapsed * perSecond) {
      const i = pending.length;
      const key = secrets[i % secrets.length] ?? '';
      const client = clients[Math.floor(i / secrets.length) % clients.length];
      const verifying = (async () => {
        const code = (await client?.verify(key))?.code;
        demand(code === 'VALID', `a key below half of its limit got ${code}`);
      })();
      // A failure is thrown at the end, when all of them are awaited.
      verifying.catch(() => {});
      pending.push(verifying);
    }
  }
  await Promise.all(pending);
  return pending.length;
}
