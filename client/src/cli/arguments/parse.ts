/**
 * The arguments of a run: words and flags. Node's own parser (`node:util`) splits them; commands, flags and their
 * values come from the table of operations, so a framework would only repeat what is known. No message repeats a value
 * or a word that is not a command: it may be a key string in the wrong place.
 */
import { parseArgs } from 'node:util';
import { UsageError } from '../exit.ts';
import type { Flag } from './flags.ts';

export type Given = {
  /** What is not a flag, in order. */
  readonly words: readonly string[];
  /** The texts of each flag that was given, by its name; null for `--no-NAME`. */
  readonly flags: ReadonlyMap<string, readonly string[] | null>;
};

/** `-h` and the like. */
const SHORT: Readonly<Record<string, string>> = { h: 'help', q: 'quiet', v: 'verbose', y: 'yes', V: 'version' };

/**
 * Splits the arguments. With `lenient`, flags that are not known are passed over: before the command is known, only
 * those of every command are.
 */
export function parse(argv: readonly string[], flags: readonly Flag[], { lenient = false } = {}): Given {
  const byName = new Map(flags.flatMap((flag) => [flag.name, ...flag.aliases].map((name) => [name, flag] as const)));
  const { tokens } = parseArgs({
    args: [...argv],
    options: optionsOf(byName),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });

  const words: string[] = [];
  const given = new Map<string, readonly string[] | null>();
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const isNegated = !byName.has(token.name) && token.name.startsWith('no-');
    const flag = byName.get(isNegated ? token.name.slice(3) : token.name);
    if (flag === undefined || (isNegated && flag.negated === undefined)) {
      if (lenient) continue;
      throw new UsageError(unknownFlag(token.rawName, [...byName.keys()]));
    }
    const { value } = token;
    if (isNegated || flag.takes === null) {
      if (isNegated && value !== undefined) throw new UsageError(`${token.rawName} takes no value`);
      given.set(flag.name, isNegated ? null : [value ?? 'true']);
      continue;
    }
    if (value === undefined || (!token.inlineValue && value.startsWith('--'))) {
      throw new UsageError(`--${flag.name} needs a value: ${flag.takes}`);
    }
    given.set(flag.name, [...(given.get(flag.name) ?? []), value]);
  }
  return { words, flags: given };
}

function optionsOf(byName: ReadonlyMap<string, Flag>) {
  const options: Record<string, { type: 'string' | 'boolean'; multiple: boolean; short?: string }> = {};
  for (const [name, { takes, negated }] of byName) {
    options[name] = { type: takes === null ? 'boolean' : 'string', multiple: true };
    if (negated !== undefined) options[`no-${name}`] ??= { type: 'boolean', multiple: true };
  }
  for (const [short, name] of Object.entries(SHORT)) {
    const option = options[name];
    if (option !== undefined) option.short = short;
  }
  return options;
}

/** A name is short, or it is not shown: who pastes a key string behind two dashes must not see it again. */
const MAX_SHOWN_NAME = 40;

function unknownFlag(rawName: string, known: readonly string[]): string {
  const name = rawName.replace(/^-+/, '');
  const near = nearest(name, known);
  const isShowable = /^[a-z][a-z-]*$/.test(name) && name.length <= MAX_SHOWN_NAME;
  const hint = near === null ? '' : `; did you mean --${near}?`;
  return isShowable ? `There is no flag --${name} here${hint}` : 'There is a flag that this command does not have';
}

/** The candidate that differs in at most two letters, or goes on with the text. */
export function nearest(text: string, candidates: readonly string[]): string | null {
  const ranked = candidates
    .map(
      (candidate) =>
        [candidate, candidate.startsWith(text) && text.length > 2 ? 0 : distance(text, candidate)] as const,
    )
    .toSorted(([, a], [, b]) => a - b);
  const [best] = ranked;
  return best !== undefined && best[1] <= 2 && best[1] < text.length ? best[0] : null;
}

/** How many letters to add, leave out or change (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, change));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
