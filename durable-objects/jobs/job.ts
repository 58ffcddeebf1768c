/**
 * What an alarm runs: a list of jobs. Each job knows from when on it is due, does a bounded batch at a time, and
 * reports what it did. A new job is added to the list and nowhere else: when to wake, what is left and what to report
 * follow from the list.
 */

export type Job<Context, Done> = {
  readonly name: string;
  /** From when on the job has something to do (ms); null for never. */
  readonly dueAt: (context: Context) => number | null;
  /** Handles up to `limit` of the rows that are due. Call it inside a transaction. */
  readonly run: (context: Context, limit: number) => Partial<Done>;
  /** How many rows are due now, counted up to `limit`. */
  readonly remaining: (context: Context, limit: number) => number;
};
