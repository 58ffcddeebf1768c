/**
 * Finds keys for lists, in bounded steps. SQLite evaluates the filters, on a chunk of rows per statement, and returns
 * the `seq` of those that match. That costs a tenth of copying each row out to check it here. Only the rows of the page
 * itself are then read.
 *
 * A step is bounded by work and not only by rows, because rows differ. A row with 14 KB of scopes and metadata costs as
 * much as 20 small ones, and a row that is found through an index, far from the row before it, nearly as much.
 */

import { KEY_STATUSES, type KeyStatus } from '../../../domain/keys/record.ts';
import { STATUS_SQL } from '../../../domain/keys/status.ts';
import { type Order, startOf } from '../../sql/paging.ts';
import type { GroupRevocations } from './group-revocations.ts';
import type { Counts } from './stored-counts.ts';

/** What a listed key must match: all of the given filters. */
export type KeyFilter = {
  /** One of these statuses. */
  readonly status?: readonly KeyStatus[];
  readonly owner?: string;
  readonly prefix?: string;
  /** Start of the name, case-sensitive. */
  readonly name?: string;
  /** Part of the name, see `foldCase`. */
  readonly search?: string;
  /** Expiry strictly before this time (ms). */
  readonly expiresBefore?: number;
};

export type KeyQuery = {
  readonly filter: KeyFilter;
  readonly order: Order;
  /** `seq` after which to start; null for the beginning. */
  readonly after: number | null;
};

export type Found = {
  readonly seqs: readonly number[];
  /** `seq` after which to continue; null at the end. */
  readonly next: number | null;
};

/** Work of one step: that of 20,000 small rows in sequence, some 5 ms. */
export const STEP_WORK_MAX = 20_000;
/** Work of reaching a row: the next in the table, or one through an index. */
const NEXT_ROW_WORK = 1;
const FAR_ROW_WORK = 16;
/** Additional work for each row when names are searched. */
const SEARCH_WORK = 2;
/** Work of a row that SQLite cannot decide about, so that it is copied out. */
const COPIED_ROW_WORK = 8;
const BYTES_PER_WORK = 512;
/** Rows of one statement. Few enough that the last statement exceeds the work of a step by little. */
const CHUNK_MIN = 64;
const CHUNK_MAX = 1024;

/** Up to so many keys that one filter selects are sorted. If there are more, a list walks the keys by `seq`. */
export const SMALL_SET_MAX = 2000;
/**
 * A list by status uses the index of stored statuses only while at most so many keys have a status that lags behind the
 * time. There are few of those unless the alarm is behind.
 */
export const LAGGING_MAX = 1000;

/** The columns that filters need. */
const FILTERED_COLUMNS = `seq, name, owner, lineage, prefix, enabled, expires_at, revoked_at, grace_ends_at,
  coalesce(octet_length(metadata), 0) + coalesce(octet_length(scopes), 0) AS bytes`;
const beyond = (order: Order) => `seq ${order === 'asc' ? '>' : '<'} ?`;
const walk = (where: string) => (order: Order) =>
  `SELECT ${FILTERED_COLUMNS} FROM keys WHERE ${where} ${beyond(order)} ORDER BY seq ${order} LIMIT ?`;
/**
 * The condition of the index of statuses, which leaves out those that nearly all keys have or that the list of
 * rotations shows.
 */
const INDEXED_STATUS = "status <> 'active' AND status <> 'rotating'";
const ofStatuses = (count: number) => (order: Order) => {
  const each = Array(count)
    .fill(`SELECT seq AS at FROM keys WHERE status = ? AND ${INDEXED_STATUS} AND ${beyond(order)}`)
    .join(' UNION ALL ');
  return `SELECT ${FILTERED_COLUMNS} FROM (${each} ORDER BY at ${order} LIMIT ?) CROSS JOIN keys ON seq = at`;
};
/** The index has living and revoked keys of an owner apart, each in `seq` order. */
const ofOwner = (order: Order) => {
  const each = [1, 0]
    .map(
      (living) =>
        `SELECT seq AS at FROM keys WHERE owner = ? AND (revoked_at IS NULL) = ${living} AND ${beyond(order)}`,
    )
    .join(' UNION ALL ');
  return `SELECT ${FILTERED_COLUMNS} FROM (${each} ORDER BY at ${order} LIMIT ?) CROSS JOIN keys ON seq = at`;
};
const CHOSEN = `SELECT ${FILTERED_COLUMNS} FROM (SELECT value AS at FROM json_each(?)) CROSS JOIN keys ON seq = at`;

const CONDITIONS = {
  status: (count: number) => `${STATUS_SQL} IN (${Array(count).fill('?')})`,
  owner: 'owner = ?',
  prefix: 'prefix = ?',
  name: 'name >= ? AND name < ?',
  expiresBefore: 'expires_at < ?',
  // SQLite's `upper` knows ASCII only, so names with any other character are checked outside.
  search: '(instr(upper(name), ?) > 0 OR length(name) <> octet_length(name))',
} as const;
const SEQ = 'seq';
const COPIED = `json_array(seq, name, owner, lineage, ${STATUS_SQL})`;

const chunk = (found: string, condition: string, rows: string) =>
  `SELECT count(*) AS n, min(seq) AS low, max(seq) AS high, ifnull(sum(bytes), 0) AS bytes,
    json_group_array(${found}) FILTER (WHERE ${condition}) AS found FROM (${rows})`;
const numbersOf = (where: string) =>
  `SELECT json_group_array(seq) AS seqs FROM (SELECT seq FROM keys WHERE ${where} LIMIT ?)`;

const BY_NAME = numbersOf('name >= ? AND name < ?');
const BY_EXPIRY = numbersOf('expires_at < ?');
const BY_OWNER = numbersOf('owner = ?');
const LAGGING = numbersOf('due_at <= ? ORDER BY due_at');

/**
 * Every statement that a scan can consist of, with all conditions at once, since conditions do not change how rows are
 * reached.
 */
export const SCAN_QUERIES = {
  chunks: [walk(''), ofOwner, ...[1, 2, 5].map(ofStatuses), () => CHOSEN].flatMap((rows) =>
    [rows('asc'), rows('desc')].map((of) => chunk(COPIED, allConditions(), of)),
  ),
  numbers: [BY_NAME, BY_EXPIRY, BY_OWNER, LAGGING],
};

function allConditions(): string {
  return Object.values(CONDITIONS)
    .map((condition) => (typeof condition === 'string' ? condition : condition(2)))
    .join(' AND ');
}

/** The rows that a scan checks, in `seq` order. */
type Source = ({ readonly numbers: readonly number[] } | Walk) & {
  /** Keys to check beside them. */
  readonly extra?: readonly number[];
};
type Walk = {
  readonly rows: (order: Order) => string;
  readonly bindings: (start: number) => SqlStorageValue[];
  readonly rowWork: number;
};

/** How rows are filtered: the condition for SQLite, and what is left to check of the rows that pass it. */
type RowFilter = {
  readonly found: string;
  readonly condition: string;
  readonly bindings: readonly SqlStorageValue[];
  readonly check: ((row: CopiedRow) => boolean) | null;
  /** Work of a row beside that of reaching it. */
  readonly rowWork: number;
};
type CopiedRow = readonly [seq: number, name: string, owner: string | null, lineage: string | null, status: KeyStatus];
type Chunk = {
  readonly seqs: readonly number[];
  readonly last: number | null;
  readonly n: number;
  readonly work: number;
};

function throughOwner(owner: string): Walk {
  return { rows: ofOwner, bindings: (start) => [owner, start, owner, start], rowWork: FAR_ROW_WORK };
}

function throughStatuses(statuses: readonly KeyStatus[]): Walk {
  const bindings = (start: number) => statuses.flatMap((status) => [status, start]);
  return { rows: ofStatuses(statuses.length), bindings, rowWork: FAR_ROW_WORK };
}

export class KeyScan {
  readonly #sql: SqlStorage;
  readonly #counts: Counts;
  readonly #groupRevocations: GroupRevocations;

  constructor(sql: SqlStorage, counts: Counts, groupRevocations: GroupRevocations) {
    this.#sql = sql;
    this.#counts = counts;
    this.#groupRevocations = groupRevocations;
  }

  /** The first `want` keys that match at `now` (ms), or fewer when the work of one step is done before that. */
  find({ filter, order, after }: KeyQuery, want: number, now: number): Found {
    const rowFilter = this.#rowFilter(filter, now);
    const source = this.#source(filter, now);
    // Keys that the source does not contain are checked together, before the walk.
    const extra = inOrder(source.extra ?? [], order, after);
    const late = extra.length === 0 ? null : this.#chosen(extra, rowFilter);
    let work = late?.work ?? 0;
    let size = Math.min(want, CHUNK_MAX);
    let position = after;
    const numbers = 'numbers' in source ? inOrder(source.numbers, order, after) : null;
    let taken = 0;
    const seqs: number[] = [];
    for (;;) {
      const chunk =
        'numbers' in source
          ? this.#chosen((numbers ?? []).slice(taken, taken + size), rowFilter)
          : this.#walked(source, order, position, size, rowFilter);
      taken += chunk.n;
      const isLast = chunk.n < size;
      const to = isLast ? null : chunk.last;
      seqs.push(...inOrder(union(chunk.seqs, between(late?.seqs ?? [], order, position, to)), order, null));
      if (seqs.length > want) return { seqs: seqs.slice(0, want), next: seqs[want - 1] ?? null };
      if (to === null) return { seqs, next: null };
      if (seqs.length === want) return { seqs, next: to };
      position = to;
      work += chunk.work;
      if (work >= STEP_WORK_MAX) return { seqs, next: to };
      size = Math.min(Math.max(2 * size, CHUNK_MIN), CHUNK_MAX);
    }
  }

  #source(filter: KeyFilter, now: number): Source {
    const { status, owner } = filter;
    // If one of the filters selects few keys, they are all checked, so the page is complete however few of them match.
    const few = this.#few(filter);
    if (few !== null) return { numbers: few };
    if (owner !== undefined) return throughOwner(owner);
    if (status !== undefined && this.#isRare(status)) {
      const extra = this.#numbers(LAGGING, LAGGING_MAX, now);
      if (extra !== null) return { ...throughStatuses(status), extra };
    }
    return { rows: walk(''), bindings: (start) => [start], rowWork: NEXT_ROW_WORK };
  }

  #few(filter: KeyFilter): readonly number[] | null {
    const { owner, name, expiresBefore } = filter;
    // With the owner as the only filter all keys of the owner match, and a walk finds a page of them at once.
    const isMore = Object.keys(filter).length > 1;
    const few = (query: string, ...bindings: SqlStorageValue[]) => this.#numbers(query, SMALL_SET_MAX, ...bindings);
    return (
      (name === undefined ? null : few(BY_NAME, ...nameRange(name))) ??
      (expiresBefore === undefined ? null : few(BY_EXPIRY, expiresBefore)) ??
      (owner === undefined || !isMore ? null : few(BY_OWNER, owner))
    );
  }

  /**
   * Whether the index of statuses is the shorter way. It is of no use for active keys and those in grace, which it does
   * not contain, nor while a group revocation is pending, which stored statuses do not show.
   */
  #isRare(statuses: readonly KeyStatus[]): boolean {
    const isIndexed = !statuses.includes('active') && !statuses.includes('rotating');
    if (this.#groupRevocations.pending.length > 0 || !isIndexed) return false;
    const [counts, total] = [this.#counts.byEntry('status'), this.#counts.byEntry('keys').get(0) ?? 0];
    const having = statuses.reduce((sum, status) => sum + (counts.get(KEY_STATUSES.indexOf(status)) ?? 0), 0);
    return having * FAR_ROW_WORK < total * NEXT_ROW_WORK;
  }

  /** The `seq` of each row that a query selects; null when there are more than `max`. */
  #numbers(query: string, max: number, ...bindings: SqlStorageValue[]): readonly number[] | null {
    const { seqs } = this.#sql.exec<{ seqs: string }>(query, ...bindings, max + 1).one();
    const numbers: number[] = JSON.parse(seqs);
    return numbers.length > max ? null : numbers;
  }

  #rowFilter(filter: KeyFilter, now: number): RowFilter {
    const { status, owner, prefix, name, search, expiresBefore } = filter;
    const conditions: string[] = [];
    const bindings: SqlStorageValue[] = [];
    const add = (condition: string, ...values: readonly SqlStorageValue[]) => {
      conditions.push(condition);
      bindings.push(...values);
    };
    // The rows do not show a pending group revocation, so while there is one the status is checked outside.
    const isStatusInRows = this.#groupRevocations.pending.length === 0;
    if (status !== undefined && isStatusInRows) add(CONDITIONS.status(status.length), now, now, ...status);
    if (owner !== undefined) add(CONDITIONS.owner, owner);
    if (prefix !== undefined) add(CONDITIONS.prefix, prefix);
    if (name !== undefined) add(CONDITIONS.name, ...nameRange(name));
    if (expiresBefore !== undefined) add(CONDITIONS.expiresBefore, expiresBefore);
    const folded = search === undefined ? null : foldCase(search);
    if (folded !== null) add(CONDITIONS.search, folded);
    const condition = conditions.length === 0 ? 'TRUE' : conditions.join(' AND ');

    const wanted = status === undefined || isStatusInRows ? null : new Set(status);
    if (wanted === null && folded === null) return { found: SEQ, condition, bindings, check: null, rowWork: 0 };
    const check = ([seq, rowName, rowOwner, lineage, rowStatus]: CopiedRow) =>
      (folded === null || foldCase(rowName).includes(folded)) &&
      (wanted === null ||
        wanted.has(this.#groupRevocations.of({ owner: rowOwner, lineage, seq }) === null ? rowStatus : 'revoked'));
    const rowWork = folded === null ? 0 : SEARCH_WORK;
    return { found: COPIED, condition, bindings: [now, now, ...bindings], check, rowWork };
  }

  #walked(source: Walk, order: Order, after: number | null, size: number, rowFilter: RowFilter): Chunk {
    const bindings = [...source.bindings(startOf(order, after)), size];
    const { low, high, ...chunk } = this.#chunk(source.rows(order), bindings, source.rowWork, rowFilter);
    return { ...chunk, last: order === 'asc' ? high : low };
  }

  #chosen(numbers: readonly number[], rowFilter: RowFilter): Chunk {
    const { seqs, work } = this.#chunk(CHOSEN, [JSON.stringify(numbers)], FAR_ROW_WORK, rowFilter);
    return { seqs, work, n: numbers.length, last: numbers.at(-1) ?? null };
  }

  #chunk(
    rows: string,
    bindings: readonly SqlStorageValue[],
    rowWork: number,
    { found, condition, check, ...rowFilter }: RowFilter,
  ) {
    type Row = [n: number, low: number | null, high: number | null, bytes: number, found: string];
    const cursor = this.#sql.exec(chunk(found, condition, rows), ...rowFilter.bindings, ...bindings);
    // Raw rows cost half of what objects do.
    const [row] = Array.from(cursor.raw<Row>());
    if (row === undefined) throw new Error('an aggregate returned no row');
    const [n, low, high, bytes, text] = row;
    const work = n * (rowWork + rowFilter.rowWork) + bytes / BYTES_PER_WORK;
    if (check === null) {
      const seqs: number[] = JSON.parse(text);
      return { n, low, high, work, seqs };
    }
    const copied: CopiedRow[] = JSON.parse(text);
    const seqs = copied.filter(check).map(([seq]) => seq);
    return { n, low, high, work: work + copied.length * COPIED_ROW_WORK, seqs };
  }
}

/**
 * A name in the form in which it is searched, the same for every language. Compatible forms of a character become one,
 * so composed and decomposed accents, full-width letters and ligatures match. Then all is upper case, since lower case
 * writes a sigma differently at the end of a word.
 */
export function foldCase(text: string): string {
  return text.normalize('NFKC').toUpperCase();
}

/** Bounds of the names that start with `start`. U+10FFFF is no character, so no name contains it. */
function nameRange(start: string): [from: string, to: string] {
  return [start, `${start}\u{10FFFF}`];
}

function inOrder(numbers: readonly number[], order: Order, after: number | null): number[] {
  const sign = order === 'asc' ? 1 : -1;
  return between(numbers, order, after, null).sort((a, b) => sign * (a - b));
}

/** Those after `from` up to and including `to`; null for no bound. */
function between(numbers: readonly number[], order: Order, from: number | null, to: number | null): number[] {
  const sign = order === 'asc' ? 1 : -1;
  return numbers.filter((seq) => (from === null || sign * (seq - from) > 0) && (to === null || sign * (seq - to) <= 0));
}

function union(a: readonly number[], b: readonly number[]): readonly number[] {
  return b.length === 0 ? a : [...new Set([...a, ...b])];
}
