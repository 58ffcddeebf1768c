/**
 * The object's half of budgets (budget.ts): what it has left with which holder. Each method is one turn: what it reads,
 * notes and decides belongs together, so callers must not wait in between.
 *
 * All of it is in memory. What it wrote off before it granted anything is in the rows of the counters, so an instance
 * of the object that knows nothing of the holders counts all of it as spent.
 *
 * Pure: times are passed in (ms), and must never go back.
 */
import { outlastMs } from '../leases/lease.ts';
import type { BudgetAnswer, BudgetCall, BudgetReport, HeldRefusal } from './budget.ts';
import { BudgetAccount } from './budget-account.ts';
import type { Counter, WriteRow } from './counter.ts';

/** Budgets that are remembered, about 5 MB. Beyond that nobody gets another one before some have ended. */
const ACCOUNTS_MAX = 20_000;

type Holder = {
  end: number;
  /** The recall of all that the holder had. */
  recall: number;
  readonly accounts: Map<string, BudgetAccount>;
  /** Those that were recalled, and perhaps have been returned since. */
  readonly recalled: Set<BudgetAccount>;
};

/** Where the counter of a budget is. */
export type CounterOf = (budget: string) => { readonly counter: Counter; readonly write: WriteRow } | null;

/** A call whose reports were taken, and that waits for its answer. */
export type TakenCall = {
  readonly holder: Holder;
  readonly heard: number;
  readonly reports: readonly { readonly report: BudgetReport; readonly account: BudgetAccount; isNews: boolean }[];
  /** Budgets that the object knows nothing of, and of which the holder has units. */
  readonly unknown: readonly string[];
};

export class BudgetGranter {
  readonly #epoch: string;
  readonly #accountsMax: number;
  #seq = 0;
  #accounts = 0;
  readonly #holders = new Map<string, Holder>();
  readonly #ofCounter = new Map<Counter, Map<BudgetAccount, Holder>>();

  /** `epoch` names this instance of the object: random and never stored. */
  constructor(epoch: string, accountsMax = ACCOUNTS_MAX) {
    this.#epoch = epoch;
    this.#accountsMax = accountsMax;
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** When the last lease is over for which a budget lasts (ms). */
  get endOfAll(): number {
    return Math.max(0, ...[...this.#holders.values()].map(({ end }) => end));
  }

  // ---- calls ----

  /** Takes what a call tells, and renews the lease that its budgets last for. `leaseMs` is 0 if none is granted. */
  take(call: BudgetCall, counterOf: CounterOf, leaseMs: number, now: number): TakenCall {
    const isOfThis = call.epoch === this.epoch;
    const holder = this.#holder(call.holder, isOfThis, now);
    if (leaseMs > 0) holder.end = Math.max(holder.end, now + outlastMs(leaseMs));
    const reports: { report: BudgetReport; account: BudgetAccount; isNews: boolean }[] = [];
    const unknown: string[] = [];
    for (const report of isOfThis ? call.reports : []) {
      const account = holder.accounts.get(report.budget);
      if (account !== undefined) {
        const isNews = account.report(report, leaseMs || 1, now);
        if (account.isOverdue(now)) recallOne(holder, account, this.#nextSeq());
        reports.push({ report, account, isNews });
        continue;
      }
      if (report.granted > report.spent + report.returned) unknown.push(report.budget);
      else {
        const made = report.wants && leaseMs > 0 ? this.#open(holder, report, counterOf, now) : null;
        if (made !== null) reports.push({ report, account: made, isNews: true });
      }
    }
    if (unknown.length > 0) this.#nextSeq();
    return { holder, heard: isOfThis ? call.seq : -1, reports, unknown };
  }

  /** Grants, and answers. Whatever the call was about has been decided before, so that it comes first. */
  answer(
    { holder, heard, reports, unknown }: TakenCall,
    { refusals, leaseMs, counterOf }: { refusals: readonly HeldRefusal[]; leaseMs: number; counterOf: CounterOf },
    now: number,
  ): BudgetAnswer {
    const grants = reports.flatMap(({ report, account, isNews }) => {
      const write = counterOf(account.budget)?.write;
      if (isNews && report.wants && leaseMs > 0 && write !== undefined) account.lend(now, write);
      const answer = account.answer(report, now);
      return answer === null ? [] : [answer];
    });
    return {
      epoch: this.#epoch,
      seq: this.#seq,
      recalled: recalled(holder, heard, unknown),
      leaseMs,
      grants,
      refusals,
    };
  }

  // ---- recalls ----

  /** Takes back what was left with holders out of this counter: its limit was changed, or little remains. */
  recall(counter: Counter): void {
    const accounts = [...(this.#ofCounter.get(counter) ?? [])].filter(([account]) => isOut(account));
    if (accounts.length === 0) return;
    const seq = this.#nextSeq();
    for (const [account, holder] of accounts) recallOne(holder, account, seq);
  }

  /** Takes back all that was left with holders. */
  recallAll(): void {
    const seq = this.#nextSeq();
    for (const holder of this.#holders.values()) recallAllOf(holder, seq);
  }

  /** Forgets the budgets of a counter that is about to be forgotten. Nothing of them may be outstanding. */
  forget(counter: Counter): void {
    for (const [account, holder] of this.#ofCounter.get(counter) ?? []) this.#close(holder, account);
  }

  /** Removes what nobody can say anything about any more. */
  sweep(now: number): void {
    for (const [name, holder] of this.#holders) {
      for (const account of holder.accounts.values()) if (account.isOver(now)) this.#close(holder, account);
      if (holder.end <= now && holder.accounts.size === 0) this.#holders.delete(name);
    }
  }

  // ---- holders ----

  #holder(name: string, isOfThis: boolean, now: number): Holder {
    const known = this.#holders.get(name);
    // Its lease was over: whatever it had then, it may not have any more when the lease is renewed.
    if (known !== undefined && known.end <= now) recallAllOf(known, this.#nextSeq());
    if (known !== undefined) return known;
    const holder = {
      end: 0,
      recall: isOfThis ? this.#nextSeq() : 0,
      accounts: new Map(),
      recalled: new Set<BudgetAccount>(),
    };
    this.#holders.set(name, holder);
    return holder;
  }

  #open(holder: Holder, report: BudgetReport, counterOf: CounterOf, now: number): BudgetAccount | null {
    const counter = counterOf(report.budget)?.counter;
    if (counter === undefined || this.#accounts >= this.#accountsMax) return null;
    const account = new BudgetAccount(report.budget, counter, holder, now);
    account.adopt(report);
    holder.accounts.set(report.budget, account);
    this.#accounts += 1;
    const others = this.#ofCounter.get(counter) ?? new Map();
    this.#ofCounter.set(counter, others.set(account, holder));
    return account;
  }

  #close(holder: Holder, account: BudgetAccount): void {
    holder.accounts.delete(account.budget);
    holder.recalled.delete(account);
    this.#accounts -= 1;
    const others = this.#ofCounter.get(account.counter);
    others?.delete(account);
    if (others?.size === 0) this.#ofCounter.delete(account.counter);
  }

  #nextSeq(): number {
    this.#seq += 1;
    return this.#seq;
  }
}

/** Whether the holder has units of this budget that it was not told to return. */
function isOut({ recall, units }: BudgetAccount): boolean {
  return recall === null && units > 0;
}

function recallOne(holder: Holder, account: BudgetAccount, seq: number): void {
  account.recallBy(seq);
  holder.recalled.add(account);
}

function recallAllOf(holder: Holder, seq: number): void {
  holder.recall = seq;
  for (const account of holder.accounts.values()) if (isOut(account)) recallOne(holder, account, seq);
}

/** The budgets of a holder that were recalled after `heard`. */
function recalled(holder: Holder, heard: number, unknown: readonly string[]): readonly string[] | 'everything' {
  if (holder.recall > heard) return 'everything';
  const names = [...unknown];
  for (const account of holder.recalled) {
    if (account.recall === null) holder.recalled.delete(account);
    else if (account.recall > heard) names.push(account.budget);
  }
  return names;
}
