/** What a command is: its words, what it takes, and what it does. */
import type { Operation } from '../api/operations.ts';
import type { Flag } from '../arguments/flags.ts';
import type { Io } from '../io.ts';
import type { Connection } from '../profile/connection.ts';

export type Positional = {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  /** Whether it takes all words that are left. */
  readonly rest?: boolean;
};

export type Command = {
  /** `['keys', 'rotate']`. */
  readonly words: readonly string[];
  /** Other words for it. */
  readonly aliases?: readonly (readonly string[])[];
  readonly summary: string;
  readonly description?: string;
  readonly positionals: readonly Positional[];
  readonly flags: readonly Flag[];
  /** Whether the tenant matters to it. */
  readonly takesTenant: boolean;
  /** What it shows in its help, without the prompt. */
  readonly examples: readonly string[];
  /** The operation that it calls, if it calls one. */
  readonly operation?: Operation;
  readonly run: (run: Run) => Promise<number>;
};

/** One run of a command. */
export type Run = {
  readonly io: Io;
  readonly command: Command;
  readonly positionals: readonly string[];
  /** The texts of the flags that were given; null for `--no-…`. */
  readonly flags: ReadonlyMap<string, readonly string[] | null>;
  readonly connection: Connection;
  readonly printer: Printer;
};

export type Printer = {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly bold: (text: string) => string;
  /** What was asked for, on stdout. */
  out(text: string): Promise<void>;
  /** A hint for people, on stderr; nothing with --quiet. */
  hint(text: string): Promise<void>;
  /** A warning or an error, on stderr. */
  warn(text: string): Promise<void>;
};

/** Whether a flag without a value was given. */
export const isGiven = ({ flags }: Run, name: string): boolean => {
  const texts = flags.get(name);
  return texts !== undefined && texts !== null && texts.at(-1) !== 'false';
};

/** The last text of a flag. */
export const textOf = ({ flags }: Run, name: string): string | undefined => flags.get(name)?.at(-1);
