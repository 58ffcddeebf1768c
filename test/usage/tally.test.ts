/** How counts are packed, where times belong, and what is counted before it is written. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CELLS_MAX, PendingUsage, QUIET_MS } from '../../domain/usage/pending-usage.ts';
import { placeOf, type Series, SLOT_MS, startOfPeriod, startOfSlot } from '../../domain/usage/periods.ts';
import {
  addSlot,
  count,
  newTally,
  pack,
  type Slots,
  totalsOf,
  USAGE_CODES,
  unpackInto,
} from '../../domain/usage/tally.ts';

const code = fc.constantFrom(...USAGE_CODES);
const uses = fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), code, fc.integer({ min: 0, max: 1_000_000_000 })));

function slotsOf(list: readonly (readonly [number, (typeof USAGE_CODES)[number], number])[]): Slots {
  const slots: Slots = new Map();
  for (const [slot, one, units] of list) {
    const tally = newTally();
    count(tally, one, units);
    addSlot(slots, slot, tally);
  }
  return slots;
}

describe('packed counts', () => {
  it('come back as they were', () => {
    fc.assert(
      fc.property(uses, (list) => {
        const slots = slotsOf(list);
        const back: Slots = new Map();
        unpackInto(back, pack(slots));
        expect(new Map([...back].sort())).toEqual(new Map([...slots].sort()));
      }),
    );
  });

  it('take three bytes for an hour with some valid verifications of one unit', () => {
    const slots = slotsOf(Array.from({ length: 100 }, () => [5, 'VALID', 1] as const));
    expect([...pack(slots)]).toEqual([5, 2, 100]);
    expect(pack(slotsOf([[5, 'VALID', 7]]))).toHaveLength(4);
  });

  it('stop at the largest exact number instead of losing exactness', () => {
    const slots: Slots = new Map();
    const huge = newTally();
    huge[0] = Number.MAX_SAFE_INTEGER;
    huge[USAGE_CODES.length] = Number.MAX_SAFE_INTEGER;
    addSlot(slots, 0, huge);
    addSlot(slots, 0, huge);
    const back: Slots = new Map();
    unpackInto(back, pack(slots));
    expect(totalsOf(back.get(0) ?? [], null)).toEqual({
      verifications: Number.MAX_SAFE_INTEGER,
      valid: Number.MAX_SAFE_INTEGER,
      units: Number.MAX_SAFE_INTEGER,
    });
  });

  it('cost units only when the verification was valid', () => {
    const tally = newTally();
    for (const one of USAGE_CODES) count(tally, one, 10);
    expect(totalsOf(tally, null)).toEqual({ verifications: USAGE_CODES.length, valid: 1, units: 10 });
    expect(totalsOf(tally, 'REVOKED')).toEqual({ verifications: 1, valid: 0, units: 0 });
  });
});

describe('periods', () => {
  it('contain each time in the slot that has it', () => {
    const time = fc.integer({ min: 0, max: Date.parse('2149-01-01T00:00:00Z') });
    fc.assert(
      fc.property(time, fc.constantFrom<Series>('hours', 'days'), (at, series) => {
        const place = placeOf(series, at);
        const start = startOfSlot(series, place);
        expect(start <= at && at < start + SLOT_MS[series]).toBe(true);
        expect(startOfPeriod(series, place.period) <= at && at < startOfPeriod(series, place.period + 1)).toBe(true);
        // Cursors keep 16 bits of a period.
        expect(place.period).toBeLessThan(2 ** 16);
      }),
    );
  });
});

const used = (keyId: string) => ({ keyId, owner: null, plan: null });
const T0 = Date.parse('2040-01-01T00:30:00Z');

describe('unwritten counts', () => {
  it('are due when the tenant falls quiet, and after a minute when it does not', () => {
    const pending = new PendingUsage();
    expect(pending.untilDue(T0)).toBeNull();
    for (let ms = 0; ms <= 60_000; ms += 1000) {
      pending.count(used('busy'), 'VALID', 1, T0 + ms);
      if (ms < 60_000) expect(pending.batch(10, T0 + ms)).toEqual([]);
    }
    expect(pending.batch(10, T0 + 60_000)).toHaveLength(1);

    const quiet = new PendingUsage();
    quiet.count(used('one'), 'VALID', 1, T0);
    expect(quiet.untilDue(T0)).toBe(QUIET_MS);
    expect(quiet.batch(10, T0 + QUIET_MS - 1)).toEqual([]);
    expect(quiet.batch(10, T0 + QUIET_MS)).toHaveLength(1);
  });

  it('stay until they were written, and go on counting meanwhile', () => {
    const pending = new PendingUsage();
    for (let i = 0; i < 5; i += 1) pending.count(used(`k${i}`), 'VALID', 1, T0);
    const failed = pending.batch(2, T0 + QUIET_MS);
    expect(failed).toHaveLength(2);
    expect(pending.size).toBe(5);
    const later = T0 + QUIET_MS + 1;
    pending.count(used('k0'), 'VALID', 1, later);
    pending.count(used('new'), 'VALID', 1, later);
    let written = 0;
    for (let batch = pending.batch(2, later); batch.length > 0; batch = pending.batch(2, later)) {
      for (const cell of batch) written += totalsOf(cell.tally, null).verifications;
      pending.written(batch, later);
    }
    expect([written, pending.size]).toEqual([7, 0]);
  });

  it('are kept apart when a key gets another owner, and when an hour ends', () => {
    const pending = new PendingUsage();
    pending.count({ keyId: 'k', owner: 'a', plan: null }, 'VALID', 1, T0);
    pending.count({ keyId: 'k', owner: 'b', plan: null }, 'VALID', 1, T0);
    pending.count({ keyId: 'k', owner: 'b', plan: null }, 'VALID', 1, T0 + 3_600_000);
    const batch = pending.batch(10, T0 + 3_700_000);
    expect(batch.map(({ owner, hour }) => [owner, hour])).toEqual([
      ['a', Date.parse('2040-01-01T00:00:00Z')],
      ['b', Date.parse('2040-01-01T00:00:00Z')],
      ['b', Date.parse('2040-01-01T01:00:00Z')],
    ]);
  });

  it('are bounded while storage takes no writes: known keys go on, further ones are dropped and told of', () => {
    const pending = new PendingUsage();
    for (let i = 0; i < CELLS_MAX + 7; i += 1) pending.count(used(`k${i}`), 'VALID', 1, T0);
    pending.count(used('k0'), 'VALID', 1, T0);
    expect([pending.size, pending.takeDropped(), pending.takeDropped()]).toEqual([CELLS_MAX, 7, 0]);
    expect(pending.untilDue(T0)).toBe(0);
  });
});
