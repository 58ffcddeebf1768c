/**
 * How many calls to objects the verifications of one isolate make while all keys are used evenly. The object of a
 * tenant in use is asked once in the length of a lease, however many keys the tenant has. If it has many, nearly all
 * verifications need no call.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createMany, demand, inParallel, type Progress, range } from '../campaign.ts';
import { temporaryFolder } from '../server.ts';
import { CountedServer } from './counted.ts';

const RATE_PER_SECOND = 400;
const LEASE_SECONDS = 1;
const MEASURED_SECONDS = 10;
/** Below this rate the share of verifications that make a call says more about the machine than about leases. */
const RATE_MIN = 200;
const TICK_MS = 10;
const AT_ONCE = 16;
const KEYS_OF_TENANT = 100;

/** Calls to the object of a tenant in use, in the length of a lease. */
const CALLS_MAX = 1.1;
/**
 * The first use of each key in a minute is reported. One call reports so many, so there are more calls when a minute
 * has begun and a tenant has many keys.
 */
const USES_OF_CALL = 200;
/** Verifications of a tenant with many keys that make a call. */
const SHARE_MAX = 0.01;

export type CallsReport = {
  readonly keys: number;
  readonly tenants: number;
  readonly verifications: number;
  readonly perSecond: number;
  /** Share of the verifications that made a call. */
  readonly share: number;
  /** Calls to each object in the length of a lease: all, and as many as there may be. */
  readonly callsInLease: number;
  readonly callsMax: number;
};

/** Uses a fifth of so many keys as those of one tenant, and all of them as those of many tenants. */
export async function leaseCalls(keys: number, progress: Progress, seconds = MEASURED_SECONDS) {
  const one = await evenUse(Math.ceil(keys / 5), 1, seconds);
  progress(`one tenant: ${JSON.stringify(one)}`);
  demand(one.share <= SHARE_MAX || one.perSecond < RATE_MIN, `${one.share} of the verifications made a call`);
  const many = await evenUse(keys, Math.ceil(keys / KEYS_OF_TENANT), seconds);
  progress(`many tenants: ${JSON.stringify(many)}`);
  for (const { callsInLease, callsMax } of [one, many]) {
    demand(callsInLease <= callsMax, `an object was asked ${callsInLease} times in a lease, at most ${callsMax}`);
  }
  return { one, many };
}

async function evenUse(keys: number, tenants: number, seconds: number): Promise<CallsReport> {
  using folder = temporaryFolder();
  await using server = await CountedServer.start(folder.path);
  const { client } = server;
  const created = await Promise.all(
    range(tenants).map(async (tenant) => {
      await client.createTenant(`t${tenant}`, { leaseSeconds: LEASE_SECONDS });
      return createMany(client, `t${tenant}`, Math.ceil(keys / tenants), () => ({}));
    }),
  );
  // The tenants take turns.
  const secrets = range(keys).map((i) => created[i % tenants]?.[Math.floor(i / tenants)]?.secret ?? '');
  const verify = async (secret: string) => demand((await client.verify(secret)).valid, 'a key is not valid');
  // Each key is seen once.
  await inParallel(AT_ONCE, secrets, verify);

  const before = await server.calls();
  const [startedAt, minute] = [performance.now(), minuteNow()];
  const pending: Promise<void>[] = [];
  for (let sent = 0; ; await sleep(TICK_MS)) {
    const elapsed = (performance.now() - startedAt) / 1000;
    if (elapsed >= seconds) break;
    for (; sent < elapsed * RATE_PER_SECOND; sent++) {
      const verifying = verify(secrets[sent % keys] ?? '');
      // A failure is thrown at the end, when all of them are awaited.
      verifying.catch(() => {});
      pending.push(verifying);
    }
  }
  await Promise.all(pending);
  const after = await server.calls();
  const leases = (performance.now() - startedAt) / 1000 / LEASE_SECONDS;
  const [asked, renewed] = [after.verifyKey - before.verifyKey, after.renewLease - before.renewLease];
  const reports = Math.ceil(keys / tenants / USES_OF_CALL) * (minuteNow() - minute);
  return {
    keys,
    tenants,
    verifications: pending.length,
    perSecond: Math.round(pending.length / (leases * LEASE_SECONDS)),
    share: asked / pending.length,
    callsInLease: (asked + renewed) / tenants / leases,
    // One more, since the first and the last call are less than a lease from the ends of what was measured.
    callsMax: CALLS_MAX + (reports + 1) / leases,
  };
}

const minuteNow = () => Math.floor(Date.now() / 60_000);
