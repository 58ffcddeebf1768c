/**
 * Lists of keys, a page at a time. `KeyScan` finds the keys that match. Each key of the page is then checked against
 * every filter again, its status by the function that verification uses, so an error in the scan could not put a wrong
 * key on a page.
 */

import type { KeyView, ListedKey } from '../../../domain/keys/record.ts';
import { statusOf } from '../../../domain/keys/status.ts';
import { type Credits, creditsOfKey } from '../../../domain/limits/credits.ts';
import type { Order, Page } from '../../sql/paging.ts';
import type { KeyTable } from './key-table.ts';
import { foldCase, type KeyFilter } from './scan.ts';

/** A key as lists show it: a `KeyView` whose metadata is an object. */
export type ListedKeyView = Omit<KeyView, 'metadata'> & { readonly metadata: Readonly<Record<string, unknown>> };

/**
 * Keys as they leave the object: JSON text of `ListedKeyView[]`. Copying one text out costs less than copying objects
 * of two dozen fields, and what is stored as JSON goes into it unchanged.
 */
export type ListedKeysJson = string;

/** A page of a list: `after` is the `seq` of the last key seen, null for the beginning. */
export type KeyListQuery = {
  readonly filter: KeyFilter;
  readonly order: Order;
  readonly limit: number;
  readonly after: number | null;
};

/** One page of the keys that match all filters at `now` (ms), in the order of creation. */
export function listKeys(keys: KeyTable, query: KeyListQuery, now: number): Page<ListedKey> {
  const { limit, filter } = query;
  // One more than the page takes, to know whether there is a next page.
  const { seqs, next } = keys.scan.find(query, limit + 1, now);
  const page = seqs.slice(0, limit);
  return { items: read(keys, page, filter, now), next: seqs.length > limit ? (page.at(-1) ?? null) : next };
}

/**
 * How many matches paging by offset reaches. Each further page would cost more than the one before; cursors do not have
 * that cost.
 */
export const OFFSET_REACH = 10_000;

/**
 * A page by offset reads all matches before it, in bounded steps. The caller continues where a step stopped, and others
 * are served in between.
 */
export type OffsetQuery = KeyListQuery & {
  readonly offset: number;
  /** Matches that the steps before have found. */
  readonly matched: number;
};

export type OffsetStep = {
  /** The part of the page that this step found. */
  readonly items: readonly ListedKey[];
  /** Matches that this step and those before have found, at most one more than `OFFSET_REACH`. */
  readonly matched: number;
  /** `seq` after which the next step starts; null when nothing is left to find. */
  readonly next: number | null;
};

/** One step of a page by offset. `offset + limit` must be at most `OFFSET_REACH`. */
export function listKeysByOffset(keys: KeyTable, query: OffsetQuery, now: number): OffsetStep {
  const { filter, limit, offset, matched } = query;
  // Without filters the number of matches is known, so nothing is searched beyond the page.
  const isCounted = Object.keys(filter).length === 0;
  const want = (isCounted ? offset + limit : OFFSET_REACH + 1) - matched;
  const { seqs, next } = keys.scan.find(query, want, now);
  const page = seqs.slice(Math.max(0, offset - matched), Math.max(0, offset + limit - matched));
  const items = read(keys, page, filter, now);
  if (seqs.length < want) return { items, matched: matched + seqs.length, next };
  return { items, matched: isCounted ? keys.count() : matched + seqs.length, next: null };
}

/** Keys as a caller may see them at `now` (ms). `creditsOf` gives the credits of a holder then. */
export function toListedJson(
  records: readonly ListedKey[],
  creditsOf: (holder: string) => Credits | null,
  now: number,
): ListedKeysJson {
  const texts = records.map(({ scopes, metadata, ...record }) => {
    const status = statusOf(record, now);
    const view: Omit<KeyView, 'scopes' | 'metadata'> = { ...record, status, credits: creditsOf(creditsOfKey(record)) };
    return `${JSON.stringify(view).slice(0, -1)},"scopes":${scopes},"metadata":${metadata}}`;
  });
  return `[${texts.join()}]`;
}

function read(keys: KeyTable, seqs: readonly number[], filter: KeyFilter, now: number): ListedKey[] {
  return keys.listed(seqs).filter((record) => matchesFilter(record, filter, now));
}

/** Whether a record passes every filter at `now`. */
export function matchesFilter(record: ListedKey, filter: KeyFilter, now: number): boolean {
  if (filter.owner !== undefined && record.owner !== filter.owner) return false;
  if (filter.prefix !== undefined && record.prefix !== filter.prefix) return false;
  if (filter.name !== undefined && !record.name.startsWith(filter.name)) return false;
  if (filter.search !== undefined && !foldCase(record.name).includes(foldCase(filter.search))) return false;
  if (filter.expiresBefore !== undefined && (record.expiresAt === null || record.expiresAt >= filter.expiresBefore)) {
    return false;
  }
  return filter.status === undefined || filter.status.includes(statusOf(record, now));
}
