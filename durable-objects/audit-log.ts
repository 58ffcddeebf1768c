/**
 * The audit log: an entry for each thing that a mutation changed, written in the mutation's own transaction. When a
 * large group of keys is revoked, the alarm writes the entries of the single keys later (`appendLater`).
 *
 * An entry's `seq` is its time: milliseconds * 1024 plus a counter, and always above the last. So the log has one order
 * whatever the clock does. A time range is a range of the primary key and needs no index. More than 1024 entries in one
 * millisecond borrow numbers from the next. Numbers below 2^53 last until the year 2248.
 */
import type { AuditAction } from '../domain/audit-actions.ts';
import { actorOf, type Command } from '../domain/command.ts';
import { mergeBySeq, type Order, type Page, takePage } from './sql/paging.ts';

/**
 * What an entry says beside who and when. `changes` never holds a secret: callers put names of fields, old and new
 * values, and counts into it.
 */
export type AuditSubject = {
  readonly action: AuditAction;
  readonly keyId?: string;
  /** The successor that a rotation made. The successor's log starts with that rotation. */
  readonly successorId?: string;
  readonly changes?: Readonly<Record<string, unknown>>;
};

export type AuditEntry = {
  readonly seq: number;
  readonly id: string;
  readonly at: number;
  readonly action: string;
  readonly actorType: string;
  readonly actorId: string;
  readonly keyId: string | null;
  readonly requestId: string;
  readonly ip: string | null;
  readonly onBehalfOf: string | null;
  /** JSON text of an object, null for none. */
  readonly changes: string | null;
};

export type AuditFilter = {
  readonly action?: string;
  readonly keyId?: string;
  readonly actor?: string;
  /** Found by walking the entries that the other filters leave. An index would cost every mutation a write. */
  readonly onBehalfOf?: string;
  /** From this time on (ms, inclusive). */
  readonly since?: number;
  /** Before this time (ms, exclusive). */
  readonly until?: number;
};

/** A page of the log: `after` is the `seq` of the last entry seen, null for the newest. */
export type AuditQuery = { readonly filter: AuditFilter; readonly limit: number; readonly after: number | null };

type AuditRow = {
  seq: number;
  id: string;
  action: string;
  actor_type: string;
  actor_id: string;
  key_id: string | null;
  successor_id: string | null;
  request_id: string;
  ip: string | null;
  on_behalf_of: string | null;
  changes: string | null;
};

/** Where an entry comes from: the command, the actor, and whom it acted for. */
export type AuditOrigin = Pick<Command, 'id' | 'actor' | 'requestId' | 'ip' | 'onBehalfOf'>;

const SEQ_PER_MS = 1024;
/**
 * How far back a repeated call is searched for. The Worker repeats within seconds; the rest allows for clocks that
 * differ.
 */
const RETRY_WINDOW_MS = 5 * 60 * 1000;

/**
 * Table and indexes of the log, the same in every object that keeps one. Part of released migrations: never edit it,
 * comments included (tenant/migrations.ts); append a migration. Its "operation" is a command.
 */
export const AUDIT_TABLES = `
  CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,         -- the operation
    action TEXT NOT NULL,
    actor_type TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    key_id TEXT,
    successor_id TEXT,
    request_id TEXT NOT NULL,
    ip TEXT,
    changes TEXT              -- JSON object, NULL for none
  ) STRICT;
  -- Without the most frequent action, whose entries are found by walking: an index of them would be as long as the log.
  CREATE INDEX audit_by_action ON audit (action) WHERE action <> 'key.create';
  CREATE INDEX audit_by_actor ON audit (actor_id);
  CREATE INDEX audit_by_key ON audit (key_id) WHERE key_id IS NOT NULL;
  CREATE INDEX audit_by_successor ON audit (successor_id) WHERE successor_id IS NOT NULL;
`;

const COLUMNS = 'seq, id, action, actor_type, actor_id, key_id, successor_id, request_id, ip, on_behalf_of, changes';
const newestFirst = (where: string) =>
  `SELECT ${COLUMNS} FROM audit WHERE ${where} seq >= ? AND seq < ? ORDER BY seq DESC`;

export const AUDIT_QUERIES = {
  last: 'SELECT seq FROM audit ORDER BY seq DESC LIMIT 1',
  append: `INSERT INTO audit (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  /**
   * Entries of one command, each an array in the last parameter. 500 single statements would take three times as long.
   */
  appendAll: `INSERT INTO audit (${COLUMNS})
    SELECT ? + key, CASE key WHEN 0 THEN ? ELSE ? || '.' || key END, value ->> 0, ?, ?, value ->> 1, value ->> 2,
      ?, ?, ?, value ->> 3
    FROM json_each(?)`,
  recent: `SELECT ${COLUMNS}
    FROM (SELECT ${COLUMNS} FROM audit WHERE seq >= ? ORDER BY seq DESC LIMIT ?) WHERE id = ?`,
  since: `SELECT ${COLUMNS} FROM audit WHERE seq >= ? AND id = ? ORDER BY seq LIMIT 1`,
  first: 'SELECT seq FROM audit ORDER BY seq LIMIT 1',
  trim: 'DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE seq < ? ORDER BY seq LIMIT ?)',
  countOld: 'SELECT count(*) AS n FROM (SELECT 1 FROM audit WHERE seq < ? LIMIT ?)',
  walkAll: newestFirst(''),
  walkAction: newestFirst("action = ? AND action <> 'key.create' AND action <> 'key.rotate' AND"),
  walkActor: newestFirst("actor_id = ? AND actor_id <> 'admin' AND"),
  walkKey: newestFirst('key_id = ? AND'),
  walkSuccessor: newestFirst('successor_id = ? AND'),
} as const;

/** How many entries the search for a repeated call looks at. The Worker repeats within seconds. */
const RECENT_MAX = 10_000;

export class AuditLog {
  readonly #sql: SqlStorage;
  /**
   * `seq` of the last entry; null before the first look. After a rollback it may be ahead of the log, which leaves a
   * gap only.
   */
  #lastSeq: number | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Appends one entry for each subject, in order. The first has the command's id, the others that id with a number. */
  append(origin: AuditOrigin, subjects: readonly AuditSubject[], now: number): void {
    const [subject] = subjects;
    if (subjects.length > 1) this.#insertAll(origin, subjects, now);
    else if (subject !== undefined) this.#insert(origin.id, origin, subject, now);
  }

  #insertAll(origin: AuditOrigin, subjects: readonly AuditSubject[], now: number): void {
    const first = this.#nextSeq(now);
    this.#lastSeq = first + subjects.length - 1;
    const rows = subjects.map(({ action, keyId = null, successorId = null, changes }) => [
      action,
      keyId,
      successorId,
      isEmpty(changes) ? null : JSON.stringify(changes),
    ]);
    const { id, actor, requestId, ip, onBehalfOf } = origin;
    const values = [first, id, id, actor.type, actor.id, requestId, ip, onBehalfOf, JSON.stringify(rows)];
    this.#sql.exec(AUDIT_QUERIES.appendAll, ...values);
  }

  /** Appends entries for single keys that an earlier command changed together. */
  appendLater(
    origin: AuditOrigin,
    subjects: readonly (AuditSubject & { readonly keyId: string })[],
    now: number,
  ): void {
    for (const subject of subjects) this.#insert(`${origin.id}.${subject.keyId}`, origin, subject, now);
  }

  #insert(id: string, origin: AuditOrigin, subject: AuditSubject, now: number): void {
    const seq = this.#nextSeq(now);
    this.#lastSeq = seq;
    this.#sql.exec(
      AUDIT_QUERIES.append,
      seq,
      id,
      subject.action,
      origin.actor.type,
      origin.actor.id,
      subject.keyId ?? null,
      subject.successorId ?? null,
      origin.requestId,
      origin.ip,
      origin.onBehalfOf,
      isEmpty(subject.changes) ? null : JSON.stringify(subject.changes),
    );
  }

  #nextSeq(now: number): number {
    this.#lastSeq ??= this.#sql.exec<{ seq: number }>(AUDIT_QUERIES.last).toArray()[0]?.seq ?? 0;
    return Math.max(this.#lastSeq + 1, now * SEQ_PER_MS);
  }

  /** The first entry of a command that was applied at or after `since` (ms); null when it was trimmed. */
  entryOf(commandId: string, since: number): AuditEntry | null {
    const row = this.#sql.exec<AuditRow>(AUDIT_QUERIES.since, since * SEQ_PER_MS, commandId).toArray()[0];
    return row === undefined ? null : toEntry(row);
  }

  /** Deletes entries from before `before` (ms), oldest first, at most `limit`. Returns how many. */
  trim(before: number, limit: number): number {
    const old = this.countOld(before, limit);
    if (old > 0) this.#sql.exec(AUDIT_QUERIES.trim, before * SEQ_PER_MS, limit);
    return old;
  }

  /** How many entries are from before `before` (ms), counted up to `limit`. */
  countOld(before: number, limit: number): number {
    return this.#sql.exec<{ n: number }>(AUDIT_QUERIES.countOld, before * SEQ_PER_MS, limit).one().n;
  }

  /** Time of the oldest entry (ms); null without entries. */
  firstAt(): number | null {
    const first = this.#sql.exec<{ seq: number }>(AUDIT_QUERIES.first).toArray()[0];
    return first === undefined ? null : Math.floor(first.seq / SEQ_PER_MS);
  }

  /** The first entry of a command that was applied lately; null when there is none. Only a repeated call needs it. */
  recentEntry(commandId: string, now: number): AuditEntry | null {
    const since = (now - RETRY_WINDOW_MS) * SEQ_PER_MS;
    const row = this.#sql.exec<AuditRow>(AUDIT_QUERIES.recent, since, RECENT_MAX, commandId).toArray()[0];
    return row === undefined ? null : toEntry(row);
  }

  /** One page, newest first. `also` is an entry about the key in the filter that does not name the key itself. */
  list({ filter, limit, after }: AuditQuery, also: AuditEntry | null = null): Page<AuditEntry> {
    const from = filter.since === undefined ? 0 : filter.since * SEQ_PER_MS;
    const until = filter.until === undefined ? Number.MAX_SAFE_INTEGER : filter.until * SEQ_PER_MS;
    const before = after === null ? until : Math.min(until, after);
    const found = this.#candidates(filter, from, before);
    const isIn = also !== null && also.seq >= from && also.seq < before;
    const candidates = isIn ? mergeBySeq(found, [also], 'desc') : found;
    return takePage(candidates, limit, (entry) => matches(entry, filter), workOf);
  }

  #candidates({ keyId, actor, action }: AuditFilter, from: number, before: number): Iterable<AuditEntry> {
    const order: Order = 'desc';
    if (keyId !== undefined) {
      const own = this.#stream(AUDIT_QUERIES.walkKey, keyId, from, before);
      return mergeBySeq(own, this.#stream(AUDIT_QUERIES.walkSuccessor, keyId, from, before), order);
    }
    // The most frequent actor and actions have no index, so their entries are found by walking the log.
    if (actor !== undefined && actor !== 'admin') return this.#stream(AUDIT_QUERIES.walkActor, actor, from, before);
    if (action !== undefined && action !== 'key.create' && action !== 'key.rotate')
      return this.#stream(AUDIT_QUERIES.walkAction, action, from, before);
    return this.#stream(AUDIT_QUERIES.walkAll, from, before);
  }

  *#stream(query: string, ...bindings: SqlStorageValue[]): Generator<AuditEntry> {
    for (const row of this.#sql.exec<AuditRow>(query, ...bindings)) yield toEntry(row);
  }
}

function isEmpty(changes: AuditSubject['changes']): boolean {
  return changes === undefined || Object.keys(changes).length === 0;
}

/** Cost of reading an entry, in small rows. `changes` may have 30 KB. */
function workOf({ changes }: AuditEntry): number {
  return 1 + (changes?.length ?? 0) / 4000;
}

function matches(entry: AuditEntry, filter: AuditFilter): boolean {
  if (filter.action !== undefined && entry.action !== filter.action) return false;
  if (filter.onBehalfOf !== undefined && entry.onBehalfOf !== filter.onBehalfOf) return false;
  return filter.actor === undefined || entry.actorId === filter.actor;
}

function toEntry(row: AuditRow): AuditEntry {
  return {
    seq: row.seq,
    id: row.id,
    at: Math.floor(row.seq / SEQ_PER_MS),
    action: row.action,
    actorType: row.actor_type,
    actorId: row.actor_id,
    keyId: row.key_id,
    requestId: row.request_id,
    ip: row.ip,
    onBehalfOf: row.on_behalf_of,
    changes: row.changes,
  };
}

/** The origin of an entry, for later entries that follow from it. */
export function originOf({ id, actorId, requestId, ip, onBehalfOf }: AuditEntry): AuditOrigin {
  return { id, actor: actorOf(actorId), requestId, ip, onBehalfOf };
}
