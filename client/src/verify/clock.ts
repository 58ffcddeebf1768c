/** The clock by which this process counts its leases (domain/leases/two-clocks.ts). */
import { TwoClocks } from '../../../domain/leases/two-clocks.ts';
import { platform } from '../http/platform.ts';

export type LeaseClock = {
  /** The time now (ms), to be compared with its like only. */
  now(): number;
  /** How often the wall clock was set back. Look at it after `now`. */
  readonly timesSetBack: number;
};

export function leaseClock(
  monotonic: () => number = () => platform.performance.now(),
  wall: () => number = () => platform.Date.now(),
): LeaseClock {
  const clocks = new TwoClocks(monotonic(), wall());
  return {
    now: () => clocks.look(monotonic(), wall()),
    get timesSetBack() {
      return clocks.timesSetBack;
    },
  };
}
