/**
 * What the command line needs of the machine, as one value. Tests call `main` with one of their own; node-io.ts makes
 * the real one.
 */
import type { FetchLike } from '../http/platform.ts';

export type Output = {
  readonly isTTY: boolean;
  /** The width of the terminal. */
  readonly columns?: number | undefined;
  /** Resolves when the reader has taken it, so that long lists do not pile up in memory. */
  write(text: string): Promise<void>;
};

export type Input = {
  readonly isTTY: boolean;
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Asks on the terminal, and resolves with the line. With `hidden`, nothing that is typed is shown. */
  ask(question: string, options: { readonly hidden: boolean }): Promise<string>;
};

export type Io = {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly platform: string;
  readonly fetch: FetchLike;
  /** The time in milliseconds. */
  now(): number;
  /** Ends when somebody interrupts the program. */
  readonly signal: AbortSignal;
};
