/**
 * One budget of bytes for all that an isolate keeps in caches. A heap has 128 MB on Cloudflare, the Worker and any
 * number of objects may share it, and how large an entry is, callers decide: so bounds by number, or one for each
 * cache, bound nothing. Every cache accounts for its entries here, and when the budget is used up, the entry that was
 * not used for longest goes, whichever cache holds it. What one tenant leaves is there for another, and what an object
 * cached before the platform evicted it ages out like the rest: nobody is told when an object goes, and a finalizer
 * runs at no certain time.
 *
 * The trade-off is that of every such cache: somebody who uses very many keys once each takes the room of others who
 * use few keys often. What has fallen out costs its next user the work that the cache spared, and is never a wrong
 * answer.
 */

/** What a budget accounts for: one entry of a cache. */
export type Accounted = {
  /** What it takes at the most, with all that is kept only for its sake. */
  readonly bytes: number;
  /** Its neighbours in the order of use; the budget's own. */
  older: Accounted | null;
  newer: Accounted | null;
  /** Takes it out of its cache. */
  evict(): void;
};

/** An entry with a larger share than this is not kept: what it spares is not worth what hundreds of others spare. */
const ENTRY_SHARE_MAX = 1 / 64;

export class MemoryBudget {
  readonly bytesMax: number;
  #bytes = 0;
  #oldest: Accounted | null = null;
  #newest: Accounted | null = null;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** What all entries together are accounted for. Never above `bytesMax`. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether something of this size may be kept at all. */
  admits(bytes: number): boolean {
    return bytes <= this.bytesMax * ENTRY_SHARE_MAX;
  }

  /** Accounts for an entry as the latest used, and evicts others while there is no room. */
  add(entry: Accounted): void {
    this.#bytes += entry.bytes;
    this.#append(entry);
    while (this.#bytes > this.bytesMax && this.#oldest !== null) {
      const oldest = this.#oldest;
      this.remove(oldest);
      oldest.evict();
    }
  }

  /** Makes an entry the latest used. */
  touch(entry: Accounted): void {
    if (entry === this.#newest) return;
    this.#detach(entry);
    this.#append(entry);
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
 * The budget of this isolate: module state is what the Worker and the objects that share an isolate share as well. A
 * good third of Cloudflare's 128 MB leaves the rest to requests under way, of which a bulk creation takes most, and to what
 * the collector has not collected yet; it holds what some 20,000 keys of the usual size take.
 */
export const isolateMemory = new MemoryBudget(52 * MIB);
