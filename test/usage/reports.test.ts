/** How holders report what they verified: each count arrives once, whatever happens to calls and answers. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PendingUsage } from '../../domain/usage/pending-usage.ts';
import {
  CELLS_OF_REPORT_MAX,
  HolderUsage,
  REPORT_COUNTS_WITHIN_MS,
  ReportedUsage,
  type UsageReport,
} from '../../domain/usage/reports.ts';
import { totalsOf } from '../../domain/usage/tally.ts';

const T0 = Date.parse('2040-01-01T00:30:00Z');
const TENANT = 'object';
const key = (id: string) => ({ id, owner: null });

function totalIn(pending: PendingUsage): number {
  let n = 0;
  for (const { tally } of pending.batch(1_000_000, T0 + 1e9)) n += totalsOf(tally, null).verifications;
  return n;
}

type Step =
  | { readonly type: 'verify'; readonly holder: number; readonly key: number }
  | { readonly type: 'call'; readonly holder: number }
  | { readonly type: 'arrive' | 'arriveAgain' | 'answer' | 'fail'; readonly which: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ type: fc.constant('verify' as const), holder: fc.nat(2), key: fc.nat(4) }),
  fc.record({ type: fc.constant('call' as const), holder: fc.nat(2) }),
  fc.record({
    type: fc.constantFrom('arrive' as const, 'arriveAgain' as const, 'answer' as const, 'fail' as const),
    which: fc.nat(20),
  }),
);

describe('reports', () => {
  it('count each verification once, though calls and answers are lost, late, repeated and overtaken', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const holders = [0, 1, 2].map((n) => new HolderUsage({ newId: () => `holder ${n}` }));
        const [object, pending] = [new ReportedUsage(), new PendingUsage()];
        const calls: { readonly holder: number; readonly report: UsageReport; arrived: boolean }[] = [];
        let now = T0;
        let verified = 0;
        const arrive = (call: (typeof calls)[number]) => {
          object.take(call.report, pending, now);
          call.arrived = true;
        };
        for (const one of steps) {
          now += 500;
          if (one.type === 'verify') {
            holders[one.holder]?.count(TENANT, 'i', key(`k${one.key}`), 'VALID', 1, now);
            verified += 1;
            continue;
          }
          if (one.type === 'call') {
            const report = holders[one.holder]?.take(TENANT, now) ?? null;
            if (report !== null) calls.push({ holder: one.holder, report, arrived: false });
            continue;
          }
          const call = calls[one.which % Math.max(calls.length, 1)];
          if (call === undefined) continue;
          if (one.type === 'fail') holders[call.holder]?.failed(TENANT, call.report);
          // Only a call that arrived is answered.
          else if (one.type === 'answer' && call.arrived) holders[call.holder]?.answered(TENANT, call.report);
          else if (one.type === 'arriveAgain' || !call.arrived) arrive(call);
        }
        // In the end all is well: each holder calls until everything is reported.
        holders.forEach((holder, n) => {
          for (let i = 0; i < 3; i += 1) {
            now += 60_000;
            const report = holder.take(TENANT, now);
            if (report === null) continue;
            object.take(report, pending, now);
            holder.answered(TENANT, report);
          }
          expect(holder.isDue(TENANT), `holder ${n}`).toBe(false);
        });
        for (const call of calls) arrive(call);
        expect(totalIn(pending)).toBe(verified);
      }),
      { numRuns: 500 },
    );
  });

  it('lose with a holder at most what it had not reported', () => {
    const holder = new HolderUsage({ newId: () => 'h' });
    const [object, pending] = [new ReportedUsage(), new PendingUsage()];
    for (let i = 0; i < 10; i += 1) holder.count(TENANT, 'i', key('k'), 'VALID', 1, T0);
    const report = holder.take(TENANT, T0);
    if (report !== null) object.take(report, pending, T0);
    for (let i = 0; i < 5; i += 1) holder.count(TENANT, 'i', key('k'), 'VALID', 1, T0);
    expect(totalIn(pending)).toBe(10);
  });

  it('are planned once until the call is due, and at once when there is much to report', () => {
    const holder = new HolderUsage({ newId: () => 'h' });
    expect(holder.count(TENANT, 'i', key('a'), 'VALID', 1, T0)).toBe(REPORT_COUNTS_WITHIN_MS);
    expect(holder.count(TENANT, 'i', key('a'), 'VALID', 1, T0 + 1)).toBeNull();
    expect(holder.count(TENANT, 'i', key('a'), 'VALID', 1, T0 + REPORT_COUNTS_WITHIN_MS)).not.toBeNull();
    let planned: number | null = null;
    for (let i = 1; i < CELLS_OF_REPORT_MAX; i += 1) planned = holder.count(TENANT, 'i', key(`k${i}`), 'VALID', 1, T0);
    expect(planned).toBe(0);
    expect(holder.take(TENANT, T0)?.cells).toHaveLength(CELLS_OF_REPORT_MAX);
  });

  it('of a holder that never stops verifying go along with calls after the planned time', () => {
    const usage = new HolderUsage({ newId: () => 'holder', cellsOfReportMax: 100, waitsForPlan: true });
    const object = new ReportedUsage();
    const pending = new PendingUsage();
    let verified = 0;
    const plans: number[] = [];
    for (let second = 0; second <= 60; second++) {
      const now = T0 + second * 1000;
      for (let i = 0; i < 250; i++) {
        const planned = usage.count(TENANT, 'i', key(`k${i}`), 'VALID', 1, now);
        if (planned !== null) plans.push(now + planned - T0);
        verified += 1;
      }
      const report = usage.take(TENANT, now);
      if (report === null) continue;
      object.take(report, pending, now);
      usage.answered(TENANT, report);
    }
    expect(plans.length).toBeGreaterThan(0);
    // All but what was verified since each key's last report.
    expect(totalIn(pending)).toBeGreaterThan(verified - 250 * (REPORT_COUNTS_WITHIN_MS / 1000 + 3));
  });

  it('of a deleted tenant do not reach the tenant that has its id now', () => {
    const holder = new HolderUsage({ newId: () => 'h' });
    holder.count(TENANT, 'before', key('old'), 'VALID', 1, T0);
    holder.count(TENANT, 'now', key('new'), 'VALID', 1, T0);
    const report = holder.take(TENANT, T0);
    expect([report?.incarnation, report?.cells.map(({ keyId }) => keyId)]).toEqual(['now', ['new']]);
  });
});
