/**
 * The counters that an object has in memory, within the byte budget of the isolate (domain/memory). Other caches may
 * push a counter out at any time, also one whose row has an open block. `lost` then says how long that block may have
 * been spent from. A counter out of which units are left with holders stays, however short memory is.
 */
import { type Accounted, isolateMemory, type MemoryBudget } from '../memory/budget.ts';
import { textBytes } from '../memory/size.ts';
import type { Counter, WriteRow } from './counter.ts';
import type { Limit } from './limit.ts';
import { BUCKETS_MAX } from './sliding-window.ts';

/** What a counter takes beside its name and its buckets, and what a bucket takes (bytes). */
const COUNTER_BYTES = 900;
const BUCKET_BYTES = 48;

export type KnownCounter = { readonly counter: Counter; readonly write: WriteRow };

/** Upper bound of what a counter takes in memory. Each bucket has a unit at least. */
function counterBytes(name: string, limit: Limit): number {
  const buckets = limit.kind === 'quota' ? 0 : Math.min(limit.limit, BUCKETS_MAX);
  return COUNTER_BYTES + 2 * textBytes(name) + buckets * BUCKET_BYTES;
}

export class CounterCache {
  readonly #entries = new Map<string, Entry>();
  /** Counters whose rows are to be written before the object sleeps, in the order in which they became so. */
  readonly #open = new Set<Entry>();
  readonly #memory: MemoryBudget;
  readonly #mayGo: (counter: Counter) => boolean;
  readonly #gone: (counter: Counter) => void;

  /** `mayGo` is asked before a counter is dropped, `gone` is called after that. Neither may touch any cache. */
  constructor(
    { mayGo, gone }: { mayGo: (counter: Counter) => boolean; gone: (counter: Counter) => void },
    memory: MemoryBudget = isolateMemory,
  ) {
    this.#mayGo = mayGo;
    this.#gone = gone;
    this.#memory = memory;
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  get(name: string): KnownCounter | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    if (entry.isAccounted) this.#memory.touch(entry);
    else this.#account(entry);
    return entry;
  }

  /** Keeps a counter. It may be pushed out at once. */
  add(name: string, known: KnownCounter): void {
    const entry = new Entry(this, name, known, counterBytes(name, known.counter.limit));
    this.#entries.set(name, entry);
    this.#account(entry);
  }

  /** Call this when the limit of a counter has changed, since it may take more memory now. */
  resized(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined || entry.bytes >= counterBytes(name, entry.counter.limit)) return;
    this.#remove(entry);
    this.add(name, entry);
  }

  delete(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#remove(entry);
    this.#gone(entry.counter);
  }

  names(): Iterable<string> {
    return this.#entries.keys();
  }

  *all(): Generator<KnownCounter> {
    yield* this.#entries.values();
  }

  // ---- rows that are to be written ----

  /** Whether there is a counter whose row is to be written. */
  get hasOpen(): boolean {
    return this.#open.size > 0;
  }

  /** Notes that a counter was used at `now` (ms). */
  used(name: string, now: number): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    entry.usedAt = now;
    if (entry.counter.isOpen) this.#open.add(entry);
  }

  /** Closes up to `max` counters that were not used after `before` (ms). Returns whether it stopped at `max`. */
  closeUnused(before: number, max: number, now: number): boolean {
    let closed = 0;
    for (const entry of this.#open) {
      if (entry.usedAt > before && entry.counter.isOpen) continue;
      entry.counter.close(now, entry.write);
      this.#open.delete(entry);
      closed += 1;
      if (closed === max) return true;
    }
    return false;
  }

  /** When the first of those was used that are to be written (ms); null when there is none. */
  firstUsedAt(): number | null {
    let first: number | null = null;
    for (const { usedAt } of this.#open) if (first === null || usedAt < first) first = usedAt;
    return first;
  }

  // ---- memory ----

  #account(entry: Entry): void {
    entry.isAccounted = true;
    this.#memory.add(entry);
  }

  #remove(entry: Entry): void {
    if (entry.isAccounted) this.#memory.remove(entry);
    this.#entries.delete(entry.name);
    this.#open.delete(entry);
  }

  /** The budget has pushed this entry out. */
  pushedOut(entry: Entry): void {
    entry.isAccounted = false;
    if (!this.#mayGo(entry.counter)) return;
    this.#remove(entry);
    this.#gone(entry.counter);
  }
}

class Entry implements Accounted, KnownCounter {
  readonly name: string;
  readonly counter: Counter;
  readonly write: WriteRow;
  readonly bytes: number;
  usedAt = 0;
  isAccounted = false;
  older: Accounted | null = null;
  newer: Accounted | null = null;
  readonly #home: CounterCache;

  constructor(home: CounterCache, name: string, { counter, write }: KnownCounter, bytes: number) {
    this.#home = home;
    this.name = name;
    this.counter = counter;
    this.write = write;
    this.bytes = bytes;
  }

  evict(): void {
    this.#home.pushedOut(this);
  }
}
