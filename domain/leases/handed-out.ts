/** The keys of which holders may have a record: a change of any other key has nobody to wait for. */
import { type Accounted, isolateMemory, type MemoryBudget } from '../memory/budget.ts';
import { TEXT_BYTES } from '../memory/size.ts';

/** Keys that are remembered one by one. Beyond that every key counts as handed out. */
const KEYS_MAX = 10_000;
/** What one key takes: its id, and its place in a set. */
const KEY_BYTES = 2 * TEXT_BYTES + 32;
const ROOM_MIN = 16;

export class HandedOut {
  /** Null when they are not remembered one by one. */
  #ids: Set<string> | null = new Set();
  /** Keys that are accounted for. */
  #room = 0;
  #entry: Accounted | null = null;
  readonly #budget: MemoryBudget;
  readonly #keysMax: number;

  /** `keysMax`: how many keys are remembered one by one. */
  constructor({ budget = isolateMemory, keysMax = KEYS_MAX }: { budget?: MemoryBudget; keysMax?: number } = {}) {
    this.#budget = budget;
    this.#keysMax = keysMax;
  }

  /** Whether every key counts as handed out. */
  get isOverflown(): boolean {
    return this.#ids === null;
  }

  has(keyId: string): boolean {
    return this.#ids === null || this.#ids.has(keyId);
  }

  add(keyId: string): void {
    if (this.#ids === null) return;
    this.#ids.add(keyId);
    if (this.#ids.size > this.#keysMax) this.#forget();
    else if (this.#ids.size > this.#room) this.#grow();
    else if (this.#entry !== null) this.#budget.touch(this.#entry);
  }

  delete(keyId: string): void {
    this.#ids?.delete(keyId);
  }

  /** Starts anew with no keys. */
  clear(): void {
    this.#release();
    this.#ids = new Set();
    this.#room = 0;
  }

  /** Accounts for twice as many keys at once, so that accounting costs next to nothing. */
  #grow(): void {
    this.#release();
    this.#room = Math.max(ROOM_MIN, 2 * this.#room);
    const evict = () => {
      this.#entry = null;
      this.#ids = null;
    };
    const entry = { bytes: this.#room * KEY_BYTES, older: null, newer: null, evict };
    if (!this.#budget.admits(entry.bytes)) {
      this.#forget();
      return;
    }
    this.#entry = entry;
    this.#budget.add(entry);
  }

  /** From now on every key counts. */
  #forget(): void {
    this.#release();
    this.#ids = null;
  }

  #release(): void {
    if (this.#entry !== null) this.#budget.remove(this.#entry);
    this.#entry = null;
  }
}
