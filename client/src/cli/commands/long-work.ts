/**
 * Work that takes many calls: a reseal or a cleanup until nothing is left, and the revocation of many keys. Each call
 * is complete in itself, so who was interrupted starts the same command again, and it goes on with the rest.
 */
import type { Operation } from '../api/operations.ts';
import { ownFlag } from '../arguments/global-flags.ts';
import { EXIT, Unfinished, UsageError } from '../exit.ts';
import { printAnswer } from '../output/print.ts';
import { grouped, Progress } from '../output/progress.ts';
import { confirm } from './ask.ts';
import { isGiven, type Run } from './command.ts';
import { type Differences, requestOf, send } from './operation-command.ts';
import { bytesOf, readAll } from './stdin.ts';

const ONCE = ownFlag('once', null, 'Makes one call, and leaves the rest.');

/** Repeats the call until `remaining` is 0, and prints the sums of what the calls did. */
const untilDone = (verb: string): Differences => ({
  flags: [ONCE],
  description: `Calls until nothing is left. When it is interrupted, the same command goes on with the rest.`,
  run: async (run) => {
    const operation = run.command.operation as Operation;
    const progress = new Progress(run.io, run.printer);
    const sums: Record<string, unknown> = {};
    for (;;) {
      const body = (await send(run, operation, await requestOf(run, operation))).body as Record<string, unknown>;
      let done = 0;
      for (const [name, value] of Object.entries(body)) {
        const isCount = typeof value === 'number' && !/^(?:remaining|unreadable)$/.test(name);
        sums[name] = isCount ? value + Number(sums[name] ?? 0) : value;
        if (isCount && name !== 'durationMs') done += value;
      }
      const remaining = Number(body.remaining);
      await progress.show(`${verb}: ${grouped(remaining)} left`);
      if (!(remaining > 0) || isGiven(run, 'once') || done === 0) break;
    }
    await progress.clear();
    await printAnswer(run, sums, null);
    if (isGiven(run, 'once') || !(Number(sums.remaining) > 0)) return EXIT.ok;
    throw new Unfinished(`${grouped(Number(sums.remaining))} are left that no call gets done`);
  },
});

export const RESEAL = untilDone('Resealing');
export const CLEANUP = untilDone('Cleaning up');

/** How many ids one call takes. */
const IDS_PER_CALL = 500;
const MAX_IDS_BYTES = 64 * 1024 * 1024;

export const REVOKE_MANY: Differences = {
  positionals: [
    { name: 'KEY_ID', description: 'Ids of keys, or - for ids by stdin, one in a line.', required: false, rest: true },
  ],
  withoutFlags: ['ids'],
  description:
    `Each call revokes up to ${IDS_PER_CALL} keys, all or none; all keys of an owner are one call. A key that is ` +
    'revoked already stays so: when it is interrupted, the same command goes on.',
  run: revokeMany,
};

async function revokeMany(run: Run): Promise<number> {
  const operation = run.command.operation as Operation;
  const isFromStdin = run.positionals.length === 1 && run.positionals[0] === '-';
  const text = isFromStdin ? await readAll(bytesOf('-', run.io.stdin), MAX_IDS_BYTES, 'The list') : '';
  const ids = isFromStdin ? text.split(/\s+/).filter((id) => id !== '') : run.positionals;
  const isByOwner = run.flags.has('owner') || run.flags.has('body');
  if (ids.length > 0 === isByOwner) throw new UsageError('Name keys by their ids, by - or by --owner');
  const batches: (readonly string[])[] = [];
  for (let at = 0; at < ids.length; at += IDS_PER_CALL) batches.push(ids.slice(at, at + IDS_PER_CALL));
  const requests = [];
  for (const batch of isByOwner ? [undefined] : batches) {
    // All of them are checked before the first is sent.
    requests.push(await requestOf({ ...run, positionals: [] }, operation, batch === undefined ? {} : { ids: batch }));
  }
  const what = isByOwner ? 'all keys of the owner' : ids.length === 1 ? 'one key' : `${grouped(ids.length)} keys`;
  await confirm(run, `This revokes ${what}, for good.`);
  const progress = new Progress(run.io, run.printer);
  let revoked = 0;
  for (const [at, request] of requests.entries()) {
    await progress.show(`Revoking: ${grouped(at * IDS_PER_CALL)} of ${grouped(ids.length)}`);
    revoked += Number(((await send(run, operation, request)).body as { revoked: number }).revoked);
  }
  await progress.clear();
  await printAnswer(run, { revoked }, null);
  return EXIT.ok;
}
