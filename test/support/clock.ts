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
