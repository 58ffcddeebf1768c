/** Measures durations with its own rate, and shows a time of its own. */
export class Clock {
  #offset: number;
  readonly rate: number;

  constructor(offset: number, rate: number) {
    this.#offset = offset;
    this.rate = rate;
  }

  /** What it shows at the true time `t` (ms). */
  now(t: number): number {
    return Math.floor(this.#offset + t * this.rate);
  }

  set(by: number): void {
    this.#offset += by;
  }
}
