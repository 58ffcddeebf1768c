/** The clock by which a client counts its leases, on a machine whose processors are busy. */
import { expect, it } from 'vitest';
import { leaseClock } from '../../client/src/verify/clock.ts';

/** A process that is stopped for `stoppedMs` after its next look at the monotonic clock. */
function stoppable() {
  const state = { ms: 0, stoppedMs: 0, setBy: 0 };
  const clock = leaseClock(
    () => {
      const read = state.ms;
      state.ms += state.stoppedMs;
      state.stoppedMs = 0;
      return read;
    },
    () => Math.floor(1_000_000 + state.ms + state.setBy),
  );
  return { state, clock };
}

it('a process that is stopped between its looks at the two clocks has not seen any of them set', () => {
  const { state, clock } = stoppable();
  for (let i = 1; i <= 1000; i++) {
    state.ms += i % 7;
    state.stoppedMs = i % 50;
    const now = clock.now() - 1_000_000;
    expect(now).toBeGreaterThan(state.ms - 5);
    // A wall clock that is adjusted slowly looks the same, so a thousandth cannot be told.
    expect(now).toBeLessThan(state.ms * 1.001 + 5);
  }
  expect(clock.timesSetBack).toBe(0);
});

it('a wall clock that was set forward counts, and one that was set back is noticed', () => {
  const { state, clock } = stoppable();
  const before = clock.now();
  state.setBy = 5000;
  expect(clock.now() - before).toBe(5000);
  expect(clock.timesSetBack).toBe(0);
  state.setBy = 0;
  expect(clock.now() - before).toBe(5000);
  expect(clock.timesSetBack).toBe(1);
});
