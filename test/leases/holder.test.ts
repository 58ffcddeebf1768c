import { describe, expect, it } from 'vitest';
import { LeaseHolder } from '../../domain/leases/holder.ts';
import type { Renewal } from '../../domain/leases/lease.ts';
import { USES_OF_CALL_MAX } from '../../domain/leases/unreported-uses.ts';
import { MemoryBudget } from '../../domain/memory/budget.ts';

const L = 1000;
const T = 'tenant';
const renewal = (parts: Partial<Renewal> = {}): Renewal => {
  return { epoch: 'e', seq: 0, from: 0, changed: [], leaseMs: L, ...parts };
};

/** A holder that got these keys at time 0. */
function holding(keyIds: readonly string[], budget = new MemoryBudget(1_000_000)) {
  const holder = new LeaseHolder<string>(budget);
  for (const keyId of keyIds) give(holder, keyId, 0);
  return holder;
}

function give(holder: LeaseHolder<string>, keyId: string, now: number, parts: Partial<Renewal> = {}) {
  holder.receive(T, holder.ask(T, now), renewal(parts), { keyId, record: `record of ${keyId}`, bytes: 100 }, now);
}

const held = (holder: LeaseHolder<string>, keyIds: readonly string[], now: number) =>
  keyIds.filter((keyId) => holder.get(T, keyId, now) !== null);

describe('a record', () => {
  it('is used until the lease ends, counted from before the call, and again when another call has renewed it', () => {
    const holder = holding(['a', 'b']);
    const asking = holder.ask(T, L - 1);
    expect(held(holder, ['a', 'b'], L - 1)).toEqual(['a', 'b']);
    expect(held(holder, ['a', 'b'], L)).toEqual([]);
    expect(holder.awaitsRenewal(T, 'a')).toBe(true);
    holder.receive(T, asking, renewal(), null, L + 500);
    expect(held(holder, ['a', 'b'], 2 * L - 2)).toEqual(['a', 'b']);
    expect(held(holder, ['a', 'b'], 2 * L - 1)).toEqual([]);
  });

  it('is dropped when a renewal names it, or starts later than what is known, or comes from another instance', () => {
    const named = holding(['a', 'b']);
    give(named, 'c', 0, { seq: 1, changed: ['a'] });
    expect(held(named, ['a', 'b', 'c'], 0)).toEqual(['b', 'c']);
    const later = holding(['a', 'b']);
    give(later, 'c', 0, { seq: 9, from: 8 });
    expect(held(later, ['a', 'b', 'c'], 0)).toEqual(['c']);
    const restarted = holding(['a', 'b']);
    give(restarted, 'c', 0, { epoch: 'f' });
    expect(held(restarted, ['a', 'b', 'c'], 0)).toEqual(['c']);
  });

  it('is not kept from a result that was overtaken, nor from an instance that was succeeded', () => {
    const holder = holding(['a']);
    const slow = holder.ask(T, 0);
    give(holder, 'b', 0, { seq: 1 });
    holder.receive(T, slow, renewal(), { keyId: 'c', record: 'old', bytes: 100 }, 0);
    expect(held(holder, ['a', 'b', 'c'], 0)).toEqual(['a', 'b']);
    const slower = holder.ask(T, 0);
    give(holder, 'd', 0, { epoch: 'f' });
    holder.receive(T, slower, renewal({ seq: 9, from: 9 }), { keyId: 'c', record: 'old', bytes: 100 }, 0);
    expect(held(holder, ['a', 'b', 'c', 'd'], 0)).toEqual(['d']);
  });

  it('is never used again once the clock went back, nor is one that was asked for before', () => {
    const holder = new LeaseHolder<string>(new MemoryBudget(1_000_000));
    give(holder, 'a', 500);
    const asking = holder.ask(T, 500);
    expect(held(holder, ['a'], 499)).toEqual([]);
    holder.receive(T, asking, renewal(), { keyId: 'b', record: 'b', bytes: 100 }, 499);
    expect(held(holder, ['a', 'b'], 500)).toEqual([]);
  });

  it('is of the tenant that it was received from', () => {
    const holder = holding(['a']);
    expect(holder.get('another tenant', 'a', 0)).toBeNull();
  });

  it('gives way, least recently used first, when the budget of bytes is used up', () => {
    const budget = new MemoryBudget(100_000);
    const holder = holding(['first'], budget);
    for (let i = 0; i < 2000; i++) {
      give(holder, `key ${i}`, 0);
      expect(held(holder, ['first'], 0)).toEqual(['first']);
    }
    expect(held(holder, ['key 0', 'key 1999'], 0)).toEqual(['key 1999']);
    expect(budget.bytes).toBeLessThanOrEqual(100_000);
  });
});

describe('uses of held records', () => {
  const MINUTE = 60_000;
  const reported = (holder: LeaseHolder<string>, now: number) => holder.ask(T, now).call.uses;

  it('are news once a minute, the first being reported by the call that brought the record', () => {
    const holder = holding(['a', 'b']);
    expect(holder.noteUse(T, 'a', MINUTE - 1)).toBe('nothing new');
    expect(holder.noteUse(T, 'a', MINUTE)).toBe('first');
    expect(holder.noteUse(T, 'a', MINUTE + 1)).toBe('nothing new');
    expect(holder.noteUse(T, 'b', MINUTE + 1)).toBe('more');
    expect(reported(holder, MINUTE + 5)).toEqual([
      { keyId: 'a', agoMs: 5 },
      { keyId: 'b', agoMs: 4 },
    ]);
    expect([holder.hasUses(T), reported(holder, MINUTE + 5)]).toEqual([false, []]);
  });

  it('are reported by a later call when one has failed', () => {
    const holder = holding(['a']);
    holder.noteUse(T, 'a', MINUTE);
    holder.failed(T, holder.ask(T, MINUTE + 5));
    expect(reported(holder, MINUTE + 10)).toEqual([{ keyId: 'a', agoMs: 10 }]);
  });

  it('are reported in calls of bounded size, and it tells when one is full', () => {
    const keyIds = Array.from({ length: USES_OF_CALL_MAX + 1 }, (_, i) => `key ${i}`);
    const holder = holding(keyIds);
    const told = keyIds.map((keyId) => holder.noteUse(T, keyId, MINUTE));
    expect(told.indexOf('full')).toBe(USES_OF_CALL_MAX - 1);
    expect([reported(holder, MINUTE).length, reported(holder, MINUTE).length]).toEqual([USES_OF_CALL_MAX, 1]);
  });
});
