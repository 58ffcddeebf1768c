/** The judge of what was admitted, and the exact log that it is compared with. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { range } from '../campaign.ts';
import { type Arrival, admittedByLog, type LoggedCounter } from './exact-log.ts';
import { type Admission, fullest, fullness, type Interval, isExcess, type Rule } from './judge.ts';
import { LimitHistory } from './limit-history.ts';

const WINDOW: Rule = { kind: 'window', ms: 1000 };
const HOUR: Rule = { kind: 'period', ms: 3_600_000 };
const LIMIT = 5;

const admission = (sentAt: number, receivedAt: number, units = 1): Admission => ({ sentAt, receivedAt, units });
const isFound = (admissions: readonly Admission[], rule = WINDOW, limits = new LimitHistory(LIMIT)) => {
  const interval = fullest(admissions, rule, limits);
  return interval !== null && isExcess(interval);
};

describe('the judge', () => {
  it('finds one unit too many that was certainly admitted in a window', () => {
    const full = range(LIMIT).map((i) => admission(100 * i, 100 * i + 10));
    expect(isFound(full)).toBe(false);
    expect(isFound([...full, admission(950, 999)])).toBe(true);
    expect(fullest([...full, admission(950, 999)], WINDOW, new LimitHistory(LIMIT))).toEqual({
      from: 0,
      to: 999,
      units: LIMIT + 1,
      bound: LIMIT,
    });
  });

  it('finds nothing where an order of events explains all', () => {
    const full = range(LIMIT).map((i) => admission(100 * i, 100 * i + 10));
    // The first may have been admitted at 0, and the last one a window later.
    expect(isFound([...full, admission(950, 1000)])).toBe(false);
    expect(isFound([...full.slice(1), admission(-1, 400), admission(950, 999)])).toBe(false);
  });

  it('counts units, not answers', () => {
    expect(isFound([admission(0, 1, 3), admission(2, 3, 2)])).toBe(false);
    expect(isFound([admission(0, 1, 3), admission(2, 3, 3)])).toBe(true);
  });

  it('finds an excess that only two windows together show', () => {
    // Six in each window, but of each six one is under way at the end of the window.
    const slow = [0, 1000].flatMap((at) => [
      ...range(LIMIT).map((i) => admission(at + 10 * i, at + 10 * i + 5)),
      admission(at + 500, at === 0 ? 1400 : 1900),
    ]);
    expect(isFound(slow.slice(0, LIMIT + 1))).toBe(false);
    expect(isFound(slow)).toBe(true);
  });

  it('lets a raised limit count from when it was sent, and a lowered one from when it was answered', () => {
    const limits = new LimitHistory(LIMIT);
    const six = (at: number) => range(LIMIT + 1).map((i) => admission(at + i, at + i + 1));
    limits.sent(2 * LIMIT, 10_000);
    expect([isFound(six(9000), WINDOW, limits), isFound(six(10_000), WINDOW, limits)]).toEqual([true, false]);
    limits.answered(11_000);
    limits.sent(LIMIT, 20_000);
    expect(isFound(six(20_500), WINDOW, limits)).toBe(false);
    limits.answered(21_000);
    expect([isFound(six(20_500), WINDOW, limits), isFound(six(21_001), WINDOW, limits)]).toEqual([false, true]);
    expect([limits.least(20_500), limits.most(20_500, 20_500), limits.least(21_001)]).toEqual([5, 10, 5]);
  });

  it('finds what a lowered limit admits although more than that was used before', () => {
    const limits = new LimitHistory(2 * LIMIT);
    limits.sent(LIMIT, 500);
    limits.answered(600);
    const before = range(2 * LIMIT).map((i) => admission(i, i + 1));
    expect(isFound(before, WINDOW, limits)).toBe(false);
    expect(isFound([...before, admission(700, 701)], WINDOW, limits)).toBe(true);
  });

  it('counts a quota in each hour by itself', () => {
    const hour = 500_000 * HOUR.ms;
    const spread = range(LIMIT).map((i) => admission(hour + 60_000 * (i + 1), hour + 60_000 * (i + 1) + 5));
    expect(isFound(spread, HOUR)).toBe(false);
    expect(isFound([...spread, admission(hour + HOUR.ms + 2000, hour + HOUR.ms + 2001)], HOUR)).toBe(false);
    expect(isFound([...spread, admission(hour + HOUR.ms - 3000, hour + HOUR.ms - 2000)], HOUR)).toBe(true);
  });

  it('finds what comparing all pairs of times finds', () => {
    const admissions = fc.array(
      fc
        .tuple(fc.nat(3000), fc.nat(300), fc.integer({ min: 1, max: 3 }))
        .map(([sentAt, took, units]) => admission(sentAt, sentAt + took, units)),
      { minLength: 1, maxLength: 25 },
    );
    fc.assert(
      fc.property(admissions, (all) => {
        const limits = new LimitHistory(LIMIT);
        const intervals = all.flatMap(({ sentAt: from }) => all.flatMap(({ receivedAt: to }) => pair(all, from, to)));
        const expected = Math.max(...intervals.map(fullness));
        const found = fullest(all, WINDOW, limits);
        expect(found === null ? Number.NEGATIVE_INFINITY : fullness(found)).toBe(expected);
      }),
    );
  });
});

/** The interval between two times, if it is one that is judged. */
function pair(all: readonly Admission[], from: number, to: number): Interval[] {
  const windows = Math.floor((to - from) / WINDOW.ms) + 1;
  if (to < from || windows > 3) return [];
  const inside = all.filter(({ sentAt, receivedAt }) => sentAt >= from && receivedAt <= to);
  const units = inside.reduce((sum, each) => sum + each.units, 0);
  return units === 0 ? [] : [{ from, to, units, bound: windows * LIMIT }];
}

type Request = Arrival<LoggedCounter> & { readonly tookMs: number };

/** Requests, up to five times as many as the limit admits. */
const requests = (counter: LoggedCounter) =>
  fc.array(
    fc.record({
      sentAt: fc.nat(5000),
      tookMs: fc.nat(30),
      units: fc.integer({ min: 1, max: 2 }),
      counters: fc.constant([counter]),
    }),
    { minLength: 1, maxLength: 100 },
  );

const counterOf = (limit: number): LoggedCounter => ({ rule: WINDOW, limitAt: () => limit });

describe('an exact log', () => {
  it('passes the judge, however early its requests were sent and however late its answers came', () => {
    const latency = fc.tuple(fc.nat(50), fc.nat(50));
    const all = fc.tuple(requests(counterOf(LIMIT)), fc.array(latency, { minLength: 1 }));
    fc.assert(
      fc.property(all, ([arrivals, latencies]) => {
        const admitted = admittedByLog(arrivals).map(({ sentAt: decidedAt, units }, i) => {
          const [before = 0, after = 0] = latencies[i % latencies.length] ?? [];
          return admission(decidedAt - before, decidedAt + after, units);
        });
        expect(isFound(admitted)).toBe(false);
      }),
    );
  });

  it('with a limit that is one too high does not, once it is full', () => {
    fc.assert(
      fc.property(requests(counterOf(LIMIT + 1)), fc.nat(), (arrivals, seed) => {
        const admitted = admittedByLog<LoggedCounter, Request>(arrivals);
        // A full window, in which nothing was under way at either end.
        const at = 10_000 + (seed % 1000);
        const full = range(20).map((i) => ({ sentAt: at + i, tookMs: 1, units: 1, counters: [counterOf(LIMIT + 1)] }));
        const [first] = full;
        const more =
          first === undefined ? [] : admittedByLog(full.map((each) => ({ ...each, counters: first.counters })));
        const judged = [...admitted, ...more].map(({ sentAt, tookMs, units }) =>
          admission(sentAt, sentAt + tookMs, units),
        );
        expect(isFound(judged)).toBe(true);
      }),
    );
  });

  it('refuses nothing that has room', () => {
    fc.assert(
      fc.property(requests(counterOf(LIMIT)), (arrivals) => {
        const admitted = new Set(admittedByLog<LoggedCounter, Request>(arrivals));
        const order = arrivals.toSorted((a, b) => a.sentAt - b.sentAt);
        for (const [i, { sentAt, units }] of order.entries()) {
          const before = order.slice(0, i).filter((each) => admitted.has(each) && each.sentAt > sentAt - WINDOW.ms);
          const used = before.reduce((sum, each) => sum + each.units, 0);
          expect(admitted.has(order[i] as Request)).toBe(used + units <= LIMIT);
        }
      }),
    );
  });

  it('charges no limit for what another refuses', () => {
    const [wide, narrow] = [counterOf(3), counterOf(1)];
    const asked = [[wide, narrow], [wide, narrow], [wide], [wide], [wide]];
    const arrivals = asked.map((counters, sentAt) => ({ sentAt, units: 1, counters }));
    expect(admittedByLog(arrivals).map(({ sentAt }) => sentAt)).toEqual([0, 2, 3]);
  });

  it('starts a quota anew with each period', () => {
    const counter: LoggedCounter = { rule: HOUR, limitAt: () => 1 };
    const arrivals = [1, 2, HOUR.ms].map((sentAt) => ({ sentAt, units: 1, counters: [counter] }));
    expect(admittedByLog(arrivals).map(({ sentAt }) => sentAt)).toEqual([1, HOUR.ms]);
  });
});
