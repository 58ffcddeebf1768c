/** The command line: from arguments to an exit code. It never throws, and never prints a secret on stderr. */
import { KeysteadError } from '../http/errors.ts';
import { GLOBAL_FLAGS } from './arguments/global-flags.ts';
import { type Given, nearest, parse } from './arguments/parse.ts';
import { commandsOf, findCommand, NOUNS } from './commands/all-commands.ts';
import type { Command, Printer, Run } from './commands/command.ts';
import { onlyStdin } from './commands/verify.ts';
import { EXIT, Unfinished, UsageError } from './exit.ts';
import { commandHelp, nounHelp, programHelp, usageLine } from './help.ts';
import type { Io } from './io.ts';
import { printerOf } from './output/print.ts';
import { Connection } from './profile/connection.ts';
import { VERSION } from './version.ts';

export async function main(argv: readonly string[], io: Io): Promise<number> {
  let command: Command | null = null;
  let printer = printerOf(io, { json: false, quiet: false });
  try {
    const { words, flags } = parse(argv, GLOBAL_FLAGS, { lenient: true });
    printer = printerOf(io, { json: isOn(flags, 'json'), quiet: isOn(flags, 'quiet') });
    if (isOn(flags, 'version')) return await printLine(printer, VERSION);
    const isHelp = words[0] === 'help' || isOn(flags, 'help');
    const named = words[0] === 'help' ? words.slice(1) : words;
    const found = findCommand(named);
    // `keystead usage` alone is a noun with one verb, and `keystead keys` a noun that waits for one.
    if (found === null) return await showHelp(named, isHelp, printer);
    command = found.command;
    if (isHelp) return await printLine(printer, commandHelp(command).trimEnd());
    return await runCommand(command, found.length, argv, io, printer);
  } catch (error) {
    return report(error, command, printer);
  }
}

const isOn = (flags: Given['flags'], name: string): boolean => flags.get(name)?.at(-1) === 'true';

async function printLine(printer: Printer, text: string): Promise<number> {
  await printer.out(`${text}\n`);
  return EXIT.ok;
}

/** The help for words that are no command: on stdout when it was asked for, else as a mistake. */
async function showHelp([noun, verb]: readonly string[], isHelp: boolean, printer: Printer): Promise<number> {
  const isNoun = noun !== undefined && commandsOf(noun).length > 0;
  if (noun === undefined || (isNoun && verb === undefined)) {
    const text = noun === undefined ? programHelp() : nounHelp(noun);
    if (isHelp || noun !== undefined) return printLine(printer, text.trimEnd());
    await printer.out(text);
    return EXIT.usage;
  }
  const known = isNoun ? commandsOf(noun).flatMap(({ words }) => words[1] ?? []) : NOUNS;
  // The word is not repeated, unless it is a slip of one that there is: it may be a key string.
  const near = nearest((isNoun ? verb : noun) ?? '', known);
  const hint = near === null ? `; see: keystead ${isNoun ? `${noun} ` : ''}--help` : `; did you mean ${near}?`;
  throw new UsageError(`There is no such ${isNoun ? `command of ${noun}` : 'command'}${hint}`);
}

async function runCommand(
  command: Command,
  length: number,
  argv: readonly string[],
  io: Io,
  printer: Printer,
): Promise<number> {
  const { words, flags } = parse(argv, [...GLOBAL_FLAGS, ...command.flags]);
  const positionals = words.slice(length);
  checkPositionals(command, positionals);
  const text = (name: string) => flags.get(name)?.at(-1);
  const usesTenant = command.takesTenant || TENANT_AS_FILTER.has(command.words.join(' '));
  if (text('tenant') !== undefined && !usesTenant) throw new UsageError('--tenant means nothing to this command');
  const connection = new Connection(io, {
    url: text('url'),
    profile: text('profile'),
    tenant: text('tenant'),
    timeout: text('timeout'),
    verbose: isOn(flags, 'verbose'),
  });
  const run: Run = { io, command, positionals, flags, connection, printer };
  return command.run(run);
}

/** Commands that take `--tenant` though their path has none. */
const TENANT_AS_FILTER: ReadonlySet<string> = new Set(['keys verify', 'login']);

function checkPositionals({ positionals, words }: Command, given: readonly string[]): void {
  if (words.join(' ') === 'keys verify') {
    if (given.length !== 1 || given[0] !== '-') throw onlyStdin();
    return;
  }
  const missing = positionals.filter(({ required }) => required)[given.length];
  if (missing !== undefined) throw new UsageError(`${missing.name} is missing`);
  const takesRest = positionals.some(({ rest }) => rest === true);
  if (!takesRest && given.length > positionals.length) {
    const takes = positionals.length === 0 ? 'no words' : positionals.map(({ name }) => name).join(' ');
    throw new UsageError(`There are too many words: this command takes ${takes}`);
  }
}

/** Says on stderr what went wrong, and returns the exit code for it. */
async function report(error: unknown, command: Command | null, printer: Printer): Promise<number> {
  const say = (text: string) => printer.warn(`keystead: ${text}`);
  if (error instanceof UsageError) {
    await say(error.message);
    for (const line of error.more) await printer.warn(line);
    if (error.showUsage && command !== null) await printer.warn(`Usage: ${usageLine(command)}`);
    return EXIT.usage;
  }
  if (error instanceof Unfinished) {
    await say(`${error.message}.`);
    return error.code;
  }
  if (error instanceof KeysteadError) return reportRefusal(error, say, printer);
  // The reader of stdout has gone: `keystead … | head`.
  if ((error as NodeJS.ErrnoException).code === 'EPIPE') return EXIT.ok;
  // A mistake in the program. The message could hold anything, the names of places in it cannot.
  const frames = String((error as Error)?.stack ?? '')
    .split('\n')
    .filter((line) => line.startsWith('    at '));
  await say('Something went wrong in the command itself. Please report it, with these lines:');
  for (const frame of frames.slice(0, 5)) await printer.warn(frame);
  return EXIT.refused;
}

async function reportRefusal(
  error: KeysteadError,
  say: (text: string) => Promise<void>,
  printer: Printer,
): Promise<number> {
  const { code, status, message, requestId, retryAfterMs, errors = [] } = error;
  if (code === 'aborted') {
    await say('Interrupted.');
    return EXIT.interrupted;
  }
  const request = requestId === null ? '' : ` (request ${requestId})`;
  await say(`${status === 0 ? '' : `${status} `}${code}: ${message}${request}`);
  for (const { path, message: text } of errors) await printer.warn(`  ${path}: ${text}`);
  if (retryAfterMs !== null) await printer.warn(`  Try again in ${Math.ceil(retryAfterMs / 1000)} s.`);
  if (code === 'unauthenticated') await printer.warn('  The token is not known. keystead login stores another one.');
  return status >= 400 && status < 500 && status !== 429 ? EXIT.refused : EXIT.unavailable;
}
