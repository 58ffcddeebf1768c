/** All commands: one for each operation of the API, and those for the profiles. */
import { OPERATIONS } from '../api/operations.ts';
import { CREATE_MANY } from '../bulk/create-many.ts';
import { IMPORT } from '../bulk/import.ts';
import type { Command } from './command.ts';
import { CLEANUP, RESEAL, REVOKE_MANY } from './long-work.ts';
import { commandOf, type Differences } from './operation-command.ts';
import { PROFILE_COMMANDS } from './profile-commands.ts';
import { VERIFY } from './verify.ts';

/** What is more than a request and its answer. */
const DIFFERENCES: Readonly<Record<string, Differences>> = {
  'keys.verify': VERIFY,
  'keys.createMany': CREATE_MANY,
  'keys.revokeMany': REVOKE_MANY,
  'keys.import': IMPORT,
  'encryption.reseal': RESEAL,
  'cleanup.run': CLEANUP,
};

export const COMMANDS: readonly Command[] = [
  ...OPERATIONS.map((operation) => commandOf(operation, DIFFERENCES[operation.id])),
  ...PROFILE_COMMANDS,
];

const wordsOf = ({ words, aliases = [] }: Command): readonly (readonly string[])[] => [words, ...aliases];

/** The command that the words begin with, and how many of them are its name. The longest name counts. */
export function findCommand(words: readonly string[]): { readonly command: Command; readonly length: number } | null {
  for (const length of [2, 1]) {
    const name = words.slice(0, length).join(' ');
    const command = COMMANDS.find((candidate) =>
      wordsOf(candidate).some((own) => own.length === length && own.join(' ') === name),
    );
    if (command !== undefined) return { command, length };
  }
  return null;
}

/** The commands whose name begins with this word. */
export const commandsOf = (noun: string): readonly Command[] =>
  COMMANDS.filter((command) => wordsOf(command).some(([first]) => first === noun));

export const NOUNS: readonly string[] = [
  ...new Set(COMMANDS.flatMap((command) => wordsOf(command).map(([first = '']) => first))),
];
