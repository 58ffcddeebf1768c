/**
 * A small world for the rules of limits (domain/limits): the object of one tenant with its rows, and several holders.
 * Each has a clock of its own that drifts. Messages take their time, overtake one another, arrive twice or get lost;
 * the object is evicted and crashes, and holders too. Limits are changed, and keys are rotated.
 *
 * `TenantLimits` and `HeldBudgets` are those of production, and so are the leases on the records, which tell the limits
 * of a key. What is pretended is what is around them. Times named `t` are true time (ms), which nobody can read.
 */
import { LeaseGranter } from '../../../domain/leases/granter.ts';
import { type Asking, LeaseHolder } from '../../../domain/leases/holder.ts';
import type { Renewal } from '../../../domain/leases/lease.ts';
import { type BudgetAnswer, budgetName } from '../../../domain/limits/budget.ts';
import { BudgetGranter } from '../../../domain/limits/budget-granter.ts';
import { PERIODS } from '../../../domain/limits/calendar.ts';
import { readRow, writeWindow } from '../../../domain/limits/counter-row.ts';
import { type BudgetAsking, HeldBudgets } from '../../../domain/limits/held-budgets.ts';
import type { Allowances, Limit } from '../../../domain/limits/limit.ts';
import { SlidingWindow } from '../../../domain/limits/sliding-window.ts';
import { type LimitCharge, TenantLimits } from '../../../domain/limits/tenant-limits.ts';
import { MemoryBudget } from '../../../domain/memory/budget.ts';
import { Clock } from '../../leases/clock.ts';
import { Judge, type PeriodStarts } from './judge.ts';

export type ModelEvent = { readonly at: number } & (
  | {
      readonly type: 'verify';
      readonly root: number;
      /** Whether by the successor of the root, after it was rotated. */
      readonly successor: boolean;
      readonly holder: number;
      readonly cost: number;
      readonly there: number;
      readonly back: number;
      /** So much later (ms) the same call arrives once more; null for never. */
      readonly again: number | null;
      readonly lost: boolean;
    }
  | { readonly type: 'renew'; readonly holder: number; readonly there: number; readonly back: number }
  | { readonly type: 'give back'; readonly holder: number; readonly there: number; readonly back: number }
  | { readonly type: 'change'; readonly root: number; readonly index: number; readonly to: number }
  | { readonly type: 'change all' }
  /**
   * The object is started anew, on a machine whose clock is ahead of others by `ahead`. `back`: all of them were set
   * back by so much.
   */
  | { readonly type: 'restart'; readonly ahead: number; readonly back: number }
  | { readonly type: 'close' }
  | { readonly type: 'lose holder'; readonly holder: number }
  | { readonly type: 'clock back'; readonly holder: number; readonly by: number }
);

export type ModelSettings = {
  /** Of the object's clock, then of the holders'. */
  readonly rates: readonly number[];
  /** By root: its limits, and for each what it may be changed to; the first is in force at the start. */
  readonly limits: readonly (readonly (readonly Limit[])[])[];
  readonly allowances: Allowances;
  /** What the object's clock shows at the start. */
  readonly start: number;
  readonly leaseMs: number;
  readonly budgetsMax: number;
  /** What counters may take in the memory of the object. */
  readonly memoryBytes: number;
};

/** What the world itself does wrong, to see that it would be noticed. */
export const WORLD_SABOTAGES = [
  'a successor with a fresh counter',
  'memory that is spent before its block is written',
  'a block that is counted when it was written',
  'a clock step that is believed',
  'a change that does not wait',
] as const;
export type WorldSabotage = (typeof WORLD_SABOTAGES)[number] | null;

type Record = { readonly charges: readonly Omit<LimitCharge, 'cost'>[] };
type Holder = {
  readonly clock: Clock;
  readonly leases: LeaseHolder<Record>;
  budgets: HeldBudgets;
  /** Verifications that wait for a call of another. */
  readonly waiting: ((t: number) => void)[];
};
type Verify = ModelEvent & { readonly type: 'verify' };

const TENANT = 'tenant';
const GIVE_UP_AFTER_MS = 900;
const SWEEP_EVERY_MS = 700;
const WRITTEN_LATE_MS = 250;

export class World {
  readonly judge = new Judge();
  /** Verifications: decided in all, and without a call; those that were admitted in all, and without a call. */
  decided = 0;
  fromMemory = 0;
  admitted = 0;
  admittedFromMemory = 0;
  rowBytes = 0;
  readonly #settings: ModelSettings;
  readonly #sabotage: WorldSabotage;
  readonly #queue: { readonly t: number; readonly run: (t: number) => void }[] = [];
  readonly #clock: Clock;
  readonly #holders: Holder[];
  readonly #rows = new Map<string, Uint8Array>();
  /** By root and index: which of its limits is in force. */
  readonly #chosen = new Map<string, number>();
  #instance = 0;
  #names = 0;
  #ahead = 0;
  #lastNow = 0;
  #leases: LeaseGranter;
  #limits: TenantLimits;

  constructor(settings: ModelSettings, sabotage: WorldSabotage = null) {
    this.#settings = settings;
    this.#sabotage = sabotage;
    const [objectRate = 1, ...rates] = settings.rates;
    this.#clock = new Clock(settings.start, objectRate);
    this.#holders = rates.map((rate, i) => ({
      clock: new Clock(5_000_000 * (i + 1), rate),
      leases: new LeaseHolder<Record>(new MemoryBudget(1_000_000)),
      budgets: this.#newBudgets(),
      waiting: [],
    }));
    [this.#leases, this.#limits] = this.#newObject(0);
    settings.limits.forEach((of, root) => {
      of.forEach((_, index) => {
        for (const counter of this.#counters(root, index)) this.judge.setLimit(counter, this.#limitOf(root, index));
      });
    });
  }

  run(events: readonly ModelEvent[]): void {
    for (const event of events) this.#later(event.at, (t) => this.#start(event, t));
    const end = events.reduce((latest, { at }) => Math.max(latest, at), 0);
    for (let t = SWEEP_EVERY_MS; t < end; t += SWEEP_EVERY_MS) this.#later(t, (then) => this.#sweep(then));
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next.run(next.t);
  }

  #start(event: ModelEvent, t: number): void {
    const holder = 'holder' in event ? this.#holders[event.holder] : undefined;
    if (event.type === 'restart') this.#restart(event.ahead, event.back, t);
    else if (event.type === 'close') this.#limits.close(this.#now(t));
    else if (event.type === 'change') this.#change([[event.root, event.index, event.to]], t);
    else if (event.type === 'change all') this.#changeAll(t);
    else if (holder === undefined) return;
    else if (event.type === 'verify') this.#verify(event, holder, t);
    else if (event.type === 'renew') this.#call(event, [], holder, null, t);
    else if (event.type === 'give back') this.#giveBack(event, holder, t);
    else if (event.type === 'lose holder') holder.budgets = this.#newBudgets();
    else this.#setBack(holder, event.by, t);
  }

  // ---- holders ----

  #newBudgets(): HeldBudgets {
    this.#names += 1;
    return new HeldBudgets(`holder ${this.#names}`, this.#settings.budgetsMax);
  }

  #verify(event: Verify, holder: Holder, t: number, hasWaited = false): void {
    const now = holder.clock.now(t);
    const record = holder.leases.get(TENANT, keyId(event.root, event.successor), now);
    if (record === null) {
      this.#call(event, [], holder, event, t);
      return;
    }
    const spendings = record.charges.map(({ counter, limit }) => ({
      budget: budgetName(counter, limit),
      cost: event.cost,
    }));
    const decision = holder.budgets.spend(spendings, now);
    if (decision.type === 'ask' && !hasWaited && decision.mayWait) {
      holder.waiting.push((then) => this.#verify(event, holder, then, true));
      return;
    }
    if (decision.type === 'ask') {
      this.#call(event, spendings, holder, event, t);
      return;
    }
    this.decided += 1;
    this.fromMemory += 1;
    if (decision.type === 'refused') return;
    if (event.cost > 0) this.admittedFromMemory += 1;
    this.#admit(record.charges, event.cost, t);
  }

  #call(
    { there, back }: { there: number; back: number },
    spendings: readonly { budget: string; cost: number }[],
    holder: Holder,
    verify: Verify | null,
    t: number,
  ): void {
    const sentAt = holder.clock.now(t);
    const { budgets } = holder;
    const asking = holder.leases.ask(TENANT, sentAt);
    const asked = budgets.ask(spendings, sentAt);
    let isAnswered = false;
    const arrive = (arrived: number, isLost: boolean) => {
      const answer = this.#answer(asking, asked, verify, arrived);
      if (isLost) return;
      this.#later(arrived + back, (then) => {
        isAnswered = true;
        const now = holder.clock.now(then);
        holder.leases.receive(TENANT, asking, answer.renewal, answer.got, now);
        if (holder.budgets === budgets) budgets.receive(asked, answer.budgets, now);
        for (const run of holder.waiting.splice(0)) run(then);
      });
    };
    this.#later(t + there, (then) => arrive(then, verify?.lost === true));
    // An answer may come all the same, later.
    this.#later(t + GIVE_UP_AFTER_MS, (then) => {
      if (isAnswered) return;
      budgets.failed(asked);
      for (const run of holder.waiting.splice(0)) run(then);
    });
    const again = verify?.again ?? null;
    if (again !== null) this.#later(t + there + again, (then) => arrive(then, false));
  }

  #giveBack(event: { there: number; back: number }, holder: Holder, t: number): void {
    holder.budgets.giveBack(holder.clock.now(t));
    this.#call(event, [], holder, null, t);
  }

  /** The holder looks at its clock just before and just after it is set back. */
  #setBack({ clock, leases, budgets }: Holder, by: number, t: number): void {
    for (const step of [0, -by]) {
      clock.set(step);
      leases.get(TENANT, 'another', clock.now(t));
      budgets.spend([{ budget: 'another', cost: 0 }], clock.now(t));
    }
  }

  // ---- the object ----

  #answer(asking: Asking, asked: BudgetAsking, verify: Verify | null, t: number) {
    const now = this.#now(t);
    const { leaseMs } = this.#settings;
    const turn = { call: asked.call, leaseMs };
    const id = verify && keyId(verify.root, verify.successor);
    const record = verify && this.#recordOf(verify.root, verify.successor);
    let budgets: BudgetAnswer | null;
    if (verify === null || record === null) budgets = this.#limits.renew(turn, now);
    else {
      const charges = record.charges.map((charge) => ({ ...charge, cost: verify.cost }));
      const decision = this.#limits.decide(charges, null, turn, now);
      for (const { counter, limit } of charges) if (this.#rows.has(counter)) this.judge.knows(counter, limit, t);
      this.decided += 1;
      if (decision.refusal === null) this.#admit(charges, verify.cost, t);
      budgets = decision.budgets;
    }
    if (budgets === null) throw new Error('no answer about budgets');
    const renewal: Renewal = this.#leases.renew(asking.call.known, id, leaseMs, now);
    const got = id === null || record === null ? null : { keyId: id, record, bytes: 100 };
    return { renewal, budgets, got };
  }

  #admit(charges: Record['charges'], cost: number, t: number): void {
    this.admitted += 1;
    for (const { counter } of charges) this.judge.admit(sameCounter(counter), cost, t, this.#clock.now(t));
  }

  #newObject(t: number): [LeaseGranter, TenantLimits] {
    const { memoryBytes } = this.#settings;
    const believed = this.#sabotage === 'a clock step that is believed' ? { clockStepMs: 0 } : {};
    const allowances = { ...this.#settings.allowances, ...believed };
    const instance = this.#instance;
    const write = (counter: string, row: Uint8Array) => {
      this.rowBytes = Math.max(this.rowBytes, row.length);
      this.judge.written(sameCounter(counter), startsIn(row));
      if (this.#sabotage !== 'memory that is spent before its block is written') this.#rows.set(counter, row);
      else this.#later(t + WRITTEN_LATE_MS, () => instance === this.#instance && this.#rows.set(counter, row));
    };
    const read = (counter: string) => {
      const row = this.#rows.get(counter) ?? null;
      return row !== null && this.#sabotage === 'a block that is counted when it was written'
        ? countedWhenWritten(row)
        : row;
    };
    const name = `instance ${instance}`;
    const settings = { allowances, memory: new MemoryBudget(memoryBytes) };
    this.#lastNow = this.#clock.now(t);
    return [
      new LeaseGranter(name),
      new TenantLimits({ read, write }, new BudgetGranter(name), settings, this.#clock.now(t)),
    ];
  }

  #restart(ahead: number, back: number, t: number): void {
    this.#instance += 1;
    this.#clock.set(ahead - this.#ahead - back);
    this.#ahead = ahead;
    [this.#leases, this.#limits] = this.#newObject(t);
    this.#leases.assumeLeased(this.#clock.now(t) + this.#settings.allowances.unknownLeaseMs);
  }

  #sweep(t: number): void {
    const now = this.#now(t);
    this.#limits.sweep(now);
    for (const counter of [...this.#rows.keys()]) {
      if (!this.#limits.isOver(counter, now)) continue;
      this.#rows.delete(counter);
      this.judge.removed(sameCounter(counter), t);
    }
  }

  #changeAll(t: number): void {
    const changes = this.#settings.limits.flatMap((of, root) =>
      of.map((_, index) => [root, index, (this.#chosen.get(`${root} ${index}`) ?? 0) + 1] as const),
    );
    this.#change(changes, t);
  }

  /** Changes limits, and returns when no holder can decide by what was before. */
  #change(changes: readonly (readonly [root: number, index: number, to: number])[], t: number): void {
    if (changes.some(([root, index]) => this.#settings.limits[root]?.[index] === undefined)) return;
    const keys = changes.flatMap(([root]) => [keyId(root, false), keyId(root, true)]);
    const changed = changes.flatMap(([root, index, to]) => {
      this.#chosen.set(`${root} ${index}`, to);
      const limit = { ...this.#limitOf(root, index) };
      return this.#counters(root, index).map((counter) => ({ counter, limit }));
    });
    for (const { counter, limit } of changed) this.judge.setLimit(counter, limit);
    const recalled = changes.length > 1 ? 'everything' : changed.map(({ counter }) => counter);
    this.#limits.changed(recalled);
    const waitMs = this.#leases.change(keys, this.#settings.leaseMs, this.#now(t));
    const wait = this.#sabotage === 'a change that does not wait' ? 0 : waitMs;
    // A caller is told nothing by an object that dies; but every lease of before is over then too.
    this.#later(t + wait / this.#clock.rate, (then) => {
      for (const { counter, limit } of changed) this.judge.returned(counter, limit, then);
    });
  }

  #recordOf(root: number, successor: boolean): Record {
    const of = this.#settings.limits[root] ?? [];
    const isFresh = successor && this.#sabotage === 'a successor with a fresh counter';
    const charges = of.map((_, index) => {
      const counter = `${isFresh ? 'successor of ' : ''}${counterOf(root, index)}`;
      return { name: `limit ${index}`, counter, limit: this.#limitOf(root, index) };
    });
    return { charges };
  }

  #counters(root: number, index: number): readonly string[] {
    return [counterOf(root, index)];
  }

  #limitOf(root: number, index: number): Limit {
    const choices = this.#settings.limits[root]?.[index] ?? [];
    const limit = choices[(this.#chosen.get(`${root} ${index}`) ?? 0) % choices.length];
    if (limit === undefined) throw new Error('no such limit');
    return limit;
  }

  /** What the object reads off its clock: within one instance never less than before. */
  #now(t: number): number {
    this.#lastNow = Math.max(this.#lastNow, this.#clock.now(t));
    return this.#lastNow;
  }

  #later(t: number, run: (t: number) => void): void {
    let i = this.#queue.length;
    while (i > 0 && (this.#queue[i - 1]?.t ?? 0) > t) i -= 1;
    this.#queue.splice(i, 0, { t, run });
  }
}

const keyId = (root: number, successor: boolean) => `key ${root}${successor ? ' successor' : ''}`;
const counterOf = (root: number, index: number) => `root ${root} limit ${index}`;
/** The counter that units have to be counted in, whatever the world makes of it. */
const sameCounter = (counter: string) => counter.replace('successor of ', '');

/** When the periods started of which a row knows. */
function startsIn(bytes: Uint8Array): PeriodStarts {
  const row = readRow(bytes);
  if (row.kind === 'rate') return {};
  return Object.fromEntries(PERIODS.map((period, i) => [period, row.count.tallies[i]?.start ?? 0]));
}

/** A row with its open block as if that had been spent when it was opened. */
function countedWhenWritten(bytes: Uint8Array): Uint8Array {
  const row = readRow(bytes);
  const last = row.kind === 'rate' ? row.buckets.at(-1) : undefined;
  if (row.kind === 'quota' || last === undefined) return bytes;
  last.units += row.open;
  return writeWindow(new SlidingWindow(row.horizonMs, 0, { buckets: row.buckets }), 0);
}
