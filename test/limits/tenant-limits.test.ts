/** Counters in the memory of an object: what is written when, and what is lost with memory. */
import { describe, expect, it } from 'vitest';
import { BudgetGranter } from '../../domain/limits/budget-granter.ts';
import { ALLOWANCES, type Limit } from '../../domain/limits/limit.ts';
import { TenantLimits } from '../../domain/limits/tenant-limits.ts';
import { MemoryBudget } from '../../domain/memory/budget.ts';

const START = Date.parse('2025-01-15T12:00Z');
const MINUTE: Limit = { kind: 'rate', limit: 100, windowMs: 60_000 };
const HOUR_MS = 3_600_000;

function limitsWith(memory = new MemoryBudget(1_000_000)) {
  const rows = new Map<string, { row: Uint8Array; overAt: number }>();
  let writes = 0;
  const limits = new TenantLimits(
    {
      read: (name) => rows.get(name)?.row ?? null,
      write: (name, row, overAt) => {
        writes += 1;
        rows.set(name, { row, overAt });
      },
    },
    new BudgetGranter('test'),
    { allowances: ALLOWANCES, memory },
    START,
  );
  const spend = (cost: number, at: number, counter = 'c', limit = MINUTE) =>
    limits.decide([{ name: 'n', counter, limit, cost }], null, null, at);
  const remaining = (at: number) => spend(0, at).limits[0]?.remaining;
  const pushOut = () => memory.add({ bytes: memory.bytesMax + 1, older: null, newer: null, evict: () => {} });
  return { limits, rows, spend, remaining, pushOut, writes: () => writes };
}

describe('counters in memory', () => {
  it('are written when nobody has used them for a while, and then lose nothing', () => {
    const { limits, spend, remaining, pushOut, writes } = limitsWith();
    for (let i = 0; i < 5; i++) spend(1, START);
    expect(limits.hasOpen).toBe(true);
    const before = writes();
    limits.closeUnused(3000, 10, START + 2999);
    expect([writes(), limits.hasOpen]).toEqual([before, true]);
    limits.closeUnused(3000, 10, START + 3000);
    expect([writes(), limits.hasOpen]).toEqual([before + 1, false]);
    pushOut();
    expect(remaining(START + 3000)).toBe(95);
  });

  it('are closed some at a time', () => {
    const { limits, spend } = limitsWith();
    for (const name of ['a', 'b', 'c']) for (let i = 0; i < 2; i++) spend(1, START, name);
    limits.closeUnused(0, 2, START);
    expect(limits.hasOpen).toBe(true);
    limits.closeUnused(0, 2, START);
    expect(limits.hasOpen).toBe(false);
  });

  it('that were pushed out count their open blocks as spent until then', () => {
    const { spend, remaining, pushOut } = limitsWith();
    const late = START + HOUR_MS;
    for (let i = 0; i < 5; i++) spend(1, late - 50_000);
    spend(1, late);
    pushOut();
    // The row has four as spent, and three more as written off, of which one was used just now.
    expect(remaining(late)).toBe(93);
    expect(remaining(late + 60_060)).toBe(97);
    expect(remaining(late + 60_061)).toBe(100);
  });

  it('do not spend from a block that was written long ago', () => {
    const { spend, writes } = limitsWith();
    for (let i = 0; i < 4; i++) spend(1, START);
    const before = writes();
    spend(1, START + HOUR_MS - 1);
    expect(writes()).toBe(before);
    spend(1, START + HOUR_MS);
    expect(writes()).toBe(before + 1);
  });

  it('say when their rows are worth nothing any more, an hour after the last unit of a block could be spent', () => {
    const { rows, spend } = limitsWith();
    spend(1, START);
    expect(rows.get('c')?.overAt).toBe(START + HOUR_MS + 60_061);
    spend(1, START, 'q', { kind: 'quota', limit: 10, period: 'hour' });
    expect(rows.get('q')?.overAt).toBe(Date.parse('2025-02-01T00:00Z'));
  });

  it('are written anew when they are read for a longer window', () => {
    const { rows, spend, pushOut } = limitsWith();
    spend(1, START);
    pushOut();
    const hour: Limit = { ...MINUTE, windowMs: HOUR_MS };
    expect(spend(0, START + 1000, 'c', hour).limits[0]?.remaining).toBe(99);
    expect(rows.get('c')?.overAt).toBeGreaterThan(START + 2 * HOUR_MS);
    spend(0, START + 2000);
    pushOut();
    expect(spend(0, START + 3_000_000, 'c', hour).limits[0]?.remaining).toBe(99);
  });

  it('are dropped with their rows, unless memory knows more', () => {
    const { limits, rows, spend, remaining } = limitsWith();
    for (let i = 0; i < 2; i++) spend(1, START);
    const later = START + 2 * HOUR_MS;
    expect(limits.drop('c', later)).toBe(false);
    expect(rows.get('c')?.overAt).toBeGreaterThan(later);
    expect(limits.drop('c', later)).toBe(true);
    rows.delete('c');
    expect(remaining(later)).toBe(100);
    expect(limits.drop('unknown', later)).toBe(true);
  });
});
