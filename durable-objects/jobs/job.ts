/**
 * What an alarm runs, as a list of jobs. Each knows since when it is due, takes a bounded batch at a time, and says what it did. Whoever adds a job
 * adds it to one list; when to wake, what is left and what to report follow from the list.
 */

export type Job<Context, Done> = {
  readonly name: string;
  /** From when on it has something to do (ms), null while it never will. */
  readonly dueAt: (context: Context) => number | null;
  /** Does up to `limit` rows of what is due. Call inside a transaction. */
  readonly run: (context: Context, limit: number) => Partial<Done>;
  /** Rows that are due now, counted up to `limit`. */
  readonly remaining: (context: Context, limit: number) => number;
};
