/**
 * Keys in storage: rows to records and back, one named query for each access path. A test runs EXPLAIN QUERY PLAN over every one of them.
 */
import { LruCache } from '../memory/lru-cache.ts';
import { asciiListBytes, textBytes } from '../memory/size.ts';
import { type Order, startOf } from '../storage/paging.ts';
import { Counts, type StoredState, storedState } from './counts.ts';
import { OwnerRevocations } from './owner-revocations.ts';
import type { KeyRecord, KeyStatus, UsedKey } from './record.ts';
import { endedAt, nextTransitionAt, statusOf, verifiedKeyOf } from './status.ts';
import type { DecidedKey } from './verification.ts';

type KeyRow = {
  seq: number;
  id: string;
  name: string;
  prefix: string;
  last_four: string;
  owner: string | null;
  scopes: string | null;
  metadata: string | null;
  enabled: number;
  created_at: number;
  updated_at: number;
  expires_at: number | null;
  revoked_at: number | null;
  last_used_at: number | null;
  version: number;
  replaces: string | null;
  replaced_by: string | null;
  rotated_at: number | null;
  grace_ends_at: number | null;
  digest: ArrayBuffer;
  envelope: ArrayBuffer | null;
  signing_key_id: number;
  sealing_key_id: number | null;
};

/** Columns that a change writes, in the order of `valuesOf`. `id`, `prefix`, `digest` and the like stay as they were born. */
const CHANGING =
  'name, owner, scopes, metadata, enabled, updated_at, expires_at, revoked_at, version, replaced_by, rotated_at, grace_ends_at, status, due_at, ended_at';
const CONSTANT = 'id, prefix, last_four, created_at, replaces, digest, envelope, signing_key_id, sealing_key_id';
const RECORD =
  'seq, id, name, prefix, last_four, owner, scopes, metadata, enabled, created_at, updated_at, expires_at, revoked_at, last_used_at, version, replaces, replaced_by, rotated_at, grace_ends_at, digest, envelope, signing_key_id, sealing_key_id';

const placeholders = (columns: string) => columns.replace(/\w+/g, '?');
const walk = (where: string, order: Order) =>
  `SELECT ${RECORD} FROM keys WHERE ${where} seq ${order === 'asc' ? '>' : '<'} ? ORDER BY seq ${order}`;
const bothOrders = (where: string) => ({ asc: walk(where, 'asc'), desc: walk(where, 'desc') });

/** Rows that a set is sorted for at most; above that a list walks in `seq` order instead. */
export const SMALL_SET_MAX = 1000;

export const KEY_QUERIES = {
  stored: 'SELECT status, owner, signing_key_id, sealing_key_id FROM keys WHERE seq = ?',
  lastSeq: 'SELECT seq FROM keys ORDER BY seq DESC LIMIT 1',
  byId: `SELECT ${RECORD} FROM keys WHERE id = ?`,
  insert: `INSERT INTO keys (seq, ${CONSTANT}, ${CHANGING}) VALUES (?, ${placeholders(CONSTANT)}, ${placeholders(CHANGING)})`,
  update: `UPDATE keys SET (${CHANGING}) = (${placeholders(CHANGING)}) WHERE seq = ?`,
  used: 'UPDATE keys SET last_used_at = ? WHERE seq = ?',
  remove: 'DELETE FROM keys WHERE seq = ?',
  walkAll: bothOrders(''),
  walkOwner: bothOrders('owner = ? AND'),
  walkStatus: bothOrders('status = ? AND'),
  walkPrefix: bothOrders('prefix = ? AND'),
  setByName: `SELECT ${RECORD} FROM keys WHERE name >= ? AND name < ? LIMIT ?`,
  setByExpiry: `SELECT ${RECORD} FROM keys WHERE expires_at < ? LIMIT ?`,
  due: `SELECT ${RECORD} FROM keys WHERE due_at <= ? ORDER BY due_at LIMIT ?`,
  purge:
    'DELETE FROM keys WHERE seq IN (SELECT seq FROM keys WHERE ended_at <= ? ORDER BY ended_at LIMIT ?) RETURNING id, sealing_key_id',
  ofOwnerUpTo: `SELECT ${RECORD} FROM keys WHERE owner = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
  countLivingOfOwner: 'SELECT count(*) AS n FROM keys WHERE owner = ? AND revoked_at IS NULL',
  firstDue: 'SELECT due_at AS at FROM keys WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1',
  firstEnded: 'SELECT ended_at AS at FROM keys WHERE ended_at IS NOT NULL ORDER BY ended_at LIMIT 1',
  countDue: 'SELECT count(*) AS n FROM (SELECT 1 FROM keys WHERE due_at <= ? LIMIT ?)',
  countPurgeable: 'SELECT count(*) AS n FROM (SELECT 1 FROM keys WHERE ended_at <= ? LIMIT ?)',
} as const;

/**
 * A key that is verified often: of its record what decides a verification and notes its use, and what verifications
 * tell of it as JSON text, written once: copying one text out of the object costs less than copying an object of a
 * dozen fields.
 */
export type HotKey = {
  readonly record: UsedKey & DecidedKey & Pick<KeyRecord, 'digest'>;
  readonly verifiedJson: string;
};

/**
 * Beside the text and the scopes. Measured: 400 on the heap, 200 outside for the digest; with two scopes and little
 * metadata 1,150 in all.
 */
const HOT_KEY_BYTES = 650;

const hotBytes = ({ record, verifiedJson }: HotKey) =>
  HOT_KEY_BYTES + asciiListBytes(record.scopes) + textBytes(verifiedJson);

export class KeyTable {
  readonly counts: Counts;
  readonly ownerRevocations: OwnerRevocations;
  /** Ids of records that were changed since the last `takeChanged`. */
  readonly #changed = new Set<string>();
  readonly #hot = new LruCache<HotKey>();
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.counts = new Counts(sql);
    this.ownerRevocations = new OwnerRevocations(sql);
  }

  /** The record with exactly this id (ids compare case-sensitively). */
  get(id: string): KeyRecord | undefined {
    return this.#set(KEY_QUERIES.byId, id)[0];
  }

  /**
   * The record for a verification, from memory if it was verified lately. Memory cannot disagree with storage: every write to a row drops it,
   * and a transaction that does not commit drops all (`forgetHot`).
   */
  getHot(id: string): HotKey | undefined {
    const known = this.#hot.get(id);
    if (known !== undefined) return known;
    const record = this.get(id);
    if (record === undefined) return undefined;
    const hot = hotKeyOf(record);
    this.#hot.set(id, hot, hotBytes(hot));
    return hot;
  }

  /** Forgets what memory holds of rows: after writes that are not told one by one. */
  forgetHot(): void {
    this.#hot.clear();
  }

  insert(record: KeyRecord, now: number): void {
    const { id, prefix, lastFour, createdAt, replaces, digest, envelope, signingKeyId, sealingKeyId } = record;
    const constant = [id, prefix, lastFour, createdAt, replaces, bytes(digest), envelope && bytes(envelope)];
    const values = [...constant, signingKeyId, sealingKeyId, ...changingValues(record, now)];
    this.#sql.exec(KEY_QUERIES.insert, this.#nextSeq(), ...values);
    this.counts.follow(null, storedState(record.signingKeyId, record.sealingKeyId, statusOf(record, now)));
  }

  /** Writes the record, and what time has made of it by `now`. */
  update(record: KeyRecord, now: number): void {
    this.#touch(record.id);
    const before = this.#stored(record.seq);
    if (record.owner !== null && before?.owner !== record.owner)
      this.ownerRevocations.welcome(record.owner, record.seq);
    this.#sql.exec(KEY_QUERIES.update, ...changingValues(record, now), record.seq);
    this.counts.follow(before, storedState(record.signingKeyId, record.sealingKeyId, statusOf(record, now)));
  }

  /** Notes a use. Not a change of the record; harmless when the row is gone. */
  markUsed(seq: number, at: number): void {
    this.#sql.exec(KEY_QUERIES.used, at, seq);
  }

  remove(record: KeyRecord): void {
    this.#touch(record.id);
    this.counts.follow(this.#stored(record.seq), null);
    this.#sql.exec(KEY_QUERIES.remove, record.seq);
  }

  #touch(id: string): void {
    this.#changed.add(id);
    this.#hot.delete(id);
  }

  /** Which existing records were changed since this was asked last. */
  takeChanged(): string[] {
    const changed = [...this.#changed];
    this.#changed.clear();
    return changed;
  }

  /** All keys in creation order, lazily. */
  walk(order: Order, after: number | null): Iterable<KeyRecord> {
    return this.#stream(KEY_QUERIES.walkAll[order], startOf(order, after));
  }

  walkOwner(owner: string, order: Order, after: number | null): Iterable<KeyRecord> {
    return this.#stream(KEY_QUERIES.walkOwner[order], owner, startOf(order, after));
  }

  /** Keys with this status as last written down, which may lag behind the time. */
  walkStatus(status: KeyStatus, order: Order, after: number | null): Iterable<KeyRecord> {
    return this.#stream(KEY_QUERIES.walkStatus[order], status, startOf(order, after));
  }

  walkPrefix(prefix: string, order: Order, after: number | null): Iterable<KeyRecord> {
    return this.#stream(KEY_QUERIES.walkPrefix[order], prefix, startOf(order, after));
  }

  /** Keys whose name starts so, at most `SMALL_SET_MAX + 1`, unordered. U+10FFFF is no character, so no name holds it. */
  namedLike(start: string): KeyRecord[] {
    return this.#set(KEY_QUERIES.setByName, start, `${start}\u{10FFFF}`, SMALL_SET_MAX + 1);
  }

  /** Keys that expire before `time`, at most `SMALL_SET_MAX + 1`, unordered. */
  expiringBefore(time: number): KeyRecord[] {
    return this.#set(KEY_QUERIES.setByExpiry, time, SMALL_SET_MAX + 1);
  }

  /** Keys whose stored status is behind the time, earliest first. */
  due(now: number, limit: number): KeyRecord[] {
    return this.#set(KEY_QUERIES.due, now, limit);
  }

  /** Forgets keys that ended at or before `endedBefore`, earliest first; their ids. */
  purge(endedBefore: number, limit: number): string[] {
    type Row = { id: string; sealing_key_id: number | null };
    const purged = this.#sql.exec<Row>(KEY_QUERIES.purge, endedBefore, limit).toArray();
    for (const row of purged) this.#touch(row.id);
    for (const row of purged) this.counts.follow({ signature: null, envelope: row.sealing_key_id }, null);
    return purged.map((row) => row.id);
  }

  /** When the next status change by time is due, null if none will be. */
  firstDueAt(): number | null {
    return this.#sql.exec<{ at: number }>(KEY_QUERIES.firstDue).toArray()[0]?.at ?? null;
  }

  /** When the key that ended first did so, null if none has. */
  firstEndedAt(): number | null {
    return this.#sql.exec<{ at: number }>(KEY_QUERIES.firstEnded).toArray()[0]?.at ?? null;
  }

  /** How many rows a cleanup at `now` would still touch, counted up to `limit` of each kind. */
  countOverdue(now: number, endedBefore: number, limit: number): number {
    const due = this.#sql.exec<{ n: number }>(KEY_QUERIES.countDue, now, limit).one().n;
    return due + this.#sql.exec<{ n: number }>(KEY_QUERIES.countPurgeable, endedBefore, limit).one().n;
  }

  /** Revokes every key of an owner at once (see owner-revocations.ts); how many were not revoked before. */
  revokeOwner(owner: string, now: number): number {
    // One that is still being written to the rows is finished first, so that each owner has at most one.
    while (this.writeOwnerRevocation(owner, 1000, now));
    const { n } = this.#sql.exec<{ n: number }>(KEY_QUERIES.countLivingOfOwner, owner).one();
    if (n > 0) this.ownerRevocations.put({ owner, revokedAt: now, upToSeq: this.#lastSeq(), writtenToSeq: 0 });
    this.forgetHot();
    return n;
  }

  /** Writes a revocation by owner into the keys' own rows, a batch; whether there is more to write. */
  writeOwnerRevocation(owner: string, limit: number, now: number): boolean {
    const revocation = this.ownerRevocations.pending.find((pending) => pending.owner === owner);
    if (revocation === undefined) return false;
    const { upToSeq, writtenToSeq } = revocation;
    const batch = this.#set(KEY_QUERIES.ofOwnerUpTo, owner, writtenToSeq, upToSeq, limit);
    for (const record of batch) this.update(record, now);
    const last = batch.at(-1);
    if (last === undefined || batch.length < limit) this.ownerRevocations.remove(owner);
    else this.ownerRevocations.put({ ...revocation, writtenToSeq: last.seq });
    return batch.length === limit;
  }

  #set(query: string, ...bindings: SqlStorageValue[]): KeyRecord[] {
    return this.#sql
      .exec<KeyRow>(query, ...bindings)
      .toArray()
      .map((row) => this.ownerRevocations.overlay(toRecord(row)));
  }

  *#stream(query: string, ...bindings: SqlStorageValue[]): Generator<KeyRecord> {
    for (const row of this.#sql.exec<KeyRow>(query, ...bindings)) yield this.ownerRevocations.overlay(toRecord(row));
  }

  #stored(seq: number): (StoredState & { readonly owner: string | null }) | null {
    type Row = { status: KeyStatus; owner: string | null; signing_key_id: number; sealing_key_id: number | null };
    const row = this.#sql.exec<Row>(KEY_QUERIES.stored, seq).toArray()[0];
    if (row === undefined) return null;
    return { ...storedState(row.signing_key_id, row.sealing_key_id, row.status), owner: row.owner };
  }

  #lastSeq(): number {
    return this.#sql.exec<{ seq: number }>(KEY_QUERIES.lastSeq).toArray()[0]?.seq ?? 0;
  }

  /** null lets storage choose. Not while a revocation by owner is pending: a number it covers must not be given to a new key. */
  #nextSeq(): number | null {
    const { pending } = this.ownerRevocations;
    return pending.length === 0 ? null : Math.max(this.#lastSeq(), ...pending.map(({ upToSeq }) => upToSeq)) + 1;
  }
}

function hotKeyOf(record: KeyRecord): HotKey {
  return {
    record: {
      seq: record.seq,
      id: record.id,
      digest: record.digest,
      scopes: record.scopes,
      enabled: record.enabled,
      createdAt: record.createdAt,
      expiresAt: record.expiresAt,
      revokedAt: record.revokedAt,
      lastUsedAt: record.lastUsedAt,
      replaces: record.replaces,
      replacedBy: record.replacedBy,
      graceEndsAt: record.graceEndsAt,
    },
    verifiedJson: JSON.stringify(verifiedKeyOf(record)),
  };
}

function changingValues(record: KeyRecord, now: number): SqlStorageValue[] {
  return [
    record.name,
    record.owner,
    record.scopes.length === 0 ? null : JSON.stringify(record.scopes),
    record.metadata === '{}' ? null : record.metadata,
    record.enabled ? 1 : 0,
    record.updatedAt,
    record.expiresAt,
    record.revokedAt,
    record.version,
    record.replacedBy,
    record.rotatedAt,
    record.graceEndsAt,
    statusOf(record, now),
    nextTransitionAt(record, now),
    endedAt(record, now),
  ];
}

function toRecord(row: KeyRow): KeyRecord {
  return {
    seq: row.seq,
    id: row.id,
    name: row.name,
    prefix: row.prefix,
    lastFour: row.last_four,
    owner: row.owner,
    scopes: row.scopes === null ? [] : JSON.parse(row.scopes),
    metadata: row.metadata ?? '{}',
    enabled: row.enabled === 1,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    lastUsedAt: row.last_used_at,
    version: row.version,
    replaces: row.replaces,
    replacedBy: row.replaced_by,
    rotatedAt: row.rotated_at,
    graceEndsAt: row.grace_ends_at,
    digest: new Uint8Array(row.digest),
    envelope: row.envelope === null ? null : new Uint8Array(row.envelope),
    signingKeyId: row.signing_key_id,
    sealingKeyId: row.sealing_key_id,
  };
}

/** SQLite takes buffers, not views; a view that arrived over an RPC may cover only a part of its buffer. */
function bytes(view: Uint8Array): ArrayBuffer {
  return new Uint8Array(view).buffer;
}
