/**
 * The time that a client counts leases by. A client has two clocks, and each of them can miss time: the monotonic one
 * stands still while the machine sleeps, the wall clock can be set. At each look the one counts that says that more
 * time has passed. A wall clock that was set back has measured nothing, and then all leases are void.
 *
 * What remains: a machine that sleeps and has its wall clock set back by as much, between two looks.
 *
 * Pure: both clocks are passed in (ms). The result is a time of its own (ms), to be compared with its like only.
 */

/**
 * A wall clock that falls behind by no more was read in coarse steps, or a moment earlier than the other one (ms). It
 * is a part of what the object adds to each lease for that (domain/leases/lease.ts).
 */
const GRAIN_MS = 20;
/** How much slower than the monotonic one a wall clock runs while it is adjusted slowly: twice what NTP does. */
const SLEW_SHARE = 0.001;

export class TwoClocks {
  #monotonic: number;
  /** By how much the wall clock has gained on the monotonic one at most, as far as slewing does not explain less. */
  #gain: number;
  /** What the result is ahead of the monotonic clock. */
  #ahead: number;
  /** How often the wall clock was seen to be set back. */
  timesSetBack = 0;

  constructor(monotonic: number, wall: number) {
    this.#monotonic = monotonic;
    this.#gain = wall - monotonic;
    this.#ahead = this.#gain;
  }

  /** The time as of now. It never goes back. */
  look(monotonic: number, wall: number): number {
    const gain = wall - monotonic;
    // The monotonic clock goes on, so what it shows now is never less than at the last look.
    const slewed = this.#gain - (monotonic - this.#monotonic) * SLEW_SHARE;
    this.#monotonic = monotonic;
    if (gain >= this.#gain) {
      this.#ahead += gain - this.#gain;
      this.#gain = gain;
    } else {
      if (gain < slewed - GRAIN_MS) this.timesSetBack += 1;
      this.#gain = gain < slewed - GRAIN_MS ? gain : Math.max(gain, slewed);
    }
    return monotonic + this.#ahead;
  }
}
