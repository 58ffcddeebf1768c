/**
 * What an exact log in one place would admit: every admitted unit is remembered with its time until the window, or the
 * period, is over. Requests are decided all or nothing, in the order in which they were sent and at those times, as if
 * each arrived at once.
 *
 * Pure: times are passed in (ms).
 */
import type { Rule } from './judge.ts';

/** One limit of a request. `limitAt` tells what the limit is at a time. */
export type LoggedCounter = { readonly rule: Rule; readonly limitAt: (at: number) => number };

export type Arrival<C extends LoggedCounter> = {
  readonly sentAt: number;
  readonly units: number;
  /** Each must have room for all units. */
  readonly counters: readonly C[];
};

class Log {
  readonly #rule: Rule;
  readonly #entries: { readonly at: number; readonly units: number }[] = [];
  /** Place of the first entry that counts, and what all from there are together. */
  #first = 0;
  #units = 0;

  constructor(rule: Rule) {
    this.#rule = rule;
  }

  used(now: number): number {
    const { kind, ms } = this.#rule;
    const since = kind === 'window' ? now - ms : Math.floor(now / ms) * ms;
    for (;;) {
      const entry = this.#entries[this.#first];
      if (entry === undefined || (kind === 'window' ? entry.at > since : entry.at >= since)) return this.#units;
      this.#units -= entry.units;
      this.#first += 1;
    }
  }

  add(units: number, at: number): void {
    this.#entries.push({ at, units });
    this.#units += units;
  }
}

/** Returns the requests that an exact log would admit, in the order in which they were sent. */
export function admittedByLog<C extends LoggedCounter, A extends Arrival<C>>(arrivals: readonly A[]): A[] {
  const logs = new Map<C, Log>();
  const logOf = (counter: C) => {
    const log = logs.get(counter) ?? new Log(counter.rule);
    logs.set(counter, log);
    return log;
  };
  const bySending = arrivals.toSorted((a, b) => a.sentAt - b.sentAt);
  return bySending.filter(({ sentAt, units, counters }) => {
    const isAdmitted = counters.every((counter) => logOf(counter).used(sentAt) + units <= counter.limitAt(sentAt));
    if (isAdmitted) for (const counter of counters) logOf(counter).add(units, sentAt);
    return isAdmitted;
  });
}
