/** Rows of counters: when they are written, forgotten and removed. */
import { describe, expect, it } from 'vitest';
import { BudgetGranter } from '../../domain/limits/budget-granter.ts';
import { CalendarCount } from '../../domain/limits/calendar-count.ts';
import { writeCount } from '../../domain/limits/counter-row.ts';
import { ALLOWANCES, type Limit } from '../../domain/limits/limit.ts';
import { TenantLimits } from '../../domain/limits/tenant-limits.ts';
import { isRowOver } from '../../domain/limits/used-units.ts';
import { MemoryBudget } from '../../domain/memory/budget.ts';

const START = Date.parse('2025-01-15T12:00Z');
const MINUTE: Limit = { kind: 'rate', limit: 100, windowMs: 60_000 };
const DAY: Limit = { kind: 'quota', limit: 100, period: 'day' };

class Tenant {
  now = START;
  writes = 0;
  readonly rows = new Map<string, Uint8Array>();
  limits: TenantLimits;
  readonly #memory: MemoryBudget;

  constructor(memoryBytes = 1_000_000) {
    this.#memory = new MemoryBudget(memoryBytes);
    this.limits = this.start();
  }

  start(): TenantLimits {
    const rows = {
      read: (counter: string) => this.rows.get(counter) ?? null,
      write: (counter: string, row: Uint8Array) => {
        this.writes += 1;
        this.rows.set(counter, row);
      },
    };
    const settings = { allowances: ALLOWANCES, memory: this.#memory };
    this.limits = new TenantLimits(rows, new BudgetGranter('epoch'), settings, this.now);
    return this.limits;
  }

  spend(counter: string, cost = 1, limit: Limit = MINUTE) {
    return this.limits.decide([{ name: 'limit', counter, limit, cost }], null, null, this.now);
  }

  remaining(counter: string, limit: Limit = MINUTE): number {
    return this.spend(counter, 0, limit).limits[0]?.remaining ?? 0;
  }
}

describe('rows', () => {
  it('are not written by what spends nothing', () => {
    const tenant = new Tenant();
    tenant.spend('a', 0);
    tenant.spend('a', 101);
    expect(tenant.writes).toBe(0);
  });

  it('tell all of counters that memory has forgotten', () => {
    const tenant = new Tenant(1);
    for (let i = 0; i < 10; i += 1) {
      for (const counter of ['a', 'b', 'c', 'd', 'e']) tenant.spend(counter);
      tenant.now += 100;
    }
    expect(['a', 'b', 'c', 'd', 'e'].map((counter) => tenant.remaining(counter))).toEqual([90, 90, 90, 90, 90]);
  });

  it('are written before the object sleeps, so that it loses nothing', () => {
    const tenant = new Tenant();
    for (let i = 0; i < 10; i += 1) tenant.spend('a');
    tenant.limits.close(tenant.now);
    tenant.now += 10_000;
    tenant.start();
    expect(tenant.remaining('a')).toBe(90);
  });

  it('can be removed when nothing of them counts, and not before', () => {
    const tenant = new Tenant();
    tenant.spend('a', 5);
    tenant.spend('day', 5, DAY);
    tenant.now += 60_000;
    expect(tenant.limits.isOver('a', tenant.now)).toBe(false);
    tenant.now += 61;
    expect(tenant.limits.isOver('a', tenant.now)).toBe(true);
    tenant.now = Date.parse('2025-01-31T23:59Z');
    expect(tenant.limits.isOver('day', tenant.now)).toBe(false);
    // A clock that is set back by less than a day would be in January again.
    tenant.now = Date.parse('2025-02-01T23:59Z');
    expect(tenant.limits.isOver('day', tenant.now)).toBe(false);
    tenant.now = Date.parse('2025-02-02T00:00Z');
    expect(tenant.limits.isOver('day', tenant.now)).toBe(true);
  });

  it('of a past period with units that may have been used are not removed while the clock may be set back', () => {
    const open = writeCount(new CalendarCount([{ start: 0, units: 0 }]), 'month', 0);
    const count = new CalendarCount();
    count.used('month', Date.parse('2025-01-31T23:59Z'));
    const row = writeCount(count, 'month', 1);
    const isOver = (bytes: Uint8Array, at: string) => isRowOver(bytes, ALLOWANCES, 0, Date.parse(at));
    expect(isOver(open, '2025-02-01T00:01Z')).toBe(true);
    expect(isOver(row, '2025-02-01T00:01Z')).toBe(false);
    expect(isOver(row, '2025-02-02T00:01Z')).toBe(true);
  });

  it('of an earlier instance count until its leases and a window are over', () => {
    const tenant = new Tenant();
    for (let i = 0; i < 9; i += 1) tenant.spend('a');
    tenant.now += 100_000;
    tenant.start();
    expect(tenant.limits.isOver('a', tenant.now)).toBe(false);
    tenant.now += ALLOWANCES.unknownLeaseMs + 60_061;
    expect(tenant.limits.isOver('a', tenant.now)).toBe(true);
  });

  it('are written again after a transaction that did not commit', () => {
    const tenant = new Tenant();
    for (let i = 0; i < 4; i += 1) tenant.spend('a');
    tenant.limits.rolledBack();
    const { writes } = tenant;
    tenant.spend('a');
    expect(tenant.writes).toBe(writes + 1);
  });
});
