/** Questions before something ends for good. */
import { UsageError } from '../exit.ts';
import { printable } from '../output/text.ts';
import { isGiven, type Run } from './command.ts';

/**
 * Resolves when somebody says yes, or said so with `--yes`. With `expected`, he has to type that text. Without a
 * terminal nobody can be asked, and the command does nothing.
 */
export async function confirm(run: Run, question: string, expected?: string): Promise<void> {
  if (isGiven(run, 'yes')) return;
  const { stdin, stderr } = run.io;
  if (!stdin.isTTY || !stderr.isTTY) throw new UsageError('This cannot be undone: say --yes', { showUsage: false });
  const how = expected === undefined ? '[y/N]' : `Type ${printable(expected)} to go on:`;
  const answer = await stdin.ask(`${question} ${how} `, { hidden: false });
  const isYes = expected === undefined ? /^y(?:es)?$/i.test(answer.trim()) : answer.trim() === expected;
  if (!isYes) throw new UsageError('Nothing was done', { showUsage: false });
}
