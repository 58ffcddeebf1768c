/** How a command ends: its exit code, and the errors that lead to it. docs/command-line.md lists the codes. */

export const EXIT = {
  ok: 0,
  /** The service answered, and the answer is no: an invalid key, a use that a limit refuses. */
  no: 1,
  /** Wrong arguments, an unusable profile or input file. Nothing was sent. */
  usage: 2,
  /** The service refused the request. */
  refused: 3,
  /** No answer, or one that says that it cannot answer now. */
  unavailable: 4,
  /** What was begun has not been finished, and can be resumed. */
  unfinished: 5,
  interrupted: 130,
} as const;

/** Wrong arguments or input. The message is one line and never repeats a value, which may be a secret. */
export class UsageError extends Error {
  /** Further lines, for input with several faults. */
  readonly more: readonly string[];
  /** Whether the usage of the command helps. */
  readonly showUsage: boolean;

  constructor(
    message: string,
    { more = [], showUsage = true }: { more?: readonly string[]; showUsage?: boolean } = {},
  ) {
    super(message);
    this.more = more;
    this.showUsage = showUsage;
  }
}

/** An unusable file or setting: the arguments are right, so their usage would not help. */
export const unusable = (message: string, more: readonly string[] = []) =>
  new UsageError(message, { more, showUsage: false });

/** A long command that stops before its end. */
export class Unfinished extends Error {
  readonly code: number;

  constructor(message: string, code: number = EXIT.unfinished) {
    super(message);
    this.code = code;
  }
}
