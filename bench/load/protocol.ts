/** What the benchmark and its load generator say to each other. */

export type Load = {
  readonly host: string;
  readonly port: number;
  /** Connections that each have one request under way. */
  readonly connections: number;
  /** Whole HTTP requests, taken in turn. */
  readonly requests: readonly Uint8Array[];
  /** Text that the body of every right answer has. */
  readonly expected: string;
  /** Measured time (ms). With `once` the load also ends when each request was sent once. */
  readonly durationMs: number;
  readonly once: boolean;
};

export type LoadResult = {
  readonly answered: number;
  /** Answers of another status than 2xx or without the expected text; the first one is quoted in `firstWrong`. */
  readonly wrong: number;
  readonly firstWrong: string | null;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of the generator's process over the measured time, as a share of one core. */
  readonly generatorShare: number;
};
