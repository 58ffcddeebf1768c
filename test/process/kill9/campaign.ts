/**
 * `kill -9` of the whole server during concurrent writes, round after round on the same data. After each round the
 * tenants of that round are checked, after the last one all tenants again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../client.ts';
import { startServer, temporaryFolder } from '../server.ts';
import { type CheckedTenant, checkTenant } from './check.ts';
import { TenantTraffic } from './traffic.ts';

const TENANTS_PER_ROUND = 2;
/** The kill comes at a random moment in this span, while the clients run at full speed (ms). */
const KILL_AFTER_MIN_MS = 150;
const KILL_AFTER_MAX_MS = 650;

export type Kill9Report = CheckedTenant & { readonly rounds: number };

/** Runs the campaign and throws at the first fault. Calls `progress` after each round. */
export async function kill9(rounds: number, progress: (line: string) => void = () => {}): Promise<Kill9Report> {
  using folder = temporaryFolder();
  const all: TenantTraffic[] = [];
  let last: TenantTraffic[] = [];
  for (let round = 1; round <= rounds; round++) {
    await using server = await startServer(folder.path);
    const client = new Client(server);
    await checkAll(client, last);
    last = await Promise.all(
      Array.from({ length: TENANTS_PER_ROUND }, async (_, i) => {
        const { id } = await client.createTenant(`round-${round}-${i}`);
        return new TenantTraffic(id, client);
      }),
    );
    all.push(...last);
    const running = last.map((traffic) => traffic.run());
    await sleep(KILL_AFTER_MIN_MS + Math.random() * (KILL_AFTER_MAX_MS - KILL_AFTER_MIN_MS));
    await server.killGroup();
    await Promise.all(running);
    progress(`round ${round} of ${rounds}: killed after ${sum(last, ({ attempts }) => attempts.length)} writes`);
  }
  await using server = await startServer(folder.path);
  const checked = await checkAll(new Client(server), all);
  return {
    rounds,
    acknowledged: sum(checked, ({ acknowledged }) => acknowledged),
    unanswered: sum(checked, ({ unanswered }) => unanswered),
    unansweredApplied: sum(checked, ({ unansweredApplied }) => unansweredApplied),
  };
}

async function checkAll(client: Client, tenants: readonly TenantTraffic[]): Promise<CheckedTenant[]> {
  const checked: CheckedTenant[] = [];
  for (const traffic of tenants) checked.push(await checkTenant(client, traffic));
  return checked;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
