/**
 * Keyset paging over rows in `seq` order. A page examines a bounded number of rows, whatever the filters are: when matches are thin it may come
 * back short, even empty, with a place to go on from. So no list costs more for being deep or for the tenant being large.
 */

export type Order = 'asc' | 'desc';

export type Page<T> = {
  readonly items: readonly T[];
  /** `seq` after which the next page starts, null at the end. */
  readonly next: number | null;
};

/** Rows that one page examines at most: 3 ms of work for small ones, 10 ms for audit entries of the largest size (30 KB). */
export const PAGE_EXAMINES_MAX = 1000;

type Sequenced = { readonly seq: number };

/** Takes the first `limit` matches from candidates that come in `seq` order. */
export function takePage<T extends Sequenced>(
  candidates: Iterable<T>,
  limit: number,
  matches: (candidate: T) => boolean,
): Page<T> {
  const items: T[] = [];
  let examined = 0;
  let last: T | undefined;
  for (const candidate of candidates) {
    if (examined === PAGE_EXAMINES_MAX) return { items, next: last?.seq ?? null };
    examined += 1;
    if (matches(candidate)) {
      if (items.length === limit) return { items, next: items.at(-1)?.seq ?? null };
      items.push(candidate);
    }
    last = candidate;
  }
  return { items, next: null };
}

/** Merges two streams that are each in `seq` order into one. A row that stands in both comes once. */
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

/** The open bound from which a walk in this order starts: beyond every row, or after the last one seen. */
export function startOf(order: Order, after: number | null): number {
  return after ?? (order === 'asc' ? -1 : Number.MAX_SAFE_INTEGER);
}
