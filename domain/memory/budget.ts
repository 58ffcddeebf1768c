/**
 * One budget of bytes for everything that an isolate keeps in caches. Cloudflare gives an isolate 128 MB, the Worker
 * and any number of objects may share it, and callers decide how large an entry is. So a bound on the number of
 * entries, or a bound for each cache, would bound nothing. Every cache accounts for its entries here. When the budget
 * is used up, the least recently used entry is evicted, whichever cache holds it. Room that one tenant does not use is
 * free for others. What an object cached before the platform evicted it ages out like the rest: nothing tells when an
 * object is evicted, and finalizers run at no certain time.
 *
 * The trade-off is that of every such cache: a caller who uses very many keys once each takes the room of others who
 * use few keys often. An evicted entry costs its next user the work that the cache would have saved, and never leads to
 * a wrong result.
 */

/** One entry of a cache, as the budget sees it. */
export type Accounted = {
  /** Upper bound of what the entry takes, with everything that is kept only for its sake. */
  readonly bytes: number;
  /** Neighbours in the order of use. Only the budget writes them. */
  older: Accounted | null;
  newer: Accounted | null;
  /** Removes the entry from its cache. */
  evict(): void;
};

/**
 * A larger entry than this share of the budget is not kept: it would push out hundreds of others and save the work of
 * one.
 */
const ENTRY_SHARE_MAX = 1 / 64;

export class MemoryBudget {
  readonly bytesMax: number;
  /** Entries that were evicted so far. */
  evictions = 0;
  #bytes = 0;
  #oldest: Accounted | null = null;
  #newest: Accounted | null = null;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** Sum of all entries. Never above `bytesMax` when `add` has returned. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether an entry of this size may be kept at all. */
  admits(bytes: number): boolean {
    return bytes <= this.bytesMax * ENTRY_SHARE_MAX;
  }

  /** Adds an entry as the most recently used, and evicts others until there is room. */
  add(entry: Accounted): void {
    this.#bytes += entry.bytes;
    this.#append(entry);
    while (this.#bytes > this.bytesMax && this.#oldest !== null) {
      const oldest = this.#oldest;
      this.remove(oldest);
      oldest.evict();
      this.evictions += 1;
    }
  }

  /** Makes an entry the most recently used. */
  touch(entry: Accounted): void {
    if (entry === this.#newest) return;
    this.#detach(entry);
    this.#append(entry);
  }

  /** Makes an entry the least recently used, so that it is the first to go. */
  demote(entry: Accounted): void {
    const before = this.#oldest;
    if (entry === before || before === null) return;
    this.#detach(entry);
    entry.newer = before;
    before.older = entry;
    this.#oldest = entry;
  }

  remove(entry: Accounted): void {
    this.#bytes -= entry.bytes;
    this.#detach(entry);
  }

  #append(entry: Accounted): void {
    const before = this.#newest;
    entry.older = before;
    if (before === null) this.#oldest = entry;
    else before.newer = entry;
    this.#newest = entry;
  }

  #detach(entry: Accounted): void {
    const { older, newer } = entry;
    if (older === null) this.#oldest = newer;
    else older.newer = newer;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    entry.older = null;
    entry.newer = null;
  }
}

const MIB = 1024 * 1024;

/**
 * The budget of this isolate. The Worker and the objects in one isolate share module state, so they share this budget
 * too. It is a good third of Cloudflare's 128 MB. The rest is for requests under way, of which a bulk creation takes
 * most, and for garbage that is not collected yet. The budget holds some 25,000 keys of the usual size.
 */
export const isolateMemory = new MemoryBudget(52 * MIB);
