/**
 * Questions about usage, answered in steps. A step reads at most `ROWS_OF_STEP` rows, some milliseconds of work, and
 * says where the next one goes on.
 *
 * The result is in the order in which it is stored: by day for hours and by month for days and months, within it by
 * group, and within a group by time. Groups are in the order in which they were first used.
 */
import type { TenantSettings } from '../../../domain/tenants/record.ts';
import {
  type Place,
  placeOf,
  type Series,
  SLOT_MS,
  startOfPeriod,
  startOfSlot,
} from '../../../domain/usage/periods.ts';
import {
  addTally,
  newTally,
  type Slots,
  type Tally,
  type Totals,
  totalsOf,
  USAGE_CODES,
  type UsageCode,
  unpackInto,
} from '../../../domain/usage/tally.ts';
import { LEVEL, retentionMs } from './usage-table.ts';

export type UsageGroup = 'key' | 'owner' | 'plan' | 'code';
export type UsageInterval = 'hour' | 'day' | 'month';

export type UsageQuery = {
  /** The first moment, and the first one after the last (ms). Both are moved outwards to full hours or days. */
  readonly from: number;
  readonly to: number;
  readonly interval: UsageInterval;
  /** Null for the total. */
  readonly groupBy: UsageGroup | null;
  readonly keyId: string | null;
  readonly owner: string | null;
  readonly code: UsageCode | null;
  readonly limit: number;
  /** Where the page starts, as `next` of the page before says; null for the start. */
  readonly after: number | null;
};

export type UsageRow = Totals & {
  /** Start of the interval (ms). */
  readonly start: number;
  /** Key id, owner, plan or code; null for the total, and for keys without an owner or plan. */
  readonly group: string | null;
};

export type UsagePage = { readonly items: readonly UsageRow[]; readonly next: number | null };

/** Rows after which a step ends. */
const ROWS_OF_STEP = 2000;
/** Rows that are read at a time at least, when groups of several rows are in a row. */
const ROWS_AT_ONCE_MIN = 100;
/**
 * Rows that one key or one owner has in a period: one for each plan and owner that it had meanwhile. More are not read.
 */
const ROWS_OF_SUBJECT_MAX = 2000;

const LAST_SUBJECT = 2 ** 28 - 1;

const queriesOf = (table: `usage_${Series}`) => {
  const columns = 'SELECT key, owner, plan, counts';
  const named = (column: string) =>
    `${columns}, (SELECT name FROM usage_names WHERE id = ${column}) AS name FROM ${table}`;
  return {
    all: `${columns}, NULL AS name FROM ${table} WHERE level = 0 AND period = ? AND key = 0 AND ? = 0 LIMIT ?`,
    plans: `${named('plan')} WHERE level = 1 AND period = ? AND key = 0 AND owner = 0 AND plan >= ?
      ORDER BY plan LIMIT ?`,
    owners: `${named('owner')} WHERE level = 2 AND period = ? AND key = 0 AND owner >= ? ORDER BY owner, plan LIMIT ?`,
    keys: `${named('key')} WHERE level = 3 AND period = ? AND key >= ? ORDER BY key, owner, plan LIMIT ?`,
    keysOfOwner: `${named('key')} WHERE level = 3 AND owner <> 0 AND owner = ? AND period = ? AND key >= ?
      ORDER BY key, plan LIMIT ?`,
    oneOwner: `${columns} FROM ${table} WHERE level = 2 AND period = ? AND key = 0 AND owner = ? LIMIT ?`,
    oneKey: `${columns} FROM ${table} WHERE level = 3 AND period = ? AND key = ? LIMIT ?`,
  };
};

export const USAGE_PAGE_QUERIES = {
  hours: queriesOf('usage_hours'),
  days: queriesOf('usage_days'),
  number: 'SELECT id FROM usage_names WHERE kind = ? AND name = ?',
  name: 'SELECT name FROM usage_names WHERE id = ?',
  first: {
    hours: 'SELECT period FROM usage_hours WHERE level = 0 AND period >= ? ORDER BY period LIMIT 1',
    days: 'SELECT period FROM usage_days WHERE level = 0 AND period >= ? ORDER BY period LIMIT 1',
  },
} as const;

type StoredRow = {
  readonly key: number;
  readonly owner: number;
  readonly plan: number;
  readonly counts: ArrayBuffer;
  readonly name?: string | null;
};

/** The counts of one group in one period. */
type Group = { readonly subject: number; readonly name: string | null; readonly slots: Slots };

/**
 * A place in the result: period, subject, and rows of this subject that came already. A subject has at most 31 rows for
 * each of 11 codes. As a number, for cursors: 16, 28 and 9 bits.
 */
type Position = { readonly period: number; readonly subject: number; readonly skip: number };

const SKIPS = 2 ** 9;
const SUBJECTS = LAST_SUBJECT + 1;

export const toNumber = ({ period, subject, skip }: Position) => (period * SUBJECTS + subject) * SKIPS + skip;

export function toPosition(number: number): Position {
  const rest = Math.floor(number / SKIPS);
  return { period: Math.floor(rest / SUBJECTS), subject: rest % SUBJECTS, skip: number % SKIPS };
}

/** One step of a page. It may be short, even empty, and go on at `next`. */
export function readUsage(sql: SqlStorage, query: UsageQuery, settings: TenantSettings, now: number): UsagePage {
  const reader = new UsageReader(sql, query, settings, now);
  return reader.page();
}

class UsageReader {
  readonly #sql: SqlStorage;
  readonly #query: UsageQuery;
  readonly #series: Series;
  readonly #from: number;
  readonly #to: number;
  #rowsLeft = ROWS_OF_STEP;

  constructor(sql: SqlStorage, query: UsageQuery, settings: TenantSettings, now: number) {
    this.#sql = sql;
    this.#query = query;
    this.#series = query.interval === 'hour' ? 'hours' : 'days';
    const slot = SLOT_MS[this.#series];
    // What is older may be stored still, until the alarm deletes it.
    const kept = Math.max(query.from, now - retentionMs(this.#series, settings), 0);
    this.#from = Math.floor(kept / slot) * slot;
    this.#to = Math.ceil(query.to / slot) * slot;
  }

  page(): UsagePage {
    const { limit, after } = this.#query;
    const items: UsageRow[] = [];
    if (this.#from >= this.#to) return { items, next: null };
    const subjects = this.#numbers();
    if (subjects === null) return { items, next: null };
    const start = { period: placeOf(this.#series, this.#from).period, subject: 0, skip: 0 };
    let at = after === null ? start : toPosition(after);
    const lastPeriod = placeOf(this.#series, this.#to - 1).period;
    for (;;) {
      const period = this.#firstPeriodFrom(at.period);
      if (period === null || period > lastPeriod) return { items, next: null };
      if (period !== at.period) at = { period, subject: 0, skip: 0 };
      const { groups, next } = this.#groups(at, subjects, limit - items.length);
      for (const group of groups) {
        const skip = group.subject === at.subject ? at.skip : 0;
        let index = 0;
        for (const row of this.#rowsOf(group, period)) {
          if (index >= skip) {
            if (items.length === limit) {
              return { items, next: toNumber({ period, subject: group.subject, skip: index }) };
            }
            items.push(row);
          }
          index += 1;
        }
      }
      at = next === null ? { period: period + 1, subject: 0, skip: 0 } : { period, subject: next, skip: 0 };
      if (this.#rowsLeft <= 0) return { items, next: toNumber(at) };
    }
  }

  #firstPeriodFrom(period: number): number | null {
    const [row] = this.#sql.exec<{ period: number }>(USAGE_PAGE_QUERIES.first[this.#series], period).toArray();
    this.#rowsLeft -= 1;
    return row?.period ?? null;
  }

  /** The numbers of the key and the owner that are asked for; null when one has never been used. */
  #numbers(): { readonly key: number | null; readonly owner: number | null } | null {
    const { keyId, owner } = this.#query;
    const numberOf = (kind: number, name: string) =>
      this.#sql.exec<{ id: number }>(USAGE_PAGE_QUERIES.number, kind, name).toArray()[0]?.id;
    const [key, ofOwner] = [
      keyId === null ? null : numberOf(LEVEL.key, keyId),
      owner === null ? null : numberOf(LEVEL.owner, owner),
    ];
    return key === undefined || ofOwner === undefined ? null : { key, owner: ofOwner };
  }

  /**
   * Groups of a period from a position on, in order: `wanted` at least, if there are so many. `next` is the subject
   * where to go on; null at the end.
   */
  #groups(
    { period, subject }: Position,
    { key, owner }: { readonly key: number | null; readonly owner: number | null },
    wanted: number,
  ): { readonly groups: readonly Group[]; readonly next: number | null } {
    const { groupBy } = this.#query;
    const queries = USAGE_PAGE_QUERIES[this.#series];
    if (key !== null) {
      const rows = this.#read(queries.oneKey, period, key, ROWS_OF_SUBJECT_MAX);
      const asked = owner === null ? rows : rows.filter((row) => row.owner === owner);
      return { groups: this.#grouped(asked, groupBy).filter((group) => group.subject >= subject), next: null };
    }
    if (owner !== null && groupBy !== 'key') {
      const rows = this.#read(queries.oneOwner, period, owner, ROWS_OF_SUBJECT_MAX);
      return { groups: this.#grouped(rows, groupBy).filter((group) => group.subject >= subject), next: null };
    }
    const read = (limit: number) =>
      owner !== null
        ? this.#read(queries.keysOfOwner, owner, period, subject, limit)
        : this.#read(queries[STREAMS[groupBy ?? 'code']], period, subject, limit);
    const limit = Math.max(Math.min(this.#rowsLeft, wanted + 1), ROWS_AT_ONCE_MIN);
    const subjectIn = subjectOf(groupBy);
    const rows = read(limit);
    const [first, last] = [rows[0], rows.at(-1)];
    const isCut = rows.length === limit && first !== undefined && last !== undefined;
    if (isCut && subjectIn(first) === subjectIn(last)) {
      const all = read(ROWS_OF_SUBJECT_MAX).filter((row) => subjectIn(row) === subjectIn(first));
      return streamed(all, subjectIn, subjectIn(first) + 1);
    }
    // Without the last group, which may have further rows.
    if (isCut) return streamed(rows, subjectIn, subjectIn(last));
    return streamed(rows, subjectIn, null);
  }

  #read(query: string, ...bindings: readonly number[]): readonly StoredRow[] {
    const rows = this.#sql.exec<StoredRow>(query, ...bindings).toArray();
    this.#rowsLeft -= rows.length;
    return rows;
  }

  /** A few rows as groups in order. */
  #grouped(rows: readonly StoredRow[], groupBy: UsageGroup | null): Group[] {
    const subjectIn = subjectOf(groupBy);
    const groups = new Map<number, Group>();
    for (const row of rows) {
      const subject = subjectIn(row);
      let group = groups.get(subject);
      if (group === undefined) {
        group = { subject, name: this.#nameOf(subject), slots: new Map() };
        groups.set(subject, group);
      }
      unpackInto(group.slots, new Uint8Array(row.counts));
    }
    return [...groups.values()].sort((a, b) => a.subject - b.subject);
  }

  #nameOf(subject: number): string | null {
    if (subject === 0) return null;
    return this.#sql.exec<{ name: string }>(USAGE_PAGE_QUERIES.name, subject).toArray()[0]?.name ?? null;
  }

  /** The rows of the result that a group gives, in order. */
  *#rowsOf({ name, slots }: Group, period: number): Generator<UsageRow> {
    const { interval, groupBy, code } = this.#query;
    const codes: readonly (UsageCode | null)[] = groupBy === 'code' && code === null ? USAGE_CODES : [code];
    for (const { start, tally } of this.#intervals(slots, period, interval)) {
      for (const one of codes) {
        const totals = totalsOf(tally, one);
        if (totals.verifications > 0) yield { start, group: groupBy === 'code' ? one : name, ...totals };
      }
    }
  }

  *#intervals(slots: Slots, period: number, interval: UsageInterval): Generator<{ start: number; tally: Tally }> {
    const ofMonth = newTally();
    for (const slot of [...slots.keys()].sort((a, b) => a - b)) {
      const place: Place = { period, slot };
      const start = startOfSlot(this.#series, place);
      const tally = slots.get(slot);
      if (tally === undefined || start < this.#from || start >= this.#to) continue;
      if (interval === 'month') addTally(ofMonth, tally);
      else yield { start, tally };
    }
    if (interval === 'month') yield { start: startOfPeriod('days', period), tally: ofMonth };
  }
}

const STREAMS = { key: 'keys', owner: 'owners', plan: 'plans', code: 'all' } as const;

const subjectOf = (groupBy: UsageGroup | null) => (row: StoredRow) =>
  groupBy === 'key' || groupBy === 'owner' || groupBy === 'plan' ? row[groupBy] : 0;

/** Rows in the order of their subjects as groups, up to the subject `next`; all of them when it is null. */
function streamed(
  rows: readonly StoredRow[],
  subjectIn: (row: StoredRow) => number,
  next: number | null,
): { readonly groups: readonly Group[]; readonly next: number | null } {
  const groups: Group[] = [];
  for (const row of rows) {
    const subject = subjectIn(row);
    if (subject === next) break;
    let group = groups.at(-1);
    if (group?.subject !== subject) {
      group = { subject, name: row.name ?? null, slots: new Map() };
      groups.push(group);
    }
    unpackInto(group.slots, new Uint8Array(row.counts));
  }
  return { groups, next };
}
