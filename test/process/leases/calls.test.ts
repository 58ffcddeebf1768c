/** How many calls verifications make to the object of their tenant, on the real server. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { range } from '../campaign.ts';
import { temporaryFolder } from '../server.ts';
import { leaseCalls } from './calls-campaign.ts';
import { CountedServer } from './counted.ts';

const KEYS = 20;
const LEASE_SECONDS = 5;
const CALL_MS = 300;
const BURST = 500;
/** One call answers a burst. On a machine that is so busy that some wait in vain for it, a few more are made. */
const CALLS_MAX = 3;
/** Longer than a verification waits for the call of another one. */
const SLOW_CALL_MS = 1500;
/** Few, so that the object is what is slow, and not the machine. */
const SLOW_BURST = 100;

/** A tenant whose keys an isolate holds, just after the lease has ended. */
async function endedLease({ client }: CountedServer): Promise<readonly string[]> {
  await client.createTenant('burst', { leaseSeconds: LEASE_SECONDS });
  const keys = await client.createKeys(
    'burst',
    range(KEYS).map((i) => ({ name: `key ${i}` })),
  );
  const secrets = keys.map(({ secret }) => secret);
  for (const secret of secrets) await client.verify(secret);
  await sleep(LEASE_SECONDS * 1000);
  return secrets;
}

/** Verifies all keys many times at once. Returns the codes. */
async function burst({ client }: CountedServer, secrets: readonly string[], n = BURST): Promise<ReadonlySet<string>> {
  const answers = await Promise.all(range(n).map((i) => client.verify(secrets[i % secrets.length] ?? '')));
  return new Set(answers.map(({ code }) => code));
}

describe.concurrent('verifications', () => {
  it('make few calls while all keys are used evenly', async () => {
    const { one, many } = await leaseCalls(500, () => {}, 3);
    expect([one.tenants, many.tenants]).toEqual([1, 5]);
  });

  it('make one call when many are sent just after the lease has ended', async () => {
    using folder = temporaryFolder();
    await using server = await CountedServer.start(folder.path);
    const secrets = await endedLease(server);
    await server.delayCalls(CALL_MS);
    expect(await burst(server, secrets)).toEqual(new Set(['VALID']));
    expect((await server.calls()).verifyKey).toBeLessThanOrEqual(KEYS + CALLS_MAX);
  });

  it('make a call a second, not all of them, when the object is slow', async () => {
    using folder = temporaryFolder();
    await using server = await CountedServer.start(folder.path);
    const secrets = await endedLease(server);
    await server.delayCalls(SLOW_CALL_MS);
    expect(await burst(server, secrets, SLOW_BURST)).toEqual(new Set(['VALID']));
    expect((await server.calls()).verifyKey).toBeLessThan(KEYS + SLOW_BURST / 4);
  });

  it('make one call even if the client that sent the first of them has gone', async () => {
    using folder = temporaryFolder();
    await using server = await CountedServer.start(folder.path);
    const secrets = await endedLease(server);
    await server.delayCalls(CALL_MS);
    const leaving = new AbortController();
    const request = server.client.send('POST', '/keys/verify', { key: secrets[0] }, undefined, {}, leaving.signal);
    const left = request.catch(() => null);
    await sleep(CALL_MS / 3);
    leaving.abort();
    await left;
    expect(await burst(server, secrets)).toEqual(new Set(['VALID']));
    expect((await server.calls()).verifyKey).toBeLessThanOrEqual(KEYS + CALLS_MAX);
  });
});
