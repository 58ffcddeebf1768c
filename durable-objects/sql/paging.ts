/**
 * Keyset paging over rows in `seq` order. A page does a bounded amount of work, whatever the filters are. When few rows
 * match it may come back short, even empty, with the position where to continue. So a page costs no more when it is
 * deep in a list or the tenant is large. Lists of keys, the largest, have a faster way
 * (durable-objects/tenant/keys/scan.ts).
 */

export type Order = 'asc' | 'desc';

export type Page<T> = {
  readonly items: readonly T[];
  /** `seq` after which the next page starts; null at the end. */
  readonly next: number | null;
};

/** Work of one page at most, in small rows read (some 3 microseconds each). */
export const PAGE_WORK_MAX = 2000;

type Sequenced = { readonly seq: number };

/**
 * Takes the first `limit` matches from candidates in `seq` order. `workOf` gives the cost of a candidate in small rows.
 */
export function takePage<T extends Sequenced>(
  candidates: Iterable<T>,
  limit: number,
  matches: (candidate: T) => boolean,
  workOf: (candidate: T) => number = () => 1,
): Page<T> {
  const items: T[] = [];
  let work = 0;
  let last: T | undefined;
  for (const candidate of candidates) {
    if (work >= PAGE_WORK_MAX) return { items, next: last?.seq ?? null };
    work += workOf(candidate);
    if (matches(candidate)) {
      if (items.length === limit) return { items, next: items.at(-1)?.seq ?? null };
      items.push(candidate);
    }
    last = candidate;
  }
  return { items, next: null };
}

/** Merges two streams, each in `seq` order, into one. A row that is in both comes once. */
export function* mergeBySeq<T extends Sequenced>(left: Iterable<T>, right: Iterable<T>, order: Order): Generator<T> {
  const [a, b] = [left[Symbol.iterator](), right[Symbol.iterator]()];
  let [x, y] = [a.next(), b.next()];
  while (!x.done || !y.done) {
    if (y.done || (!x.done && (order === 'asc' ? x.value.seq < y.value.seq : x.value.seq > y.value.seq))) {
      if (!x.done) yield x.value;
      x = a.next();
    } else {
      if (!x.done && x.value.seq === y.value.seq) x = a.next();
      yield y.value;
      y = b.next();
    }
  }
}

/** The exclusive bound from which a walk in this order starts: beyond every row, or the last row seen. */
export function startOf(order: Order, after: number | null): number {
  return after ?? (order === 'asc' ? -1 : Number.MAX_SAFE_INTEGER);
}
