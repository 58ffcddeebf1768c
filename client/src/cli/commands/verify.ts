/** `keystead verify -`: whether a key string from stdin is good. The exit code says so too. */
import type { Operation } from '../api/operations.ts';
import { EXIT, UsageError } from '../exit.ts';
import { printAnswer } from '../output/print.ts';
import type { Run } from './command.ts';
import { type Differences, requestOf, send } from './operation-command.ts';
import { readSecret } from './stdin.ts';

export const VERIFY: Differences = {
  aliases: [['verify']],
  withoutFlags: ['key', 'tenantId'],
  positionals: [{ name: '-', description: 'The key string comes by stdin, never as an argument.', required: true }],
  run: verify,
};

async function verify(run: Run): Promise<number> {
  const operation = run.command.operation as Operation;
  const { tenant } = run.connection;
  const members = { key: '', ...(tenant === undefined ? {} : { tenantId: tenant }) };
  // Mistakes in the arguments are told before anybody has typed a key string.
  const request = await requestOf({ ...run, positionals: [] }, operation, members);
  const key = await readSecret('Key string: ', run.io.stdin);
  if (key === '') throw new UsageError('No key string came by stdin', { showUsage: false });
  const { body } = await send(run, operation, { ...request, body: { ...request.body, key } });
  const { valid } = body as { readonly valid?: unknown };
  if (!run.printer.quiet) await printAnswer(run, body, null);
  return valid === true ? EXIT.ok : EXIT.no;
}

/** What stands where `-` should is not repeated: it may be the key string. */
export const onlyStdin = (): UsageError =>
  new UsageError('A key string is read from stdin, never from an argument, where others can see it: keystead verify -');
