/**
 * Units that were used in the last `windowMs`. Up to a limit of 60 this is an exact log. Above, units that were used
 * one soon after another share a bucket, which is closed after a 60th of the limit or of the window, whichever comes
 * first. All of a bucket leave together, a window after its *last* unit. So units never leave early, and on average a
 * 120th of the window late, while memory and row stay small.
 *
 * A window that is changed counts what was used before the change as far as it is known: nothing is forgotten before
 * the longest window that the counter ever had is over. Otherwise changing to a short window and back would bring a new
 * allowance. What is outside of the present window is kept in coarser buckets.
 *
 * Pure: times are passed in (ms), and must never go back.
 */

/** Of the limit or the window, the part after which a bucket is closed. */
const SHARES = 60;
/** Of the longest window, the part that a bucket outside of the present window may span. */
const PAST_SHARES = 24;
/**
 * Buckets of the present window: 60 that were closed for their units, 60 and the drift for their time. There would be
 * more only after changes of the limit.
 */
const RECENT_MAX = 2 * SHARES + 8;
/** Buckets at most, for whoever has to bound memory or bytes. */
export const BUCKETS_MAX = RECENT_MAX + PAST_SHARES + 2;

/** Units that were used from `since` to `at` (ms). */
export type Bucket = { readonly since: number; at: number; units: number };

export class SlidingWindow {
  #windowMs: number;
  /** The longest window that there ever was. */
  #horizonMs: number;
  readonly #drift: number;
  /** In order of time: buckets that have left the present window, and those that have not. */
  #past: Bucket[] = [];
  #recent: Bucket[] = [];
  /** Units of the recent buckets. */
  #units = 0;

  /** `drift`: the share by which the clock may run fast. */
  constructor(windowMs: number, drift: number, { horizonMs = windowMs, buckets = [] as readonly Bucket[] } = {}) {
    this.#windowMs = windowMs;
    this.#horizonMs = Math.max(windowMs, horizonMs);
    this.#drift = drift;
    for (const bucket of buckets) this.#take({ ...bucket });
  }

  get horizonMs(): number {
    return this.#horizonMs;
  }

  /** All that is known, in order of time. */
  get buckets(): readonly Readonly<Bucket>[] {
    return [...this.#past, ...this.#recent];
  }

  /** Changes the length of the window. */
  resize(windowMs: number): void {
    if (windowMs === this.#windowMs) return;
    this.#windowMs = windowMs;
    this.#horizonMs = Math.max(this.#horizonMs, windowMs);
    const all = this.buckets;
    this.#past = [];
    this.#recent = [];
    this.#units = 0;
    for (const bucket of all) this.#take(bucket);
  }

  /** Units that are in the window. */
  used(now: number): number {
    this.#advance(now);
    return this.#units;
  }

  /** Counts units as used at `at`, or at the latest time that was counted before `now` if that is later. */
  add(units: number, at: number, limit: number, now = at): void {
    if (units === 0) return;
    this.#advance(now);
    if (this.leavesAt(at) <= now) {
      this.#keep({ since: at, at, units });
      return;
    }
    const last = this.#recent.at(-1);
    if (last !== undefined && (at <= last.at || this.#isOpen(last, at, limit))) {
      last.at = Math.max(last.at, at);
      last.units += units;
      this.#units += units;
      return;
    }
    this.#take({ since: at, at, units });
    while (this.#recent.length > RECENT_MAX) this.#join();
  }

  /** Whether nothing is known that the longest window would count. */
  isEmpty(now: number): boolean {
    this.#advance(now);
    return this.#past.length + this.#recent.length === 0;
  }

  /** When the last unit was used that is in the window. */
  get lastAt(): number {
    return this.#recent.at(-1)?.at ?? Number.NEGATIVE_INFINITY;
  }

  /** When units leave the window, in order of time. */
  *leaving(): Generator<{ readonly at: number; readonly units: number }> {
    for (const { at, units } of this.#recent) yield { at: this.leavesAt(at), units };
  }

  /** When a unit that was used at `at` leaves the window. The clock is read in whole milliseconds, hence one more. */
  leavesAt(at: number): number {
    return at + withDrift(this.#windowMs, this.#drift);
  }

  /** When units that were used at `at` can be forgotten (ms). */
  overAt(at: number): number {
    return at + withDrift(this.#horizonMs, this.#drift);
  }

  isOver(at: number, now: number): boolean {
    return this.overAt(at) <= now;
  }

  #isOpen(bucket: Bucket, at: number, limit: number): boolean {
    return bucket.units < Math.ceil(limit / SHARES) && at - bucket.since < this.#windowMs / SHARES;
  }

  #take(bucket: Bucket): void {
    this.#recent.push(bucket);
    this.#units += bucket.units;
  }

  /** Makes one bucket of the two oldest. */
  #join(): void {
    const [first, second] = this.#recent;
    if (first === undefined || second === undefined) return;
    this.#recent.splice(0, 2, { since: first.since, at: second.at, units: first.units + second.units });
  }

  #advance(now: number): void {
    for (;;) {
      const first = this.#recent[0];
      if (first === undefined || this.leavesAt(first.at) > now) break;
      this.#recent.shift();
      this.#units -= first.units;
      this.#keep(first);
    }
    while (this.#past[0] !== undefined && this.isOver(this.#past[0].at, now)) this.#past.shift();
  }

  /** Keeps a bucket that has left the window, for the case that a longer window comes back. */
  #keep(bucket: Bucket): void {
    if (this.#horizonMs === this.#windowMs) return;
    const last = this.#past.at(-1);
    if (last === undefined || bucket.at - last.since > this.#horizonMs / PAST_SHARES) this.#past.push(bucket);
    else {
      last.at = Math.max(last.at, bucket.at);
      last.units += bucket.units;
    }
  }
}

function withDrift(ms: number, drift: number): number {
  return ms + Math.ceil(ms * drift) + 1;
}
