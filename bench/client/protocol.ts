/** The messages between the benchmark and a subject: a child process that verifies tokens of one or more kinds. */

/** What a subject that calls Keystead is given. A message, since arguments of a process can be read by others. */
export type Setup = {
  readonly url: string;
  readonly token: string;
  readonly keys: readonly string[];
};

/** A request to verify all tokens in turn, again and again, for so long (ms). */
export type TurnRequest = { readonly kind: string; readonly durationMs: number };

export type TurnResult = {
  readonly verifications: number;
  /** Verifications that did not find the token valid. */
  readonly wrong: number;
  /** Processor time of the whole process, with its garbage collection. */
  readonly cpuMicros: number;
};

export type Reply = TurnResult | { readonly ready: true } | { readonly error: string };
