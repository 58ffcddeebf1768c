/**
 * What can be said of a balance by the times at which requests were sent and answers received. A request whose answer
 * says that it changed the balance did so at some moment in between. One without an answer may have done so or not.
 *
 * Pure: times are passed in (ms).
 */

/** A change of the balance by some amount from `least` to `most`; negative where it takes away. */
export type Entry = {
  readonly sentAt: number;
  /** Null when there was no answer. */
  readonly receivedAt: number | null;
  readonly least: number;
  readonly most: number;
};

/** A request to spend that was refused for want of credits. */
export type Refused = { readonly sentAt: number; readonly receivedAt: number; readonly cost: number };

export class Ledger {
  readonly #start: number;
  readonly #entries: Entry[] = [];
  readonly #refused: Refused[] = [];

  /** `start`: the balance before the first request was sent. */
  constructor(start: number) {
    this.#start = start;
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
  }

  refused(refused: Refused): void {
    this.#refused.push(refused);
  }

  /** What the balance can be when no request is under way. */
  get bounds(): { readonly least: number; readonly most: number } {
    return {
      least: Math.max(0, this.#lowest(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)),
      most: this.#highest(Number.POSITIVE_INFINITY),
    };
  }

  /** The first time at which more had certainly been spent than there was; null if there is none. */
  get overdrawnAt(): number | null {
    const times = this.#entries.flatMap(({ receivedAt }) => (receivedAt === null ? [] : [receivedAt]));
    return times.toSorted((a, b) => a - b).find((at) => this.#highest(at) < 0) ?? null;
  }

  /** Refusals of what was certainly there, however requests were ordered. */
  get wronglyRefused(): readonly Refused[] {
    return this.#refused.filter(({ sentAt, receivedAt, cost }) => this.#lowest(sentAt, receivedAt) >= cost);
  }

  /** The highest balance that is possible when all that was answered by `at` is done. */
  #highest(at: number): number {
    return this.#entries.reduce((sum, { sentAt, receivedAt, most }) => {
      if (receivedAt !== null && receivedAt <= at) return sum + most;
      return sentAt <= at ? sum + Math.max(0, most) : sum;
    }, this.#start);
  }

  /** The lowest balance that is possible at a moment from `from` to `to`. */
  #lowest(from: number, to: number): number {
    return this.#entries.reduce((sum, { sentAt, receivedAt, least }) => {
      if (receivedAt !== null && receivedAt < from) return sum + least;
      return sentAt <= to ? sum + Math.min(0, least) : sum;
    }, this.#start);
  }
}
