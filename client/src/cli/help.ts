/** Help texts: of the program, of a noun, of a command. All are made from the list of commands. */

import type { Flag } from './arguments/flags.ts';
import { GLOBAL_FLAGS, TENANT_FLAG } from './arguments/global-flags.ts';
import { COMMANDS, commandsOf } from './commands/all-commands.ts';
import type { Command } from './commands/command.ts';
import { padded, widthOf } from './output/text.ts';

const WIDTH = 100;
const INDENT = '  ';
/** Names longer than this have a line to themselves. */
const MAX_NAME_COLUMNS = 34;

/** `keystead keys rotate KEY_ID [flags]`. */
export function usageLine({ words, aliases = [], positionals, flags, takesTenant }: Command): string {
  const [name] = [words, ...aliases].toSorted((a, b) => a.length - b.length);
  const parts = positionals.map(({ name: word, required, rest }) => {
    const shown = `${word}${rest ? '...' : ''}`;
    return required ? shown : `[${shown}]`;
  });
  const tenant = takesTenant ? ['[--tenant ID]'] : [];
  return ['keystead', ...(name ?? words), ...parts, ...tenant, ...(flags.length > 0 ? ['[flags]'] : [])].join(' ');
}

export function programHelp(): string {
  const nouns = new Map<string, string[]>();
  for (const { words } of COMMANDS) {
    const [noun = '', verb = ''] = words;
    nouns.set(noun, [...(nouns.get(noun) ?? []), ...(verb === '' ? [] : [verb])]);
  }
  const withVerbs = [...nouns]
    .filter(([, verbs]) => verbs.length > 0)
    .map(([noun, verbs]) => [noun, verbs.join(', ')] as const);
  const single = COMMANDS.filter(({ words }) => words.length === 1);
  return [
    'keystead issues, verifies, rotates and revokes API keys.',
    '',
    'Usage: keystead NOUN VERB [ID] [flags]',
    '       keystead verify - < key.txt',
    '',
    'Nouns, and what can be done with them:',
    ...rows(withVerbs),
    '',
    'Other commands:',
    ...rows([
      ['verify -', 'Whether the key string from stdin is good; the exit code says so too'] as const,
      ...single.map(({ words, summary }) => [words.join(' '), summary] as const),
    ]),
    '',
    'Flags of every command:',
    ...flagRows(GLOBAL_FLAGS),
    '',
    'Where to start:',
    ...[
      'keystead login',
      'keystead tenants create acme --name Acme',
      'keystead keys create --tenant acme --name Backend --scope invoices:*',
      'keystead keys rotate key_0123456789abcdefg --tenant acme --grace 7d',
      'keystead help keys rotate',
    ].map((line) => `${INDENT}${line}`),
    '',
    'Key strings are printed on stdout only, and read from stdin only. The token comes from a profile',
    '(keystead login) or from KEYSTEAD_TOKEN.',
    '',
    'Exit codes: 0 done or valid, 1 an invalid key, 2 wrong usage or input, 3 refused by the service,',
    '4 not reachable, 5 unfinished, 130 interrupted.',
    '',
  ].join('\n');
}

export function nounHelp(noun: string): string {
  const commands = commandsOf(noun);
  const named = commands.map((command): readonly [string, string] => {
    const words = [command.words, ...(command.aliases ?? [])].find(([first]) => first === noun) ?? command.words;
    const positionals = command.positionals.map(({ name }) => name);
    return [[...words.slice(1), ...positionals].join(' ') || noun, command.summary];
  });
  const examples = commands.flatMap((command) => command.examples.slice(0, 1));
  return [
    `Usage: keystead ${noun} VERB [flags]`,
    '',
    ...rows(named),
    '',
    ...(examples.length > 0 ? ['Examples:', ...examples.map((example) => `${INDENT}${example}`), ''] : []),
    `More of each: keystead ${noun} VERB --help`,
    '',
  ].join('\n');
}

export function commandHelp(command: Command): string {
  const { summary, description = '', positionals, flags, takesTenant, examples, words, aliases = [] } = command;
  const required = positionals.filter((word) => word.description !== '');
  const otherNames = [words, ...aliases].filter((name) => !usageLine(command).startsWith(`keystead ${name.join(' ')}`));
  return [
    `${summary}.`,
    '',
    `Usage: ${usageLine(command)}`,
    ...(otherNames.length > 0 ? [`Also: ${otherNames.map((name) => `keystead ${name.join(' ')}`).join(', ')}`] : []),
    ...(description === '' ? [] : ['', ...wrapped(description, WIDTH)]),
    ...(required.length > 0 ? ['', ...rows(required.map(({ name, description: text }) => [name, text]))] : []),
    ...(flags.length > 0 ? ['', 'Flags:', ...flagRows(flags)] : []),
    '',
    'Flags of every command:',
    ...flagRows(GLOBAL_FLAGS.filter((flag) => flag !== TENANT_FLAG || takesTenant || words[0] === 'login')),
    ...(examples.length > 0 ? ['', 'Examples:', ...examples.map((example) => `${INDENT}${example}`)] : []),
    '',
  ].join('\n');
}

const SHORT_NAMES: Readonly<Record<string, string>> = {
  help: '-h, ',
  quiet: '-q, ',
  verbose: '-v, ',
  yes: '-y, ',
  version: '-V, ',
};

function flagRows(flags: readonly Flag[]): string[] {
  return rows(
    flags.map(({ name, takes, negated, repeatable, description, schema, target, required }) => {
      const isSwitch = takes === null && negated !== undefined;
      const shown = `${SHORT_NAMES[name] ?? ''}--${isSwitch ? '[no-]' : ''}${name}${takes === null ? '' : ` ${takes}`}`;
      const no = negated !== undefined && !isSwitch && target.in === 'body' ? ` --no-${name} for none.` : '';
      const more = repeatable ? ' Repeatable.' : '';
      const choices = schema.items?.enum ?? schema.enum;
      const names = choices === undefined || takes === choices.join('|') ? '' : ` Of: ${choices.join(', ')}.`;
      return [shown, `${required ? 'Required. ' : ''}${description}${names}${more}${no}`] as const;
    }),
  );
}

/** Names and texts in two columns; long texts go on below. */
function rows(pairs: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(MAX_NAME_COLUMNS, Math.max(...pairs.map(([name]) => widthOf(name))));
  return pairs.flatMap(([name, text]) => {
    const lines = wrapped(text, WIDTH - width - 4);
    const isLong = widthOf(name) > width;
    const own = isLong ? [`${INDENT}${name}`] : [];
    return [
      ...own,
      ...lines.map((line, at) =>
        `${INDENT}${padded(at === 0 && !isLong ? name : '', width)}${INDENT}${line}`.trimEnd(),
      ),
    ];
  });
}

function wrapped(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && widthOf(last) + 1 + widthOf(word) > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}
