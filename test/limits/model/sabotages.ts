/**
 * Rules of production that are taken out, to see that a history tells. They are not replaced by spies, which would
 * remember millions of calls.
 */
import { LeaseHolder } from '../../../domain/leases/holder.ts';
import type { BudgetReport } from '../../../domain/limits/budget.ts';
import { BudgetAccount } from '../../../domain/limits/budget-account.ts';
import { BudgetGranter } from '../../../domain/limits/budget-granter.ts';
import { Counter } from '../../../domain/limits/counter.ts';
import { type BudgetAsking, HeldBudgets } from '../../../domain/limits/held-budgets.ts';
import { SlidingWindow } from '../../../domain/limits/sliding-window.ts';
import { type Outstanding, UsedInPeriod, UsedInWindow } from '../../../domain/limits/used-units.ts';

/** Puts replaced members back. */
const undo: (() => void)[] = [];

export function replace<T extends object, K extends keyof T>(prototype: T, name: K, value: T[K]): void {
  define(prototype, name, { value });
}

function replaceGetter<T extends object, K extends keyof T>(prototype: T, name: K, value: T[K]): void {
  define(prototype, name, { get: () => value });
}

function define(prototype: object, name: PropertyKey, by: PropertyDescriptor): void {
  const original = Object.getOwnPropertyDescriptor(prototype, name);
  if (original === undefined) throw new Error(`there is no ${String(name)} to replace`);
  Object.defineProperty(prototype, name, { ...by, configurable: true });
  undo.push(() => Object.defineProperty(prototype, name, original));
}

/** Makes production whole again. */
export function restore(): void {
  for (const put of undo.splice(0)) put();
}

/** Holders keep the records of keys that were changed, and renew the leases on them. */
export function keepOldRecords(): void {
  const { receive } = LeaseHolder.prototype;
  replace(LeaseHolder.prototype, 'receive', function (this: LeaseHolder<unknown>, tenant, asking, renewal, got, now) {
    const from = asking.call.known?.seq ?? renewal.from;
    receive.call(this, tenant, asking, { ...renewal, from, changed: [] }, got, now);
  });
}

/** The same units, with another time at which they can be spent at the latest. */
function endingAt(outstanding: Outstanding, end: number): Outstanding {
  return new Proxy(outstanding, {
    get: (target, name: keyof Outstanding) => (name === 'end' ? end : target[name]),
    set: (target, _name, units: number) => {
      target.units = units;
      return true;
    },
  });
}

export const CODE_SABOTAGES: Readonly<Record<string, () => void>> = {
  'a report of units that can still be spent': () => {
    const { ask } = HeldBudgets.prototype;
    replace(HeldBudgets.prototype, 'ask', function (this: HeldBudgets, ...args) {
      const asking = ask.apply(this, args);
      const reports = asking.call.reports.map((report) => ({ ...report, returned: report.granted - report.spent }));
      return { ...asking, call: { ...asking.call, reports } };
    });
  },
  'reports that are counted once more when they are repeated': () => {
    const { report } = BudgetAccount.prototype;
    const last = new WeakMap<BudgetAccount, { report: BudgetReport; returned: number }>();
    replace(BudgetAccount.prototype, 'report', function (this: BudgetAccount, told, leaseMs, now) {
      const known = last.get(this);
      if (known?.report.call !== told.call) {
        last.set(this, { report: told, returned: told.returned - (known?.report.returned ?? 0) });
        return report.call(this, told, leaseMs, now);
      }
      const returned = told.returned + known.returned;
      return report.call(this, { ...told, call: told.call + 0.5, returned }, leaseMs, now);
    });
  },
  'a budget that is counted at its grant': () => {
    const { lend } = Counter.prototype;
    replace(Counter.prototype, 'lend', function (this: Counter, units, outstanding, now, write) {
      lend.call(this, units, endingAt(outstanding, now), now, write);
    });
  },
  'units that are counted at the grant when they are reported': () => {
    const { settle } = Counter.prototype;
    replace(Counter.prototype, 'settle', function (this: Counter, outstanding, became, now) {
      settle.call(this, endingAt(outstanding, now - 500), became, now);
    });
  },
  'a quota budget that lasts beyond its period': () => {
    replace(UsedInPeriod.prototype, 'spendableUntil', () => Number.POSITIVE_INFINITY);
  },
  'a budget that is extended, with an old record of its key, after its limit was changed': () => {
    replace(BudgetAccount.prototype, 'recallBy', () => {});
    keepOldRecords();
  },
  'answers to calls that were given up': () => {
    const { ask, receive } = HeldBudgets.prototype;
    const last = new Map<string, number>();
    const nameOf = ({ call }: BudgetAsking, budget: string) => `${call.holder} ${budget}`;
    replace(HeldBudgets.prototype, 'ask', function (this: HeldBudgets, ...args) {
      const asking = ask.apply(this, args);
      for (const { budget, call } of asking.call.reports) last.set(nameOf(asking, budget), call);
      return asking;
    });
    replace(HeldBudgets.prototype, 'receive', function (this: HeldBudgets, asking, answer, now) {
      const grants = answer.grants.map((grant) => ({ ...grant, call: last.get(nameOf(asking, grant.budget)) ?? 0 }));
      receive.call(this, asking, { ...answer, grants }, now);
    });
  },
  'holders that are not told of recalls': () => {
    const { answer } = BudgetGranter.prototype;
    replace(BudgetGranter.prototype, 'answer', function (this: BudgetGranter, ...args) {
      return { ...answer.apply(this, args), recalled: [] };
    });
  },
  'leases that are counted from the answer': () => {
    const { receive } = HeldBudgets.prototype;
    replace(HeldBudgets.prototype, 'receive', function (this: HeldBudgets, asking, answer, now) {
      receive.call(this, { ...asking, at: now }, answer, now);
    });
    const ofRecords = LeaseHolder.prototype.receive;
    replace(LeaseHolder.prototype, 'receive', function (this: LeaseHolder<unknown>, tenant, asking, renewal, got, now) {
      ofRecords.call(this, tenant, { ...asking, at: now }, renewal, got, now);
    });
  },
  'an earlier instance of the object that is forgotten': () => {
    replace(UsedInWindow.prototype, 'addUnknown', () => {});
  },
  'a window that forgets what a longer one counts': () => {
    replaceGetter(SlidingWindow.prototype, 'horizonMs', 0);
  },
  'counters that are forgotten with what their rows do not tell': () => {
    replace(Counter.prototype, 'isSettled', () => true);
    replace(Counter.prototype, 'close', () => {});
  },
};
