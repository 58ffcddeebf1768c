/**
 * Finding keys for lists, in bounded steps. SQLite judges the rows where they lie, a chunk of rows in one statement, and hands out the numbers of
 * those that match: that costs a tenth of copying each row out to judge it here. Only the rows of the page itself are then read.
 *
 * A step is bounded by work and not by rows alone, since rows differ: to judge one that carries 14 KB of scopes and metadata costs as much as
 * 20 small ones, and one found through an index, far from the row before it, nearly as much.
 */

import { KEY_STATUSES, type KeyStatus } from '../../../domain/keys/record.ts';
import { STATUS_SQL } from '../../../domain/keys/status.ts';
import { type Order, startOf } from '../../sql/paging.ts';
import type { Counts } from './counts.ts';
import type { GroupRevocations } from './group-revocations.ts';

export type KeyFilter = {
  /** One of these. */
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
  /** `seq` to go on after, null for the start. */
  readonly after: number | null;
};

export type Found = {
  readonly seqs: readonly number[];
  /** `seq` after which to go on, null at the end. */
  readonly next: number | null;
};

/** Work of one step: 20,000 small rows in a row, some 5 ms. */
export const STEP_WORK_MAX = 20_000;
/** Work of a row beside that of its bytes: the next in the table, or one reached through an index. */
const NEXT_ROW_WORK = 1;
const FAR_ROW_WORK = 16;
/** More work for each row when names are searched. */
const SEARCH_WORK = 2;
/** Work of a row that SQLite cannot judge to the end, so that it is copied out. */
const COPIED_ROW_WORK = 8;
const BYTES_PER_WORK = 512;
/** Rows of a statement: few enough that the last one exceeds the work of a step by little. */
const CHUNK_MIN = 64;
const CHUNK_MAX = 1024;

/** Keys that have what a filter names, if they are so few that they are sorted; among more a list walks by `seq`. */
export const SMALL_SET_MAX = 2000;
/** Keys that may be behind the time for a list by status to use the stored one. They are few unless an alarm is behind. */
export const LAGGING_MAX = 1000;

/** What rows are judged by. */
const JUDGED = `seq, name, owner, lineage, prefix, enabled, expires_at, revoked_at, grace_ends_at,
  coalesce(octet_length(metadata), 0) + coalesce(octet_length(scopes), 0) AS bytes`;
const beyond = (order: Order) => `seq ${order === 'asc' ? '>' : '<'} ?`;
const walk = (where: string) => (order: Order) =>
  `SELECT ${JUDGED} FROM keys WHERE ${where} ${beyond(order)} ORDER BY seq ${order} LIMIT ?`;
/** As the index says it: without the statuses that nearly all keys have, or that their rotations tell. */
const INDEXED_STATUS = "status <> 'active' AND status <> 'rotating'";
const ofStatuses = (count: number) => (order: Order) => {
  const each = Array(count)
    .fill(`SELECT seq AS at FROM keys WHERE status = ? AND ${INDEXED_STATUS} AND ${beyond(order)}`)
    .join(' UNION ALL ');
  return `SELECT ${JUDGED} FROM (${each} ORDER BY at ${order} LIMIT ?) CROSS JOIN keys ON seq = at`;
};
/** Living and revoked keys of an owner lie apart in the index, each in `seq` order. */
const ofOwner = (order: Order) => {
  const each = [1, 0]
    .map(
      (living) =>
        `SELECT seq AS at FROM keys WHERE owner = ? AND (revoked_at IS NULL) = ${living} AND ${beyond(order)}`,
    )
    .join(' UNION ALL ');
  return `SELECT ${JUDGED} FROM (${each} ORDER BY at ${order} LIMIT ?) CROSS JOIN keys ON seq = at`;
};
const CHOSEN = `SELECT ${JUDGED} FROM (SELECT value AS at FROM json_each(?)) CROSS JOIN keys ON seq = at`;

const CONDITIONS = {
  status: (count: number) => `${STATUS_SQL} IN (${Array(count).fill('?')})`,
  owner: 'owner = ?',
  prefix: 'prefix = ?',
  name: 'name >= ? AND name < ?',
  expiresBefore: 'expires_at < ?',
  // `upper` knows ASCII alone, so names with anything else are judged outside.
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

/** Every statement that a scan may consist of, with all conditions at once: they do not change how rows are reached. */
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

/** Which rows a scan judges, in `seq` order. */
type Source = ({ readonly numbers: readonly number[] } | Walk) & {
  /** Keys to judge beside them. */
  readonly lacking?: readonly number[];
};
type Walk = {
  readonly rows: (order: Order) => string;
  readonly bindings: (start: number) => SqlStorageValue[];
  readonly rowWork: number;
};

/** How rows are judged: what SQLite is told, and what is left to check of those that it lets through. */
type Judge = {
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

  /** The first `want` keys that match at `now`, or fewer when the work of one step is done before. */
  find({ filter, order, after }: KeyQuery, want: number, now: number): Found {
    const judge = this.#judge(filter, now);
    const source = this.#source(filter, now);
    // Keys that the source lacks, judged at once.
    const lacking = inOrder(source.lacking ?? [], order, after);
    const late = lacking.length === 0 ? null : this.#chosen(lacking, judge);
    let work = late?.work ?? 0;
    let size = Math.min(want, CHUNK_MAX);
    let position = after;
    const numbers = 'numbers' in source ? inOrder(source.numbers, order, after) : null;
    let taken = 0;
    const seqs: number[] = [];
    for (;;) {
      const chunk =
        'numbers' in source
          ? this.#chosen((numbers ?? []).slice(taken, taken + size), judge)
          : this.#walked(source, order, position, size, judge);
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
    // If few keys have what one of the filters names, the page is complete however few of them match.
    const few = this.#few(filter);
    if (few !== null) return { numbers: few };
    if (owner !== undefined) return throughOwner(owner);
    if (status !== undefined && this.#isRare(status)) {
      const lacking = this.#numbers(LAGGING, LAGGING_MAX, now);
      if (lacking !== null) return { ...throughStatuses(status), lacking };
    }
    return { rows: walk(''), bindings: (start) => [start], rowWork: NEXT_ROW_WORK };
  }

  #few(filter: KeyFilter): readonly number[] | null {
    const { owner, name, expiresBefore } = filter;
    // Among the keys of an owner all match if nothing else is asked.
    const isMore = Object.keys(filter).length > 1;
    const few = (query: string, ...bindings: SqlStorageValue[]) => this.#numbers(query, SMALL_SET_MAX, ...bindings);
    return (
      (name === undefined ? null : few(BY_NAME, ...nameRange(name))) ??
      (expiresBefore === undefined ? null : few(BY_EXPIRY, expiresBefore)) ??
      (owner === undefined || !isMore ? null : few(BY_OWNER, owner))
    );
  }

  /** Whether the index of statuses is the shorter way. Stored statuses say nothing of revocations of groups that are not in the rows yet; active keys and those in grace are not in the index. */
  #isRare(statuses: readonly KeyStatus[]): boolean {
    const isIndexed = !statuses.includes('active') && !statuses.includes('rotating');
    if (this.#groupRevocations.pending.length > 0 || !isIndexed) return false;
    const [counts, total] = [this.#counts.byEntry('status'), this.#counts.byEntry('keys').get(0) ?? 0];
    const having = statuses.reduce((sum, status) => sum + (counts.get(KEY_STATUSES.indexOf(status)) ?? 0), 0);
    return having * FAR_ROW_WORK < total * NEXT_ROW_WORK;
  }

  /** Numbers of the rows that a query yields, null for more than `max`. */
  #numbers(query: string, max: number, ...bindings: SqlStorageValue[]): readonly number[] | null {
    const { seqs } = this.#sql.exec<{ seqs: string }>(query, ...bindings, max + 1).one();
    const numbers: number[] = JSON.parse(seqs);
    return numbers.length > max ? null : numbers;
  }

  #judge(filter: KeyFilter, now: number): Judge {
    const { status, owner, prefix, name, search, expiresBefore } = filter;
    const conditions: string[] = [];
    const bindings: SqlStorageValue[] = [];
    const add = (condition: string, ...values: readonly SqlStorageValue[]) => {
      conditions.push(condition);
      bindings.push(...values);
    };
    // A revocation of a group is not in the rows yet: then the status is decided outside.
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

  #walked(source: Walk, order: Order, after: number | null, size: number, judge: Judge): Chunk {
    const bindings = [...source.bindings(startOf(order, after)), size];
    const { low, high, ...chunk } = this.#chunk(source.rows(order), bindings, source.rowWork, judge);
    return { ...chunk, last: order === 'asc' ? high : low };
  }

  #chosen(numbers: readonly number[], judge: Judge): Chunk {
    const { seqs, work } = this.#chunk(CHOSEN, [JSON.stringify(numbers)], FAR_ROW_WORK, judge);
    return { seqs, work, n: numbers.length, last: numbers.at(-1) ?? null };
  }

  #chunk(
    rows: string,
    bindings: readonly SqlStorageValue[],
    rowWork: number,
    { found, condition, check, ...judge }: Judge,
  ) {
    type Row = [n: number, low: number | null, high: number | null, bytes: number, found: string];
    const cursor = this.#sql.exec(chunk(found, condition, rows), ...judge.bindings, ...bindings);
    // Raw rows cost half of what objects do.
    const [row] = Array.from(cursor.raw<Row>());
    if (row === undefined) throw new Error('an aggregate without row');
    const [n, low, high, bytes, text] = row;
    const work = n * (rowWork + judge.rowWork) + bytes / BYTES_PER_WORK;
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
 * A name as it is searched: compatible forms of a character as one (so composed and decomposed accents, full-width letters and ligatures are found),
 * upper case in all of Unicode, which unlike lower case writes a sigma at the end of a word as it does elsewhere. The same in every language.
 */
export function foldCase(text: string): string {
  return text.normalize('NFKC').toUpperCase();
}

/** Names that start so. U+10FFFF is no character, so no name holds it. */
function nameRange(start: string): [from: string, to: string] {
  return [start, `${start}\u{10FFFF}`];
}

function inOrder(numbers: readonly number[], order: Order, after: number | null): number[] {
  const sign = order === 'asc' ? 1 : -1;
  return between(numbers, order, after, null).sort((a, b) => sign * (a - b));
}

/** Those after `from` up to and with `to`; null for no bound. */
function between(numbers: readonly number[], order: Order, from: number | null, to: number | null): number[] {
  const sign = order === 'asc' ? 1 : -1;
  return numbers.filter((seq) => (from === null || sign * (seq - from) > 0) && (to === null || sign * (seq - to) <= 0));
}

function union(a: readonly number[], b: readonly number[]): readonly number[] {
  return b.length === 0 ? a : [...new Set([...a, ...b])];
}
