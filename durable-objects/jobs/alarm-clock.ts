/**
 * The object's one alarm. Until it has gone off it only ever moves to an earlier time, so that a new reason to wake
 * never postpones what is due already. A new instance does not know what the alarm is set for, so its first call looks
 * at everything that is due.
 */

/**
 * How far ahead an alarm is set at most, since the platform takes no dates after 2189. An alarm that finds nothing due
 * sets the next one.
 */
const AHEAD_MAX_MS = 365 * 24 * 60 * 60 * 1000;

export class AlarmClock {
  readonly #storage: DurableObjectStorage;
  /** When the first of everything that the alarm serves is due (ms); null for never. */
  readonly #nextDueAt: (now: number) => number | null;
  /** When the alarm is set for (ms); null when it is not set, undefined when this instance does not know. */
  #at: number | null | undefined;

  constructor(storage: DurableObjectStorage, nextDueAt: (now: number) => number | null) {
    this.#storage = storage;
    this.#nextDueAt = nextDueAt;
  }

  /**
   * Makes sure that the alarm goes off at `time` (ms) or before; null adds nothing new. Part of the transaction that it
   * is called in. The platform reports a failure to whoever waits for the call's result, so nothing is awaited here.
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

  /** Makes sure that the alarm goes off for everything that is due next. */
  armForAll(now: number): void {
    this.arm(this.#nextDueAt(now), now);
  }

  /** Call this when the alarm has gone off. */
  wentOff(): void {
    this.#at = null;
  }

  /** Call this after a transaction that did not commit: what it set the alarm to is void. */
  forget(): void {
    this.#at = undefined;
  }
}

/** How much later (s) than it was set for an alarm has gone off. */
export const lagOf = (info: Pick<AlarmInvocationInfo, 'scheduledTime'> | undefined, now: number): number =>
  Math.max(now - (info?.scheduledTime ?? now), 0) / 1000;

/** The earliest of some times; null when there is none. */
export function earliest(...times: readonly (number | null)[]): number | null {
  const set = times.filter((time) => time !== null);
  return set.length === 0 ? null : Math.min(...set);
}
