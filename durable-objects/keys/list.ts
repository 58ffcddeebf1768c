/**
 * Lists of keys: which index to walk for which filters. Whatever the index yields, each row is checked against every filter by the same
 * functions that verification uses, so the choice here decides only the cost.
 */
import { mergeBySeq, type Order, type Page, takePage } from '../storage/paging.ts';
import type { KeyRecord, KeyStatus } from './record.ts';
import { statusOf } from './status.ts';
import { type KeyTable, SMALL_SET_MAX } from './table.ts';

export type KeyFilter = {
  readonly status?: KeyStatus;
  readonly owner?: string;
  readonly prefix?: string;
  /** Start of the name, case-sensitive. */
  readonly name?: string;
  /** Expiry strictly before this time (ms). */
  readonly expiresBefore?: number;
};

export type KeyListQuery = {
  readonly filter: KeyFilter;
  readonly order: Order;
  readonly limit: number;
  readonly after: number | null;
};

/** One page of the keys that match all filters at `now`, by creation. */
export function listKeys(keys: KeyTable, query: KeyListQuery, now: number): Page<KeyRecord> {
  return takePage(candidates(keys, query, now), query.limit, (record) => matchesFilter(record, query.filter, now));
}

/** Matches that paging by offset reaches. Further on each page would cost more than the one before: that is what cursors are for. */
export const OFFSET_REACH = 10_000;
/** Rows that a page by offset examines at most, when few of many match. */
const OFFSET_EXAMINES_MAX = 5 * OFFSET_REACH;

export type OffsetPage<T> = {
  readonly items: readonly T[];
  /** Matches in all, counted up to `OFFSET_REACH` when there are filters. */
  readonly total: number;
};

/** The matches from `offset` on, by creation; `offset + limit` is at most `OFFSET_REACH`. */
export function listKeysByOffset(
  keys: KeyTable,
  { filter, order, limit, offset }: Omit<KeyListQuery, 'after'> & { readonly offset: number },
  now: number,
): OffsetPage<KeyRecord> {
  const items: KeyRecord[] = [];
  const isFiltered = Object.keys(filter).length > 0;
  let matched = 0;
  let examined = 0;
  for (const record of candidates(keys, { filter, order, limit, after: null }, now)) {
    examined += 1;
    if (examined > OFFSET_EXAMINES_MAX) break;
    if (!matchesFilter(record, filter, now)) continue;
    if (matched >= offset && items.length < limit) items.push(record);
    matched += 1;
    if (matched === OFFSET_REACH || (!isFiltered && items.length === limit)) break;
  }
  return { items, total: isFiltered ? matched : (keys.counts.byEntry('keys').get(0) ?? 0) };
}

/** Whether a record passes every filter at `now`. */
export function matchesFilter(record: KeyRecord, filter: KeyFilter, now: number): boolean {
  if (filter.owner !== undefined && record.owner !== filter.owner) return false;
  if (filter.prefix !== undefined && record.prefix !== filter.prefix) return false;
  if (filter.name !== undefined && !record.name.startsWith(filter.name)) return false;
  if (filter.expiresBefore !== undefined && (record.expiresAt === null || record.expiresAt >= filter.expiresBefore)) {
    return false;
  }
  return filter.status === undefined || statusOf(record, now) === filter.status;
}

function candidates(keys: KeyTable, { filter, order, after }: KeyListQuery, now: number): Iterable<KeyRecord> {
  // A range that holds few rows is read whole and sorted: the page is then complete, however thin the matches are.
  if (filter.name !== undefined) {
    const named = keys.namedLike(filter.name);
    if (named.length <= SMALL_SET_MAX) return inOrder(named, order, after);
  }
  if (filter.expiresBefore !== undefined) {
    const expiring = keys.expiringBefore(filter.expiresBefore);
    if (expiring.length <= SMALL_SET_MAX) return inOrder(expiring, order, after);
  }
  if (filter.owner !== undefined) return keys.walkOwner(filter.owner, order, after);
  // Stored statuses say nothing about revocations of groups that are not written to the rows yet; the plain walk knows.
  // Active keys are nearly all there are: the plain walk finds them.
  if (filter.status !== undefined && filter.status !== 'active' && keys.groupRevocations.pending.length === 0) {
    // The stored status lags for rows that are due; they are few unless an alarm is behind, and then the plain walk serves.
    const lagging = keys.due(now, SMALL_SET_MAX + 1);
    if (lagging.length <= SMALL_SET_MAX) {
      return mergeBySeq(keys.walkStatus(filter.status, order, after), inOrder(lagging, order, after), order);
    }
  }
  return keys.walk(order, after);
}

function inOrder(records: readonly KeyRecord[], order: Order, after: number | null): KeyRecord[] {
  const sign = order === 'asc' ? 1 : -1;
  const rest = after === null ? [...records] : records.filter((record) => sign * (record.seq - after) > 0);
  return rest.sort((a, b) => sign * (a.seq - b.seq));
}
