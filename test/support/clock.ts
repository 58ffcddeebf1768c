/**
 * Simulated time. It starts years ahead, so that the runtime, whose own clock triggers alarms, leaves every alarm to
 * the test.
 */
import { afterEach, beforeEach, vi } from 'vitest';

export const START = Date.parse('2040-01-01T00:00:00.000Z');

/** Simulates time in each test of the file. */
export function pretendTime(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: START });
  });
  afterEach(() => {
    vi.useRealTimers();
  });
}

export const advance = (ms: number) => vi.setSystemTime(Date.now() + ms);
export const at = (ms: number) => new Date(ms).toISOString();

/** How many times sooner the objects' timers go off. */
const HASTE = 20;
/** Real time (ms) after which timers of up to four seconds have gone off, on a slow machine too. */
const HURRIED_MS = 400;

/**
 * Lets the timers of objects go off much sooner in each test of the file, since the test's clock stands still meanwhile
 * anyway. An eviction waits for them, and so takes tenths of a second instead of seconds. That they go off in time on a
 * real server, test/process shows.
 */
export function hurryTimers(): void {
  beforeEach(() => {
    const { setTimeout } = globalThis;
    vi.stubGlobal('setTimeout', (run: () => void, ms = 0) => setTimeout(run, ms / HASTE));
  });
  afterEach(() => {
    vi.unstubAllGlobals();
  });
}

/** Lets timers of up to four seconds go off. */
export const untilTimersRan = () => scheduler.wait(HURRIED_MS);
