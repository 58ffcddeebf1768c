/** Counters with their rows: what is written off before it is spent, and what a later instance of the object reads. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PERIODS } from '../../domain/limits/calendar.ts';
import { Counter } from '../../domain/limits/counter.ts';
import { ROW_BYTES_MAX, readRow } from '../../domain/limits/counter-row.ts';
import { ALLOWANCES, type Limit, UNITS_MAX } from '../../domain/limits/limit.ts';

const START = Date.parse('2025-01-15T12:00Z');
const MINUTE: Limit = { kind: 'rate', limit: 100, windowMs: 60_000 };
const MONTH: Limit = { kind: 'quota', limit: 1000, period: 'month' };

/** A counter with the row that it writes. */
class Stored {
  counter: Counter;
  row: Uint8Array | null = null;
  writes = 0;

  constructor(limit: Limit) {
    this.counter = Counter.fresh(limit, ALLOWANCES);
  }

  readonly write = (bytes: Uint8Array) => {
    this.row = bytes;
    this.writes += 1;
  };

  spend(cost: number, now: number): boolean {
    if (!this.counter.admits(cost, now)) return false;
    this.counter.spend(cost, now, this.write);
    return true;
  }

  restart(now: number): void {
    const { limit } = this.counter;
    this.counter =
      this.row === null
        ? Counter.fresh(limit, ALLOWANCES)
        : Counter.ofRow(this.row, limit, ALLOWANCES, now + ALLOWANCES.unknownLeaseMs, now);
  }
}

describe('a counter', () => {
  it('writes blocks that grow up to a 20th of the limit', () => {
    const stored = new Stored(MINUTE);
    const writtenAt: number[] = [];
    for (let i = 1; i <= 30; i += 1) {
      const before = stored.writes;
      stored.spend(1, START + i);
      if (stored.writes > before) writtenAt.push(i);
    }
    expect(writtenAt).toEqual([1, 2, 4, 8, 13, 18, 23, 28]);
  });

  it('counts all of an open block as spent after a start, until a lease and a window are over', () => {
    const stored = new Stored(MINUTE);
    for (let i = 0; i < 9; i += 1) stored.spend(1, START);
    stored.restart(START + 1000);
    // The row has eight as spent, and four more as written off, of which the ninth was one.
    expect(stored.counter.remaining(START + 1000)).toBe(88);
    expect(stored.counter.remaining(START + 70_000)).toBe(96);
    expect(stored.counter.remaining(START + 1000 + ALLOWANCES.unknownLeaseMs + 60_061)).toBe(100);
  });

  it('loses nothing in a restart after it was closed', () => {
    const stored = new Stored(MINUTE);
    for (let i = 0; i < 9; i += 1) stored.spend(1, START);
    stored.counter.close(START, stored.write);
    stored.restart(START + 1000);
    expect(stored.counter.remaining(START + 1000)).toBe(91);
  });

  it('loses no more in restarts than was used since the start before', () => {
    const stored = new Stored({ ...MINUTE, windowMs: 3_600_000 });
    let spent = 0;
    for (let i = 0; i < 20 && stored.spend(1, START + 20_000 * i); i += 1) {
      spent += 1;
      stored.restart(START + 20_000 * i + 15_000);
      expect(100 - stored.counter.remaining(START + 20_000 * i + 15_000)).toBeLessThanOrEqual(2 * spent);
    }
    expect(spent).toBe(20);
  });

  it('moves stored times later by the step that a clock may make', () => {
    const stored = new Stored({ ...MINUTE, limit: 1 });
    stored.spend(1, START);
    stored.restart(START + 30_000);
    expect(stored.counter.retryAfterMs(1, START + 30_000)).toBe(31_000 + 61);
  });

  it('waits no longer than a window when the clock had been far ahead', () => {
    const stored = new Stored({ ...MINUTE, limit: 1 });
    stored.spend(1, START + 3_600_000);
    stored.restart(START);
    expect(stored.counter.retryAfterMs(1, START)).toBe(60_061);
  });

  it('counts a higher limit at once, and a lower one brings nothing back', () => {
    const stored = new Stored(MINUTE);
    stored.spend(100, START);
    stored.counter.change({ ...MINUTE, limit: 150 });
    expect(stored.counter.standing(START)).toEqual({ limit: 150, remaining: 50, resetsAt: START + 60_061 });
    stored.counter.change({ ...MINUTE, limit: 20 });
    expect(stored.counter.remaining(START)).toBe(0);
    stored.counter.change(MINUTE);
    expect(stored.counter.remaining(START)).toBe(0);
  });

  it('tells in how long a cost is free', () => {
    const stored = new Stored(MINUTE);
    stored.spend(60, START);
    stored.spend(40, START + 10_000);
    expect(stored.counter.retryAfterMs(60, START + 10_000)).toBe(50_061);
    expect(stored.counter.retryAfterMs(61, START + 10_000)).toBe(60_061);
    expect(stored.counter.retryAfterMs(101, START + 10_000)).toBeNull();
    expect(stored.counter.retryAfterMs(0, START + 10_000)).toBe(0);
  });

  it('counts a quota until the end of its period, restarts included', () => {
    const stored = new Stored(MONTH);
    stored.spend(700, START);
    stored.restart(START + 1000);
    expect(stored.counter.standing(START + 1000)).toEqual({
      limit: 1000,
      remaining: 300,
      resetsAt: Date.parse('2025-02-01T00:00Z'),
    });
    expect(stored.counter.remaining(Date.parse('2025-02-01T00:00Z'))).toBe(1000);
  });

  it('writes again in a new period, so that no block is spent that counts for the one before', () => {
    const stored = new Stored({ ...MONTH, period: 'hour' });
    for (let i = 0; i < 40; i += 1) stored.spend(1, START);
    const next = START + 3_600_000;
    for (let i = 0; i < 5; i += 1) stored.spend(1, next);
    stored.restart(next + 1);
    expect(stored.counter.remaining(next + 1)).toBeLessThanOrEqual(995);
  });

  it('writes again after a transaction that was rolled back', () => {
    const stored = new Stored(MINUTE);
    for (let i = 0; i < 4; i += 1) stored.spend(1, START);
    stored.counter.distrustRow();
    const { writes } = stored;
    stored.spend(1, START);
    expect(stored.writes).toBe(writes + 1);
  });

  it('never admits more than its limit, with restarts and blocks', () => {
    const step = fc.record({
      gap: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3000 })),
      cost: fc.integer({ min: 1, max: 4 }),
      restart: fc.nat(20).map((n) => n === 0),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), fc.integer({ min: 1, max: 200 }), (steps, limit) => {
        const stored = new Stored({ kind: 'rate', limit, windowMs: 5000 });
        const log: { at: number; cost: number }[] = [];
        let now = START;
        for (const { gap, cost, restart } of steps) {
          now += gap;
          if (restart) stored.restart(now);
          if (!stored.spend(cost, now)) continue;
          log.push({ at: now, cost });
          const inWindow = log.filter(({ at }) => at > now - 5000).reduce((sum, each) => sum + each.cost, 0);
          expect(inWindow).toBeLessThanOrEqual(limit);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('a row', () => {
  it('tells all that was counted, in bounded bytes', () => {
    const limit = fc.oneof(
      fc.record({
        kind: fc.constant('rate' as const),
        limit: fc.integer({ min: 1, max: UNITS_MAX }),
        windowMs: fc.integer({ min: 1000, max: 31_622_400_000 }),
      }),
      fc.record({
        kind: fc.constant('quota' as const),
        limit: fc.integer({ min: 1, max: UNITS_MAX }),
        period: fc.constantFrom(...PERIODS),
      }),
    );
    const step = fc.tuple(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 1, max: UNITS_MAX / 1000 }));
    fc.assert(
      fc.property(limit, fc.array(step, { maxLength: 400, size: 'max' }), (of, steps) => {
        const { counter } = new Stored(of);
        let now = START;
        for (const [gap, units] of steps) {
          now += gap;
          counter.used.addSpent(units, now, now);
        }
        const row = counter.used.row(17);
        expect(row.length).toBeLessThanOrEqual(ROW_BYTES_MAX);
        expect(readRow(row).open).toBe(17);
        const same = { ...ALLOWANCES, clockStepMs: 0, unknownLeaseMs: Number.NEGATIVE_INFINITY };
        const read = Counter.ofRow(counter.used.row(0), of, same, now, now);
        expect(read.used.row(0)).toEqual(counter.used.row(0));
        expect(read.standing(now)).toEqual(counter.standing(now));
      }),
      { numRuns: 300 },
    );
  });

  it('of another version, with bytes too many or too few, is refused', () => {
    const row = Counter.fresh(MONTH, ALLOWANCES).used.row(0);
    expect(() => readRow(row.with(0, 2))).toThrow('version 2');
    expect(() => readRow(Uint8Array.of(...row, 0))).toThrow('more bytes');
    expect(() => readRow(row.slice(0, -1))).toThrow('too early');
    expect(() => readRow(Uint8Array.of(1, 128, 0, 0))).toThrow('not as it would be written');
    expect(() => readRow(Uint8Array.of(1, 9, 0))).toThrow('no counter of kind 9');
  });
});
