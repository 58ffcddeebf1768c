/**
 * A key whose last use an isolate has decided itself, under a lease. Only the first use in each minute is recorded, so
 * the server's clock is set such that a minute ends soon.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { demand } from './campaign.ts';
import type { KeyWithSecret } from './client.ts';
import { built, newSecrets, Runtime, type RuntimeEnv } from './runtime.ts';

const MINUTE_MS = 60_000;
/** Time to prepare the server until the minute ends. */
const MINUTE_ENDS_IN_MS = 8000;
/** How long before the end of the minute keys are used by a call to their object. */
const CALLED_BEFORE_MS = 1500;

export const TENANT = 'quiet';

/** A server with a key that was used before and after a minute had begun, and another one that was used only before. */
export type QuietUses = {
  readonly runtime: Runtime;
  /** For a restart on the same data. */
  readonly restart: () => Promise<Runtime>;
  readonly used: KeyWithSecret;
  readonly other: KeyWithSecret;
  /** The minute before, and the one that has begun, in the form of `lastUsedAt`. */
  readonly minutes: readonly [string, string];
};

/** The key `used` has replaced another one. Its last use was the last request. `leaseSeconds` must be more than 3. */
export async function quietUses(dataDir: string, leaseSeconds: number): Promise<QuietUses> {
  await built();
  const minuteAt = Date.now() + MINUTE_ENDS_IN_MS;
  const aheadMs = MINUTE_MS - (minuteAt % MINUTE_MS);
  const env: RuntimeEnv = { ...newSecrets(), CLOCK_AHEAD_MS: String(aheadMs) };
  const restart = () => Runtime.start(join(import.meta.dirname, 'shifted-clock.capnp'), dataDir, { env });
  const runtime = await restart();
  try {
    const { client } = runtime;
    await client.createTenant(TENANT, { leaseSeconds });
    const { key: used } = await client.rotateKey(TENANT, (await client.createKey(TENANT)).id);
    const other = await client.createKey(TENANT);
    await sleep(Math.max(0, minuteAt - CALLED_BEFORE_MS - Date.now()));
    for (const { secret } of [used, other]) demand((await client.verify(secret)).valid, 'a key is not valid');
    demand(Date.now() < minuteAt, 'the machine is too slow for this test');
    await sleep(Math.max(0, minuteAt + 1 - Date.now()));
    demand((await client.verify(used.secret)).valid, 'a key is not valid under a lease');
    const minute = (at: number) => new Date(at + aheadMs).toISOString();
    return { runtime, restart, used, other, minutes: [minute(minuteAt - MINUTE_MS), minute(minuteAt)] };
  } catch (error) {
    await runtime[Symbol.asyncDispose]();
    throw error;
  }
}
