/**
 * The audit log: one entry for each mutation, written in the mutation's own transaction.
 *
 * An entry's `seq` is its time: milliseconds * 1024 plus a counter, never less than the one before plus one. So the log is in
 * one order whatever the clock does, a time range is a range of the primary key and needs no index, and more than 1024 entries in one millisecond
 * borrow from the next. 2^53 holds it until the year 2248.
 */
import type { Operation } from './operation.ts';
import { mergeBySeq, type Order, type Page, takePage } from './storage/paging.ts';

export type AuditAction =
  | 'tenant.create'
  | 'tenant.update'
  | 'tenant.delete'
  | 'key.create'
  | 'key.update'
  | 'key.rotate'
  | 'key.revoke'
  | 'key.revoke_owner'
  | 'key.delete'
  | 'key.reveal'
  | 'key.rotation_complete'
  | 'key.rotation_cancel'
  | 'encryption.reseal'
  | 'cleanup.run';

/** What an entry says beside who and when. `changes` never holds a secret: callers put names of fields, old and new values, counts. */
export type AuditSubject = {
  readonly action: AuditAction;
  readonly keyId?: string;
  /** The successor that a rotation made: its log starts with that rotation. */
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
  /** JSON text of an object, null for none. */
  readonly changes: string | null;
};

export type AuditFilter = {
  readonly action?: string;
  readonly keyId?: string;
  readonly actor?: string;
  /** From this time on (ms, inclusive). */
  readonly since?: number;
  /** Before this time (ms, exclusive). */
  readonly until?: number;
};

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
  changes: string | null;
};

const SEQ_PER_MS = 1024;
/** How far back a repeated call is looked for. The Worker repeats within seconds; the rest is allowance for clocks. */
const RETRY_WINDOW_MS = 5 * 60 * 1000;

/** The log's table, the same in every object that keeps one. Part of released migrations: never edit, append a migration. */
export const AUDIT_SCHEMA = `
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

const COLUMNS = 'seq, id, action, actor_type, actor_id, key_id, successor_id, request_id, ip, changes';
const newestFirst = (where: string) =>
  `SELECT ${COLUMNS} FROM audit WHERE ${where} seq >= ? AND seq < ? ORDER BY seq DESC`;

export const AUDIT_QUERIES = {
  last: 'SELECT seq FROM audit ORDER BY seq DESC LIMIT 1',
  append: `INSERT INTO audit (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  recent: 'SELECT 1 FROM audit WHERE seq >= ? AND id = ?',
  walkAll: newestFirst(''),
  walkAction: newestFirst("action = ? AND action <> 'key.create' AND"),
  walkActor: newestFirst('actor_id = ? AND'),
  walkKey: newestFirst('key_id = ? AND'),
  walkSuccessor: newestFirst('successor_id = ? AND'),
} as const;

export class AuditLog {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** One entry for each subject, in order. The first carries the operation's id, the others count on from it. */
  append(operation: Operation, subjects: readonly AuditSubject[], now: number): void {
    if (subjects.length === 0) return;
    let seq = this.#sql.exec<{ seq: number }>(AUDIT_QUERIES.last).toArray()[0]?.seq ?? 0;
    for (const [index, subject] of subjects.entries()) {
      seq = Math.max(seq + 1, now * SEQ_PER_MS);
      this.#sql.exec(
        AUDIT_QUERIES.append,
        seq,
        index === 0 ? operation.id : `${operation.id}.${index}`,
        subject.action,
        operation.actor.type,
        operation.actor.id,
        subject.keyId ?? null,
        subject.successorId ?? null,
        operation.requestId,
        operation.ip,
        isEmpty(subject.changes) ? null : JSON.stringify(subject.changes),
      );
    }
  }

  /** Whether this operation has been applied, asked only for a repeated call. */
  has(operationId: string, now: number): boolean {
    const since = (now - RETRY_WINDOW_MS) * SEQ_PER_MS;
    return this.#sql.exec(AUDIT_QUERIES.recent, since, operationId).toArray().length > 0;
  }

  /** One page, newest first. */
  list({ filter, limit, after }: AuditQuery): Page<AuditEntry> {
    const from = filter.since === undefined ? 0 : filter.since * SEQ_PER_MS;
    const until = filter.until === undefined ? Number.MAX_SAFE_INTEGER : filter.until * SEQ_PER_MS;
    const before = after === null ? until : Math.min(until, after);
    return takePage(this.#candidates(filter, from, before), limit, (entry) => matches(entry, filter), workOf);
  }

  #candidates({ keyId, actor, action }: AuditFilter, from: number, before: number): Iterable<AuditEntry> {
    const order: Order = 'desc';
    if (keyId !== undefined) {
      const own = this.#stream(AUDIT_QUERIES.walkKey, keyId, from, before);
      return mergeBySeq(own, this.#stream(AUDIT_QUERIES.walkSuccessor, keyId, from, before), order);
    }
    if (actor !== undefined) return this.#stream(AUDIT_QUERIES.walkActor, actor, from, before);
    if (action !== undefined && action !== 'key.create')
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

/** What it costs to read an entry, in small rows: changes may have 30 KB. */
function workOf({ changes }: AuditEntry): number {
  return 1 + (changes?.length ?? 0) / 4000;
}

function matches(entry: AuditEntry, filter: AuditFilter): boolean {
  if (filter.action !== undefined && entry.action !== filter.action) return false;
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
    changes: row.changes,
  };
}
