/**
 * The clock by which this process counts its leases (domain/leases/two-clocks.ts).
 *
 * A process that is stopped for some milliseconds between its looks at the two clocks would see the wall clock gain so
 * much, and be set back at the next look. That is frequent where the processors are busy and all that a process does is
 * verify. So a wall clock that has gained is looked at again.
 */
import { TwoClocks } from '../../../domain/leases/two-clocks.ts';
import { platform } from '../http/platform.ts';

export type LeaseClock = {
  /** The time now (ms), to be compared with its like only. */
  now(): number;
  /** How often the wall clock was set back. Look at it after `now`. */
  readonly timesSetBack: number;
};

/** What the wall clock may gain between two looks before that is checked (ms): it is read in steps of 1. */
const GAIN_MS = 2;
/** Checks of one look. Processes are not stopped between two lines so often. */
const CHECKS_MAX = 3;

export function leaseClock(
  monotonic: () => number = () => platform.performance.now(),
  wall: () => number = () => platform.Date.now(),
): LeaseClock {
  let [m, w] = [monotonic(), wall()];
  let checkFrom = w - m + GAIN_MS;
  const check = () => {
    for (let checks = 0; w - m > checkFrom && checks < CHECKS_MAX; checks += 1) {
      m = monotonic();
      w = wall();
    }
    checkFrom = w - m + GAIN_MS;
  };
  const clocks = new TwoClocks(m, w);
  return {
    now() {
      m = monotonic();
      w = wall();
      if (w - m > checkFrom) check();
      else if (w - m + GAIN_MS < checkFrom) checkFrom = w - m + GAIN_MS;
      return clocks.look(m, w);
    },
    get timesSetBack() {
      return clocks.timesSetBack;
    },
  };
}
