/**
 * Usage that a tenant's object has counted and not written yet. A verification costs one look into a map. Counts are
 * written when the tenant has been quiet for a moment, so before the platform evicts the object, and after a minute
 * when it is not. So a key in constant use is written once a minute.
 *
 * Pure: times are passed in (ms).
 */
import { hourOf } from './periods.ts';
import { addTally, count, newTally, type Tally, type UsageCode } from './tally.ts';

/** Whose use is counted: a key, with the owner and the plan that it had. */
export type Used = { readonly keyId: string; readonly owner: string | null; readonly plan: string | null };

/** The use of one key in one hour. */
export type Cell = Used & {
  /** Start of the hour (ms). */
  readonly hour: number;
  readonly tally: Tally;
};

/** Quiet for so long, the tenant may be evicted soon: the platform evicts an object after about 10 s. */
export const QUIET_MS = 3000;
/** Unwritten counts of a busy tenant are at most so old, except while storage takes no writes. */
const AGE_MAX_MS = 60_000;
/** With so many unwritten cells (some 2.5 MB) they are written at once, however old they are. */
const CELLS_BEFORE_WRITING = 10_000;
/**
 * Most cells. More are counted only while storage takes no writes; then the use of further keys is not counted.
 */
export const CELLS_MAX = 20_000;

export class PendingUsage {
  /** By key: the present cell of each. The first is the oldest. */
  readonly #cells = new Map<string, Cell>();
  /** Cells whose keys were used since with another owner or plan, or in another hour. */
  #earlier: Cell[] = [];
  #firstAt = 0;
  #lastAt = 0;
  /** Whether something was counted since `batch` was called last. */
  #isBusy = false;
  /** Cells that are being written, in batches. */
  #due = 0;
  #dropped = 0;

  get size(): number {
    return this.#cells.size + this.#earlier.length;
  }

  /** Counts one verification. */
  count(used: Used, code: UsageCode, units: number, now: number): void {
    const cell = this.#cellOf(used, now);
    if (cell === null) this.#dropped += 1;
    else count(cell.tally, code, units);
  }

  /** Counts verifications that a holder reports. */
  add(used: Used, tally: Readonly<Tally>, now: number): void {
    const cell = this.#cellOf(used, now);
    if (cell === null) this.#dropped += 1;
    else addTally(cell.tally, tally);
  }

  #cellOf(used: Used, now: number): Cell | null {
    this.#lastAt = now;
    this.#isBusy = true;
    const hour = hourOf(now);
    const { keyId, owner, plan } = used;
    const known = this.#cells.get(keyId);
    if (known !== undefined && known.hour === hour && known.owner === owner && known.plan === plan) return known;
    const { size } = this;
    if (size >= CELLS_MAX) return null;
    if (size === 0) this.#firstAt = now;
    if (known !== undefined) {
      this.#cells.delete(keyId);
      this.#earlier.push(known);
    }
    const cell: Cell = { keyId, owner, plan, hour, tally: newTally() };
    this.#cells.set(keyId, cell);
    return cell;
  }

  /** How long until something has to be written (ms); null when there is nothing. */
  untilDue(now: number): number | null {
    const { size } = this;
    if (size === 0) return null;
    if (this.#due > 0 || size >= CELLS_BEFORE_WRITING) return 0;
    return Math.max(Math.min(this.#lastAt + QUIET_MS, this.#firstAt + AGE_MAX_MS) - now, 0);
  }

  /** Up to `limit` cells that have to be written now. They stay here until `written` reports that they were. */
  batch(limit: number, now: number): readonly Cell[] {
    const isQuiet = !this.#isBusy;
    this.#isBusy = false;
    if (this.#due === 0 && (isQuiet || this.untilDue(now) === 0)) this.#due = this.size;
    const batch: Cell[] = [];
    const wanted = Math.min(this.#due, limit);
    if (wanted === 0) return batch;
    for (const cells of [this.#earlier, this.#cells.values()]) {
      for (const cell of cells) {
        if (batch.length === wanted) return batch;
        batch.push(cell);
      }
    }
    return batch;
  }

  /** Call this when a batch was committed, in the turn in which it was taken. */
  written(batch: readonly Cell[], now: number): void {
    if (batch.length === 0) return;
    const written = new Set(batch);
    this.#earlier = this.#earlier.filter((cell) => !written.has(cell));
    for (const cell of batch) if (this.#cells.get(cell.keyId) === cell) this.#cells.delete(cell.keyId);
    this.#due = Math.min(this.#due - batch.length, this.size);
    // What is left was counted since this round of writing began, or is part of it.
    if (this.#due === 0) this.#firstAt = now;
  }

  /** Verifications that could not be counted since the last call. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }
}
