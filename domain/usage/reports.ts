/**
 * How a holder of leases tells a tenant's object what it has verified by itself. The counts of all keys of the tenant
 * travel with a call that the holder makes anyway. Each report has a number. The holder sends the same report under the
 * same number until some call with it was answered, and the object counts each number once. So a lost answer and a
 * call that comes late or twice count nothing twice.
 *
 * A holder that dies takes what it has not reported with it. The object knows the numbers in memory only: when it dies
 * after it has written the counts of a report and before it has answered, the next instance counts that report again.
 */
import type { PendingUsage, Used } from './pending-usage.ts';
import { count, newTally, type Tally, type UsageCode } from './tally.ts';

/** The use of one key since the report before. */
type ReportedCell = Used & { readonly tally: Tally };

export type UsageReport = {
  readonly holder: string;
  readonly number: number;
  /** Which of the tenants that had this id one after the other. */
  readonly incarnation: string;
  readonly cells: readonly ReportedCell[];
};

/** Cells that one report holds at most: some milliseconds of the object's time. */
export const CELLS_OF_REPORT_MAX = 1000;
/** Most cells that a holder keeps (some 8 MB). More are used only while objects cannot be reached; those are lost. */
const CELLS_MAX = 40_000;
/** With so many cells, reports are sent at once. */
const CELLS_IN_PLENTY = CELLS_MAX / 2;
/** Most tenants with something to report. */
const TENANTS_MAX = 10_000;
/** A report is sent again when its call has neither been answered nor failed for so long (ms). */
const RESEND_AFTER_MS = 10_000;
/**
 * How long (ms) after a count some call takes it along, or at the latest at the end of the lease that is in force then.
 * Together they are less than the 30 s that the platform leaves to work after a response.
 */
export const REPORT_COUNTS_WITHIN_MS = 10_000;

/** What a held record says of the key that is used. */
type HeldUse = { readonly id: string; readonly owner: string | null; readonly plan?: string };

type Tenancy = {
  readonly incarnation: string;
  /** By key. */
  readonly cells: Map<string, ReportedCell>;
  /** Cells of keys whose owner or plan is another one by now. */
  readonly earlier: ReportedCell[];
  /** The report that was sent and not answered. */
  sent: { readonly report: UsageReport; at: number; isUnderWay: boolean } | null;
  /** Until when (ms) a call is planned that takes the counts along; 0 for none. */
  plannedUntil: number;
};

/** The holder's half. */
export class HolderUsage {
  readonly #tenancies = new Map<string, Tenancy>();
  readonly #newId: () => string;
  readonly #cellsOfReportMax: number;
  readonly #waitsForPlan: boolean;
  #id: string | null = null;
  #lastNumber = 0;
  #cells = 0;

  /**
   * `cellsOfReportMax`: cells that one report holds at most. `waitsForPlan`: whether only a call takes counts along
   * that is made when a report is due; by default every call does.
   */
  constructor({
    newId = () => crypto.randomUUID(),
    cellsOfReportMax = CELLS_OF_REPORT_MAX,
    waitsForPlan = false,
  }: { newId?: () => string; cellsOfReportMax?: number; waitsForPlan?: boolean } = {}) {
    this.#newId = newId;
    this.#cellsOfReportMax = cellsOfReportMax;
    this.#waitsForPlan = waitsForPlan;
  }

  /**
   * Counts a verification that a held record has decided. Returns when (ms from `now`) a call has to report it, if no
   * such call is planned yet; null otherwise.
   */
  count(tenant: string, incarnation: string, key: HeldUse, code: UsageCode, units: number, now: number): number | null {
    const tenancy = this.#tenancyOf(tenant, incarnation);
    if (tenancy === null) return null;
    const { cells } = tenancy;
    const { id: keyId, owner } = key;
    const plan = key.plan ?? null;
    let cell = cells.get(keyId);
    if (cell === undefined || cell.owner !== owner || cell.plan !== plan) {
      if (this.#cells >= CELLS_MAX) return null;
      if (cell !== undefined) tenancy.earlier.push(cell);
      cell = { keyId, owner, plan, tally: newTally() };
      cells.set(keyId, cell);
      this.#cells += 1;
      count(cell.tally, code, units);
      if (cells.size === this.#cellsOfReportMax || this.#cells > CELLS_IN_PLENTY) return this.#plan(tenancy, 0, now);
    } else count(cell.tally, code, units);
    return this.#isPlanned(tenancy, now) ? null : this.#plan(tenancy, REPORT_COUNTS_WITHIN_MS, now);
  }

  #isPlanned({ plannedUntil }: Tenancy, now: number): boolean {
    // A plan further away than any is made by a clock that went back since.
    if (now < plannedUntil) return plannedUntil - now <= REPORT_COUNTS_WITHIN_MS;
    // When only a planned call takes counts along, one that is due stays so until it does.
    return this.#waitsForPlan && plannedUntil > 0;
  }

  #plan(tenancy: Tenancy, inMs: number, now: number): number {
    tenancy.plannedUntil = now + inMs;
    return inMs;
  }

  #tenancyOf(tenant: string, incarnation: string): Tenancy | null {
    const known = this.#tenancies.get(tenant);
    if (known?.incarnation === incarnation) return known;
    // The tenant that had this id before is gone, and its usage with it.
    if (known !== undefined) this.#forget(tenant, known);
    if (this.#tenancies.size >= TENANTS_MAX) this.#forgetEmpty();
    if (this.#tenancies.size >= TENANTS_MAX) return null;
    const tenancy: Tenancy = { incarnation, cells: new Map(), earlier: [], sent: null, plannedUntil: 0 };
    this.#tenancies.set(tenant, tenancy);
    return tenancy;
  }

  #forgetEmpty(): void {
    for (const [tenant, tenancy] of this.#tenancies) if (isEmpty(tenancy)) this.#tenancies.delete(tenant);
  }

  #forget(tenant: string, { cells, earlier }: Tenancy): void {
    this.#cells -= cells.size + earlier.length;
    this.#tenancies.delete(tenant);
  }

  /** Whether there is something to report that no call under way reports. Ask when a planned call is due. */
  isDue(tenant: string): boolean {
    const tenancy = this.#tenancies.get(tenant);
    if (tenancy === undefined) return false;
    if (isEmpty(tenancy)) this.#tenancies.delete(tenant);
    const { cells, earlier, sent } = tenancy;
    return sent === null ? cells.size + earlier.length > 0 : !sent.isUnderWay;
  }

  /** Makes reports due. Returns the tenants that have something to report. */
  plan(): string[] {
    for (const tenancy of this.#tenancies.values()) tenancy.plannedUntil = 0;
    return [...this.#tenancies.keys()].filter((tenant) => this.isDue(tenant));
  }

  /** What a call that is sent now reports; null for nothing. */
  take(tenant: string, now: number): UsageReport | null {
    const tenancy = this.#tenancies.get(tenant);
    if (tenancy === undefined) return null;
    const { sent } = tenancy;
    if (sent !== null) {
      const waited = now - sent.at;
      if (sent.isUnderWay && waited >= 0 && waited < RESEND_AFTER_MS) return null;
      sent.at = now;
      sent.isUnderWay = true;
      return sent.report;
    }
    if (this.#waitsForPlan && now < tenancy.plannedUntil) return null;
    const cells = this.#takeCells(tenancy);
    // What is left is due too.
    if (this.#waitsForPlan) tenancy.plannedUntil = tenancy.cells.size + tenancy.earlier.length > 0 ? now : 0;
    if (cells.length === 0) return null;
    this.#id ??= this.#newId();
    this.#lastNumber += 1;
    const report = { holder: this.#id, number: this.#lastNumber, incarnation: tenancy.incarnation, cells };
    tenancy.sent = { report, at: now, isUnderWay: true };
    return report;
  }

  #takeCells({ cells, earlier }: Tenancy): ReportedCell[] {
    const taken = earlier.splice(0, this.#cellsOfReportMax);
    for (const [keyId, cell] of cells) {
      if (taken.length === this.#cellsOfReportMax) break;
      taken.push(cell);
      cells.delete(keyId);
    }
    this.#cells -= taken.length;
    return taken;
  }

  /** Call this when a call that took the report along was answered. */
  answered(tenant: string, report: UsageReport): void {
    const tenancy = this.#tenancies.get(tenant);
    if (tenancy?.sent?.report.number !== report.number) return;
    tenancy.sent = null;
  }

  /** Call this when such a call has failed: nobody knows whether the object has got the report. */
  failed(tenant: string, report: UsageReport): void {
    const sent = this.#tenancies.get(tenant)?.sent;
    if (sent?.report.number === report.number) sent.isUnderWay = false;
  }
}

const isEmpty = ({ cells, earlier, sent }: Tenancy) => sent === null && cells.size + earlier.length === 0;

/** Holders whose last number the object remembers (some 1 MB). A busy tenant has a few dozen. */
const HOLDERS_MAX = 5000;

/** The object's half. */
export class ReportedUsage {
  /** The last number of each holder. The first is the one not heard of for longest. */
  readonly #lastNumbers = new Map<string, number>();

  /** Counts a report unless it was counted before. */
  take({ holder, number, cells }: UsageReport, into: PendingUsage, now: number): void {
    const last = this.#lastNumbers.get(holder) ?? 0;
    this.#lastNumbers.delete(holder);
    this.#lastNumbers.set(holder, Math.max(last, number));
    if (number <= last) return;
    for (const cell of cells) into.add(cell, cell.tally, now);
    if (this.#lastNumbers.size <= HOLDERS_MAX) return;
    for (const longest of this.#lastNumbers.keys()) {
      this.#lastNumbers.delete(longest);
      break;
    }
  }
}
