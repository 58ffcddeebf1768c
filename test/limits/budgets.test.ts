/** Budgets between one object and its holders, call by call. */
import { describe, expect, it } from 'vitest';
import { outlastMs } from '../../domain/leases/lease.ts';
import { budgetName, budgetUnits, inlastMs } from '../../domain/limits/budget.ts';
import { BudgetGranter } from '../../domain/limits/budget-granter.ts';
import { type BudgetAsking, HeldBudgets } from '../../domain/limits/held-budgets.ts';
import { ALLOWANCES, type Limit } from '../../domain/limits/limit.ts';
import { TenantLimits } from '../../domain/limits/tenant-limits.ts';

const START = Date.parse('2025-01-15T12:00Z');
const LEASE_MS = 1000;
const LIMIT: Limit = { kind: 'rate', limit: 100, windowMs: 60_000 };
const COUNTER = 'lineage requests';

/** An object with its rows, and one limit. Everybody reads the same clock. */
class Tenant {
  now = START;
  limit = LIMIT;
  readonly rows = new Map<string, Uint8Array>();
  limits = this.#start('first');

  #start(epoch: string): TenantLimits {
    const rows = {
      read: (counter: string) => this.rows.get(counter) ?? null,
      write: (counter: string, row: Uint8Array) => void this.rows.set(counter, row),
    };
    return new TenantLimits(rows, new BudgetGranter(epoch), { allowances: ALLOWANCES }, this.now);
  }

  restart(epoch: string): void {
    this.limits = this.#start(epoch);
  }

  get budget(): string {
    return budgetName(COUNTER, this.limit);
  }

  /** Decides a cost, with a call of a holder; null for none. */
  decide(cost: number, asking: BudgetAsking | null = null) {
    const charge = { name: 'requests', counter: COUNTER, limit: this.limit, cost };
    return this.limits.decide([charge], null, asking && { call: asking.call, leaseMs: LEASE_MS }, this.now);
  }

  get remaining(): number {
    return this.decide(0).limits[0]?.remaining ?? 0;
  }

  ask(holder: HeldBudgets, cost = 1): BudgetAsking {
    return holder.ask([{ budget: this.budget, cost }], this.now);
  }

  /** A call with its answer. */
  call(holder: HeldBudgets, cost = 1) {
    const asking = this.ask(holder, cost);
    const decision = this.decide(cost, asking);
    if (decision.budgets !== null) holder.receive(asking, decision.budgets, this.now);
    return decision;
  }

  renew(holder: HeldBudgets): void {
    const asking = holder.ask([], this.now);
    holder.receive(asking, this.limits.renew({ call: asking.call, leaseMs: LEASE_MS }, this.now), this.now);
  }

  spend(holder: HeldBudgets, cost = 1): string {
    return holder.spend([{ budget: this.budget, cost }], this.now).type;
  }

  /** How many units the holder spends without a call. */
  spendAll(holder: HeldBudgets): number {
    let spent = 0;
    while (this.spend(holder) === 'spent') spent += 1;
    return spent;
  }
}

/** A holder that has a budget: the first call tells it which instance it speaks to, the second brings units. */
function holderOf(tenant: Tenant, name = 'holder'): HeldBudgets {
  const holder = new HeldBudgets(name);
  tenant.call(holder);
  tenant.call(holder);
  return holder;
}

describe('a budget', () => {
  it('is spent without a call, and counts as used from its grant on', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    expect(tenant.remaining).toBe(96);
    expect(tenant.spendAll(holder)).toBe(2);
    expect(tenant.remaining).toBe(96);
    tenant.renew(holder);
    expect(tenant.remaining).toBe(92);
  });

  it('lasts as long as the lease, which any call renews', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    tenant.now += LEASE_MS - 1;
    tenant.renew(holder);
    tenant.now += LEASE_MS - 1;
    expect(tenant.spend(holder)).toBe('spent');
    tenant.now += 1;
    expect(tenant.spend(holder)).toBe('ask');
  });

  it('comes back when its holder has let it lapse and calls again', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    tenant.now += 30_000;
    tenant.renew(holder);
    expect(tenant.remaining).toBe(98);
  });

  it('is lost with its holder, until a window after it could have been spent', () => {
    const tenant = new Tenant();
    holderOf(tenant);
    tenant.now += 60_062;
    expect(tenant.remaining).toBe(98);
    tenant.now += outlastMs(LEASE_MS);
    expect(tenant.remaining).toBe(100);
  });

  it('counts what was spent when it is reported, not when it was granted', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    tenant.now += 900;
    tenant.spendAll(holder);
    tenant.renew(holder);
    tenant.now += 60_000 - 500;
    expect(tenant.decide(0).limits[0]?.remaining).toBeLessThanOrEqual(98);
  });

  it('is given back after a minute without a use', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    for (let i = 0; i < 140; i += 1) {
      tenant.now += 500;
      tenant.renew(holder);
    }
    expect(tenant.remaining).toBe(100);
    expect(tenant.spend(holder)).toBe('ask');
  });

  it('starts anew when its holder has forgotten it', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    for (let i = 0; i < 100; i += 1) {
      tenant.now += 600;
      if (i === 98) tenant.spendAll(holder);
      tenant.renew(holder);
    }
    const { remaining } = tenant;
    for (let i = 0; i < 110; i += 1) {
      tenant.now += 600;
      tenant.renew(holder);
    }
    expect(tenant.ask(holder).call.reports).toMatchObject([{ granted: 0, spent: 0, returned: 0 }]);
    expect(remaining).toBeLessThan(100);
    tenant.limits.sweep(tenant.now);
    tenant.call(holder);
    expect(tenant.remaining).toBeLessThanOrEqual(99);
  });

  it('is not granted or kept when little remains', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    tenant.decide(75);
    tenant.now += 500;
    tenant.renew(holder);
    expect(tenant.spend(holder)).toBe('ask');
    tenant.call(holder);
    expect(tenant.spend(holder)).toBe('ask');
    expect(tenant.remaining).toBe(100 - 75 - 3);
  });

  it('is good for the limit that it was granted for only', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    tenant.limit = { ...LIMIT, limit: 50 };
    expect(tenant.spend(holder)).toBe('ask');
    tenant.limits.changed([COUNTER]);
    tenant.call(holder);
    tenant.limit = LIMIT;
    expect(tenant.spend(holder)).toBe('ask');
  });

  it('is taken back by a change, and no renewal makes it last longer', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    tenant.limits.changed('everything');
    tenant.now += 500;
    tenant.renew(holder);
    expect(tenant.spend(holder)).toBe('ask');
    expect(tenant.remaining).toBe(96);
    tenant.renew(holder);
    expect(tenant.remaining).toBe(98);
  });

  it('of a quota is over before its period is, by less than the clock may step', () => {
    const tenant = new Tenant();
    tenant.limit = { kind: 'quota', limit: 100, period: 'hour' };
    tenant.now = START + 3_600_000 - ALLOWANCES.clockStepMs - 500;
    const holder = holderOf(tenant);
    expect(tenant.spend(holder)).toBe('spent');
    tenant.now += 450;
    expect(tenant.spend(holder)).toBe('ask');
    tenant.now = START + 3_600_000;
    expect(tenant.remaining).toBe(100);
    tenant.renew(holder);
    // Nothing of the old period is charged to the new one, out of which the holder has a new budget.
    expect(tenant.remaining + tenant.spendAll(holder)).toBe(100);
  });
});

describe('a call', () => {
  it('has all that the holder has of the limit decided by the object', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    tenant.decide(96);
    expect(tenant.remaining).toBe(0);
    // The object has nothing left, but the holder returns its two units with the call.
    expect(tenant.call(holder, 2).refusal).toBeNull();
    expect(tenant.call(holder, 1).refusal).toBe('RATE_LIMITED');
  });

  it('that is repeated counts its reports once', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    tenant.spend(holder);
    const asking = holder.ask([], tenant.now);
    tenant.limits.renew({ call: asking.call, leaseMs: LEASE_MS }, tenant.now);
    const { remaining } = tenant;
    tenant.limits.renew({ call: asking.call, leaseMs: LEASE_MS }, tenant.now);
    expect(tenant.remaining).toBe(remaining);
  });

  it('that got no answer loses no units', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    tenant.spendAll(holder);
    const lost = tenant.ask(holder);
    tenant.decide(1, lost);
    holder.failed(lost);
    tenant.call(holder);
    const spent = tenant.spendAll(holder);
    tenant.renew(holder);
    tenant.now += 30_000;
    tenant.renew(holder);
    expect(tenant.remaining).toBe(100 - 2 - 2 - 1 - 1 - spent);
  });

  it('that was given up brings nothing, even if its answer comes', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    tenant.spendAll(holder);
    const first = tenant.ask(holder);
    const late = tenant.decide(1, first).budgets;
    holder.failed(first);
    const second = tenant.ask(holder);
    tenant.decide(1, second);
    if (late !== null) holder.receive(first, late, tenant.now);
    expect(tenant.spend(holder)).toBe('ask');
  });

  it('that is under way is waited for', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    const asking = tenant.ask(holder);
    expect(holder.spend([{ budget: tenant.budget, cost: 9 }], tenant.now)).toEqual({ type: 'ask', mayWait: true });
    const { budgets } = tenant.decide(1, asking);
    if (budgets !== null) holder.receive(asking, budgets, tenant.now);
    expect(holder.spend([{ budget: tenant.budget, cost: 9 }], tenant.now)).toEqual({ type: 'ask', mayWait: false });
  });

  it('to another instance of the object makes void what is held', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    tenant.restart('second');
    tenant.renew(holder);
    expect(tenant.spend(holder)).toBe('ask');
    // What was written off counts as spent: two and two, and the rest of the block.
    expect(tenant.remaining).toBeLessThanOrEqual(96);
  });
});

describe('a holder', () => {
  it('refuses without a call what was refused, until something is free or the lease is over', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    tenant.decide(96);
    expect(tenant.call(holder, 3).refusal).toBe('RATE_LIMITED');
    expect(tenant.spend(holder, 3)).toBe('refused');
    expect(tenant.spend(holder, 2)).toBe('ask');
    tenant.now += LEASE_MS;
    expect(tenant.spend(holder, 3)).toBe('ask');
  });

  it('spends of several limits all or nothing', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    const both = [
      { budget: tenant.budget, cost: 1 },
      { budget: 'another', cost: 1 },
    ];
    expect(holder.spend(both, tenant.now).type).toBe('ask');
    expect(
      holder.spend(
        [both[0], both[0], both[0]].flatMap((each) => each ?? []),
        tenant.now,
      ).type,
    ).toBe('ask');
    expect(tenant.spendAll(holder)).toBe(2);
  });

  it('spends nothing after its clock went back, and returns it', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    holder.spend([], tenant.now - 10);
    expect(tenant.spend(holder)).toBe('ask');
    tenant.renew(holder);
    expect(tenant.remaining).toBe(98);
  });

  it('holds a bounded number of budgets', () => {
    const tenant = new Tenant();
    const holder = new HeldBudgets('holder', 1);
    holder.ask([{ budget: 'another', cost: 1 }], tenant.now);
    expect(tenant.ask(holder).call.reports).toEqual([]);
    expect(tenant.call(holder).refusal).toBeNull();
  });

  it('tells what remains, as far as it knows', () => {
    const tenant = new Tenant();
    const holder = holderOf(tenant);
    const [standing] = [holder.spend([{ budget: tenant.budget, cost: 1 }], tenant.now)].flatMap((decision) =>
      decision.type === 'spent' ? decision.standings : [],
    );
    expect(standing).toMatchObject({ limit: 100, remaining: 97 });
  });
});

describe('the size of a budget', () => {
  const need = { limit: 1000, remaining: 1000, held: 0, outstanding: 0, used: 10 };

  it.each([
    ['is twice the use of a lease', {}, 20],
    ['counts what the holder has', { held: 15, outstanding: 15 }, 5],
    ['is at most a tenth of what remains', { used: 200, remaining: 600 }, 60],
    ['of all holders is at most a tenth of the limit', { used: 200, outstanding: 95 }, 5],
    ['is at least one while half of the limit remains', { limit: 5, remaining: 3, used: 1 }, 1],
    ['is nothing below half of a small limit', { limit: 5, remaining: 2, used: 1 }, 0],
    ['is nothing below a quarter', { remaining: 249 }, 0],
  ])('%s', (_, change, units) => {
    expect(budgetUnits({ ...need, ...change })).toBe(units);
  });

  it('of a time is over in time', () => {
    for (let ms = 0; ms < 20_000; ms += 7) {
      expect(inlastMs(ms) === 0 || outlastMs(inlastMs(ms)) <= ms).toBe(true);
      expect(inlastMs(outlastMs(ms))).toBeGreaterThanOrEqual(Math.max(ms - 2, 0));
    }
  });
});
