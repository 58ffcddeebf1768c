/**
 * The object's one alarm. It is only ever moved to an earlier time, except when it has gone off: a new reason to wake must not postpone what is due
 * already. A fresh instance does not know what the alarm is set for, so its first look asks for all that is due.
 */

/** How far ahead an alarm is set at most: the platform takes no dates after 2189. One that finds nothing due sets the next. */
const AHEAD_MAX_MS = 365 * 24 * 60 * 60 * 1000;

export class AlarmClock {
  readonly #storage: DurableObjectStorage;
  /** When everything that the alarm is for is due next (ms), null for never. */
  readonly #nextDueAt: (now: number) => number | null;
  /** When the alarm is set for, null for never, undefined when this instance does not know. */
  #at: number | null | undefined;

  constructor(storage: DurableObjectStorage, nextDueAt: (now: number) => number | null) {
    this.#storage = storage;
    this.#nextDueAt = nextDueAt;
  }

  /**
   * Sees to it that the alarm goes off at `time` or before; null for nothing new. Belongs to the transaction that it is called in. The platform
   * reports a failure to whoever waits for the answer, so there is nothing to await here.
   */
  arm(time: number | null, now: number): void {
    const dueAt = this.#at === undefined ? earliest(time, this.#nextDueAt(now)) : time;
    this.#at ??= null;
    if (dueAt === null) return;
    const wakeAt = Math.min(Math.max(dueAt, now), now + AHEAD_MAX_MS);
    if (this.#at !== null && this.#at <= wakeAt) return;
    void this.#storage.setAlarm(wakeAt);
    this.#at = wakeAt;
  }

  /** Sees to an alarm for all that is due next. */
  armForAll(now: number): void {
    this.arm(this.#nextDueAt(now), now);
  }

  /** The alarm has gone off. */
  wentOff(): void {
    this.#at = null;
  }

  /** After a transaction that did not commit: what it set is not known any more. */
  forget(): void {
    this.#at = undefined;
  }
}

/** The earliest of some times, null when there is none. */
export function earliest(...times: readonly (number | null)[]): number | null {
  const set = times.filter((time) => time !== null);
  return set.length === 0 ? null : Math.min(...set);
}
