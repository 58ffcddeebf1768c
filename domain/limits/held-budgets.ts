/**
 * The holder's half of budgets (budget.ts), for one tenant: units that it may spend without a call, refusals that hold
 * for a while, and what it has to tell the object. Make a new one, with a new name, whenever the old one was forgotten.
 *
 * Pure: times are passed in (ms) and must come from one clock.
 */
import {
  type BudgetAnswer,
  type BudgetCall,
  type BudgetGrant,
  type BudgetReport,
  type HeldRefusal,
  SCARCE_SHARE,
} from './budget.ts';
import type { Standing } from './limit.ts';

/** Budgets that are held. Beyond that the object decides. */
const BUDGETS_MAX = 5000;
/** Budgets that one call reports beside those that it is about. */
const REPORTS_OF_CALL_MAX = 200;
/** After this time without a use (ms), a budget is given back. */
const IDLE_MS = 60_000;
/** How often all budgets are looked through for those whose time is over (ms). */
const EXPIRE_EVERY_MS = 1000;
/** A call that takes longer (ms) is given up: the request that made it may have been cut off. Another one reports. */
const CALL_MAX_MS = 3000;

/** A cost that one limit is to be charged with. */
export type Spending = { readonly budget: string; readonly cost: number };

type Held = {
  readonly budget: string;
  // Running totals.
  granted: number;
  spent: number;
  returned: number;
  /** Of those that were spent, those that were reported. */
  told: number;
  /** The last call that reported this, and when it was sent, while it is on its way (ms); null when none is. */
  call: number;
  askingSince: number | null;
  /** The units may be spent until then, if the lease lasts (ms). */
  until: number;
  usedAt: number;
  refusal: (HeldRefusal & { readonly at: number; readonly until: number }) | null;
  standing: Standing | null;
};

/** A call on its way. */
export type BudgetAsking = { readonly at: number; readonly call: BudgetCall; readonly clockChanges: number };

/** How a limit stands as far as the holder knows. `retryAfterMs` is there if it refused: null if it always will. */
export type HeldStanding = Standing & { readonly retryAfterMs?: number | null };

export type HeldDecision =
  | { readonly type: 'spent' | 'refused'; readonly standings: readonly HeldStanding[] }
  /** The object has to decide. `mayWait`: a call is on its way that may bring what is missing. */
  | { readonly type: 'ask'; readonly mayWait: boolean };

export class HeldBudgets {
  readonly #holder: string;
  readonly #budgetsMax: number;
  #epoch: string | null = null;
  #seq = 0;
  #until = Number.NEGATIVE_INFINITY;
  #calls = 0;
  #lastNow = Number.NEGATIVE_INFINITY;
  #expiredAt = Number.NEGATIVE_INFINITY;
  #clockChanges = 0;
  readonly #budgets = new Map<string, Held>();
  /** Those of which there is something that the object has not been told. */
  readonly #news = new Set<Held>();
  #spentAt = Number.NEGATIVE_INFINITY;

  /** `holder` names this holder: unlike any other, and never used again. */
  constructor(holder: string, budgetsMax = BUDGETS_MAX) {
    this.#holder = holder;
    this.#budgetsMax = budgetsMax;
  }

  /** Decides by what is held, and spends it: all or nothing. A refusal tells of all limits, as a grant does. */
  spend(spendings: readonly Spending[], now: number): HeldDecision {
    this.#see(now);
    const sums = new Map<Held, number>();
    const all: Held[] = [];
    for (const { budget, cost } of spendings) {
      const held = this.#budgets.get(budget);
      if (held === undefined || held.standing === null) return { type: 'ask', mayWait: this.#mayWait(spendings, now) };
      all.push(held);
      sums.set(held, (sums.get(held) ?? 0) + cost);
    }
    const refusing = all.filter((held, i) => refuses(held, spendings[i]?.cost ?? 0, now));
    if (refusing.length > 0) return { type: 'refused', standings: all.map((held) => standingOf(held, refusing, now)) };
    for (const [held, cost] of sums) {
      if (cost > this.#units(held, now)) return { type: 'ask', mayWait: this.#mayWait(spendings, now) };
    }
    for (const [held, cost] of sums) {
      held.spent += cost;
      held.usedAt = now;
      if (cost > 0) this.#news.add(held);
    }
    this.#spentAt = now;
    return { type: 'spent', standings: all.map((held) => standingOf(held, refusing, now)) };
  }

  /**
   * Whether a call about one of these is on its way whose answer may bring units: not when little was left of the limit
   * at the last one, since nothing is granted then.
   */
  #mayWait(spendings: readonly Spending[], now: number): boolean {
    return spendings.some(({ budget }) => {
      const held = this.#budgets.get(budget);
      if (held === undefined || !this.#isAsking(held, now)) return false;
      return held.standing === null || held.standing.remaining >= SCARCE_SHARE * held.standing.limit;
    });
  }

  /** Whether a call that reports this is on its way. */
  #isAsking(held: Held, now: number): boolean {
    if (held.askingSince === null) return false;
    if (now - held.askingSince < CALL_MAX_MS) return true;
    held.askingSince = null;
    this.#news.add(held);
    return false;
  }

  /** For how long nothing was spent (ms). */
  idleMs(now: number): number {
    return now - this.#spentAt;
  }

  /** Returns all that is held. Call this when nothing was spent for a while, so that the object has it again. */
  giveBack(now: number): void {
    this.#see(now);
    for (const held of this.#budgets.values()) {
      this.#letGo(held);
      // It is not to bring units again that it reports what was spent.
      held.told = held.spent;
    }
  }

  /** Number of budgets that are held. */
  get size(): number {
    return this.#budgets.size;
  }

  /** Whether there is something to tell the object. */
  get hasNews(): boolean {
    return this.#news.size > 0;
  }

  // ---- calls ----

  /**
   * Call this before a call to the object is sent. `spendings`: what the object is to decide; empty for a call that is
   * about something else. What is held of these limits is returned as far as the call may need it, so that the object
   * has all of it and decides alone.
   */
  ask(spendings: readonly Spending[], now: number): BudgetAsking {
    this.#see(now);
    this.#expire(now);
    const needed = new Set<Held>();
    for (const { budget, cost } of spendings) {
      const held = this.#open(budget, now);
      if (held === null || this.#isAsking(held, now)) continue;
      held.usedAt = now;
      this.#letGo(held, Math.min(cost, unitsOf(held)));
      needed.add(held);
    }
    const reports = [...needed].map((held) => this.#report(held, true, now));
    for (const held of this.#news) {
      if (reports.length >= REPORTS_OF_CALL_MAX) break;
      if (!this.#isAsking(held, now)) reports.push(this.#report(held, false, now));
    }
    const call = { holder: this.#holder, epoch: this.#epoch, seq: this.#seq, reports };
    return { at: now, call, clockChanges: this.#clockChanges };
  }

  /** Takes an answer. */
  receive(asking: BudgetAsking, answer: BudgetAnswer, now: number): void {
    this.#see(now);
    if (answer.epoch !== this.#epoch) {
      // Another instance of the object, unless this holder has heard of a further one since it asked.
      if (this.#epoch !== asking.call.epoch) return;
      this.#begin(answer);
    }
    // A lease that is over lasts for nothing, even if it is renewed.
    this.#expire(now);
    if (answer.seq > this.#seq) this.#recall(answer);
    if (asking.clockChanges === this.#clockChanges) this.#until = Math.max(this.#until, asking.at + answer.leaseMs);
    for (const report of asking.call.reports) this.#answered(report);
    for (const grant of answer.grants) this.#take(grant, asking, answer.seq);
    for (const refusal of answer.refusals) this.#refuse(refusal, asking, answer);
  }

  /**
   * Call this when a call has failed, or is not waited for any longer: another one reports again. Every call ends with
   * this or with `receive`.
   */
  failed({ call: { reports } }: BudgetAsking): void {
    for (const report of reports) {
      const held = this.#answered(report);
      if (held !== null) this.#news.add(held);
    }
  }

  #report(held: Held, isNeeded: boolean, now: number): BudgetReport {
    if (now >= held.until) this.#letGo(held);
    const { budget, granted, spent, returned, told } = held;
    this.#calls += 1;
    held.call = this.#calls;
    held.askingSince = now;
    held.told = spent;
    this.#news.delete(held);
    return { budget, call: held.call, granted, spent, returned, wants: isNeeded || spent > told };
  }

  #begin({ epoch, seq }: BudgetAnswer): void {
    this.#epoch = epoch;
    this.#seq = seq;
    this.#until = Number.NEGATIVE_INFINITY;
    this.#budgets.clear();
    this.#news.clear();
  }

  #recall({ seq, recalled }: BudgetAnswer): void {
    this.#seq = seq;
    for (const [budget, held] of this.#budgets) {
      if (recalled !== 'everything' && !recalled.includes(budget)) continue;
      this.#letGo(held);
      held.refusal = null;
    }
  }

  #answered({ budget, call }: BudgetReport): Held | null {
    const held = this.#budgets.get(budget);
    // Another call has overtaken this one.
    if (held === undefined || held.call !== call) return null;
    held.askingSince = null;
    return held;
  }

  #take({ budget, call, granted, forMs, standing }: BudgetGrant, asking: BudgetAsking, seq: number): void {
    const held = this.#budgets.get(budget);
    if (held === undefined || held.call !== call) return;
    held.granted = Math.max(held.granted, granted);
    held.standing = standing;
    held.until = forMs === null ? Number.POSITIVE_INFINITY : asking.at + forMs;
    // Overtaken by the answer to a later call: this may have been recalled since. Nor has a changed clock measured it.
    if (seq < this.#seq || asking.clockChanges !== this.#clockChanges) this.#letGo(held);
  }

  #refuse(refusal: HeldRefusal, { at }: BudgetAsking, { seq, leaseMs }: BudgetAnswer): void {
    const held = this.#budgets.get(refusal.budget);
    if (held === undefined || seq < this.#seq) return;
    const until = Math.min(this.#until, at + Math.min(leaseMs, refusal.retryAfterMs ?? leaseMs));
    held.refusal = { ...refusal, at, until };
    held.standing = refusal.standing;
  }

  // ---- budgets ----

  #open(budget: string, now: number): Held | null {
    const known = this.#budgets.get(budget);
    if (known !== undefined) return known;
    if (this.#budgets.size >= this.#budgetsMax) return null;
    const totals = { granted: 0, spent: 0, returned: 0, told: 0, call: -1 };
    const made = { budget, ...totals, askingSince: null, until: now, usedAt: now, refusal: null, standing: null };
    this.#budgets.set(budget, made);
    return made;
  }

  /** Units that may be spent. */
  #units(held: Held, now: number): number {
    return now < this.#until && now < held.until ? unitsOf(held) : 0;
  }

  /** Counts units as returned. They may never be spent then. */
  #letGo(held: Held, units = unitsOf(held)): void {
    if (units <= 0) return;
    held.returned += units;
    this.#news.add(held);
  }

  /** Lets go of what may not be spent any more, and of what is not used. Forgets what there is nothing to tell of. */
  #expire(now: number): void {
    const isOver = now >= this.#until;
    if (!isOver && now - this.#expiredAt < EXPIRE_EVERY_MS) return;
    this.#expiredAt = now;
    for (const [budget, held] of this.#budgets) {
      const isIdle = now - held.usedAt >= IDLE_MS;
      if (isOver || now >= held.until || isIdle) this.#letGo(held);
      const isSilent = isIdle && !this.#isAsking(held, now) && !this.#news.has(held);
      if (isSilent && (held.refusal?.until ?? 0) <= now) this.#budgets.delete(budget);
    }
  }

  /** A clock that went back measures no durations: nothing may be spent that was counted with it. */
  #see(now: number): void {
    if (now < this.#lastNow) {
      this.#clockChanges += 1;
      this.#until = Number.NEGATIVE_INFINITY;
      this.#expiredAt = Number.NEGATIVE_INFINITY;
      for (const held of this.#budgets.values()) {
        this.#letGo(held);
        held.refusal = null;
        held.usedAt = Math.min(held.usedAt, now);
        if (held.askingSince !== null) held.askingSince = Math.min(held.askingSince, now);
      }
    }
    this.#lastNow = now;
  }
}

function unitsOf({ granted, spent, returned }: Held): number {
  return granted - spent - returned;
}

function refuses({ refusal }: Held, cost: number, now: number): boolean {
  return refusal !== null && cost >= refusal.cost && now < refusal.until;
}

/** What is known of a limit: what the object said last, and what is held beside that. */
function standingOf(held: Held, refusing: readonly Held[], now: number): HeldStanding {
  const standing = held.standing ?? { limit: 0, remaining: 0, resetsAt: now };
  const own = { ...standing, remaining: standing.remaining + unitsOf(held) };
  const { refusal } = held;
  if (refusal === null || !refusing.includes(held)) return own;
  const { retryAfterMs, at } = refusal;
  return { ...own, retryAfterMs: retryAfterMs === null ? null : Math.max(retryAfterMs - (now - at), 0) };
}
