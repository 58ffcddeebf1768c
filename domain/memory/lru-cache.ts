/**
 * A cache of values that are costly to make. It is bounded by a budget of bytes that all caches of the isolate share,
 * so any `set`, of whatever cache, may evict entries of this one.
 */
import { type Accounted, isolateMemory, type MemoryBudget } from './budget.ts';

export class LruCache<V, K extends string | number = string> {
  readonly #entries = new Map<K, Entry<V, K>>();
  readonly #budget: MemoryBudget;

  constructor(budget: MemoryBudget = isolateMemory) {
    this.#budget = budget;
  }

  /** The value under this key, which becomes the most recently used; undefined when there is none. */
  get(key: K): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#budget.touch(entry);
    return entry.value;
  }

  /** The value under this key; made and kept if there is none. `bytes` as for `set`. */
  getOrMake(key: K, bytes: number, make: () => V): V {
    const known = this.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.set(key, made, bytes);
    return made;
  }

  /**
   * Keeps the value in place of the one before. `bytes` is an upper bound of what the value and the text of the key
   * take; the entry itself is added here. A value that is too large for the budget is not kept, and the one before is
   * removed all the same.
   */
  set(key: K, value: V, bytes: number): void {
    this.delete(key);
    const entry = new Entry(this.#entries, key, value, bytes + ENTRY_BYTES);
    if (!this.#budget.admits(entry.bytes)) return;
    this.#entries.set(key, entry);
    this.#budget.add(entry);
  }

  /** Makes the value under this key the first to go when memory is short. */
  demote(key: K): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#budget.demote(entry);
  }

  delete(key: K): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#budget.remove(entry);
  }

  clear(): void {
    for (const entry of this.#entries.values()) this.#budget.remove(entry);
    this.#entries.clear();
  }
}

/**
 * What an entry takes beside its key and value: the entry itself and its place in a map, which may have twice the
 * places that it needs. Measured on workerd like the sizes that each cache states: the heap after a collection with
 * 20,000 to 50,000 entries, less the heap with 10, divided by their number. For what the runtime keeps outside of the
 * heap, the memory of the process was measured instead.
 */
export const ENTRY_BYTES = 80;

class Entry<V, K> implements Accounted {
  readonly key: K;
  readonly value: V;
  readonly bytes: number;
  older: Accounted | null = null;
  newer: Accounted | null = null;
  readonly #home: Map<K, Entry<V, K>>;

  constructor(home: Map<K, Entry<V, K>>, key: K, value: V, bytes: number) {
    this.#home = home;
    this.key = key;
    this.value = value;
    this.bytes = bytes;
  }

  evict(): void {
    this.#home.delete(this.key);
  }
}
