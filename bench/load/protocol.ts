/** The messages between the benchmark and its load generator. */

export type Load = {
  readonly host: string;
  readonly port: number;
  /** Connections, each with one request under way. */
  readonly connections: number;
  /** Whole HTTP requests, sent in turn. */
  readonly requests: readonly Uint8Array[];
  /** Text that the body of every correct response contains. */
  readonly expected: string;
  /** Measured time (ms). With `once` the load also ends when each request was sent once. */
  readonly durationMs: number;
  readonly once: boolean;
};

export type LoadResult = {
  readonly answered: number;
  /** Responses with a status other than 2xx or without the expected text; `firstWrong` quotes the first one. */
  readonly wrong: number;
  readonly firstWrong: string | null;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of the generator's process during the measured time, as a share of one core. */
  readonly generatorShare: number;
};
