/**
 * Credits over HTTP, with four isolates: 50 callers spend them while balances and refills are changed, and the server
 * is killed, round after round. Never more may be spent than there is, by any order of events that the times of
 * requests and answers allow (ledger.ts). After each restart the balance is what was there less what was spent, to
 * within the calls that had no answer. Changes without an answer are repeated after the restart, and made once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { demand, oneOf, type Progress, range } from '../campaign.ts';
import type { KeyWithSecret } from '../client.ts';
import { Isolates } from '../limits/isolates.ts';
import { temporaryFolder } from '../server.ts';
import { type Account, createAccounts } from './accounts.ts';

const CALLERS = 50;
/** Balances at the start of a round. */
const BALANCE_MIN = 20;
const BALANCE_MAX = 300;
/** The kill comes at a random moment in this time (ms) after a balance was used up. */
const KILL_WITHIN_MS = 700;
/** How long a round waits for that (ms), and how often it looks. */
const USED_UP_WITHIN_MS = 5000;
const POLL_MS = 10;
/** Pause between two changes of one balance. */
const CHANGE_EVERY_MS = 40;
const GRACE_SECONDS = 86_400;

export type CreditsReport = {
  readonly rounds: number;
  /** Units spent by verifications that were answered. */
  readonly spent: number;
  /** Verifications that were refused for want of credits. */
  readonly refusals: number;
  readonly changes: number;
  /** Verifications without an answer, which may have been charged. */
  readonly unanswered: number;
  /** Units by which a balance was uncertain at most, and units that were charged without an answer. */
  readonly uncertainMax: number;
  readonly chargedUnanswered: number;
};

/** Runs so many rounds, each with a kill. Throws at the first fault. */
export async function credits(rounds: number, progress: Progress): Promise<CreditsReport> {
  using folder = temporaryFolder();
  await using isolates = new Isolates(folder.path);
  await isolates.start();
  const accounts = await createAccounts(isolates.any);
  const [all, counts] = [[accounts.rotated, ...accounts.others], { changes: 0, uncertainMax: 0, chargedUnanswered: 0 }];
  for (let round = 1; round <= rounds; round++) {
    await rotate(isolates, accounts.rotated);
    for (const account of all) await account.set(isolates.any, between(BALANCE_MIN, BALANCE_MAX));
    const working = Promise.all([
      ...range(CALLERS).map((i) => call(isolates, all, i)),
      ...all.map((account) => change(isolates, account, counts)),
    ]);
    // An error is thrown at the end of the round.
    working.catch(() => {});
    await usedUp(all);
    await sleep(Math.random() * KILL_WITHIN_MS);
    await isolates.kill();
    await working;
    await isolates.start();
    for (const account of all) await check(isolates, account, counts);
    progress(`round ${round} of ${rounds}: ${sum(all, ({ spent }) => spent)} units spent`);
  }
  return {
    rounds,
    spent: sum(all, ({ spent }) => spent),
    refusals: sum(all, ({ refusals }) => refusals),
    unanswered: sum(all, ({ unanswered }) => unanswered),
    ...counts,
  };
}

/** Waits until something is refused. */
async function usedUp(accounts: readonly Account[]): Promise<void> {
  const refusals = () => sum(accounts, (account) => account.refusals);
  const before = refusals();
  const end = performance.now() + USED_UP_WITHIN_MS;
  while (refusals() === before && performance.now() < end) await sleep(POLL_MS);
}

/** One caller, who verifies until the server is gone. */
async function call(isolates: Isolates, accounts: readonly Account[], i: number): Promise<void> {
  const client = isolates.clients[i % isolates.clients.length];
  while (client !== undefined && (await oneOf(accounts).verify(client)));
}

/** Changes one balance until the server is gone. */
async function change(isolates: Isolates, account: Account, counts: { changes: number }): Promise<void> {
  for (; isolates.clients.length > 0; await sleep(CHANGE_EVERY_MS)) {
    if (!(await account.change(isolates.any))) return;
    counts.changes += 1;
  }
}

/** The key and its successor draw on the same credits, so both are used from then on. */
async function rotate({ any: client }: Isolates, account: Account): Promise<void> {
  const before = await account.remaining(client);
  const { status, body } = await client.send<{ readonly key: KeyWithSecret }>('POST', `${account.path}/rotate`, {
    gracePeriodSeconds: GRACE_SECONDS,
  });
  demand(status < 300, `a rotation got status ${status}`);
  account.path = `${account.path.slice(0, account.path.lastIndexOf('/'))}/${body.key.id}`;
  account.secrets = [...account.secrets.slice(-1), body.key.secret];
  const after = await account.remaining(client);
  demand(after === before, `a rotation has made ${after} credits of ${before}`);
}

/** Compares the balance after a restart with the ledger, when the change that was under way is made. */
async function check(
  isolates: Isolates,
  account: Account,
  counts: { uncertainMax: number; chargedUnanswered: number },
) {
  const { any: client } = isolates;
  demand(await account.finish(client), `${account.path}: a repeated change got no answer`);
  const remaining = await account.remaining(client);
  const { ledger, path } = account;
  const { least, most } = ledger.bounds;
  demand(
    least <= remaining && remaining <= most,
    `${path}: ${remaining} credits after a restart, by the answers from ${least} to ${most}`,
  );
  demand(ledger.overdrawnAt === null, `${path}: more was spent than there was, at ${ledger.overdrawnAt}`);
  const [wrong] = ledger.wronglyRefused;
  demand(wrong === undefined, `${path}: credits that were there were refused: ${JSON.stringify(wrong)}`);
  counts.uncertainMax = Math.max(counts.uncertainMax, most - least);
  counts.chargedUnanswered += most - remaining;
}

const between = (min: number, max: number) => min + Math.floor(Math.random() * (max - min + 1));

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
