/**
 * Keys in storage: rows to records and back, one named query for each access path. A test runs EXPLAIN QUERY PLAN over every one of them.
 */

import type {
  KeyRecord,
  KeyStatus,
  ListedKey,
  NewAttributes,
  NewRecord,
  UsedKey,
} from '../../../domain/keys/record.ts';
import { endedAt, nextTransitionAt, STATUS_SQL, statusOf, verifiedKeyOf } from '../../../domain/keys/status.ts';
import type { DecidedKey } from '../../../domain/keys/verification.ts';
import { LruCache } from '../../../domain/memory/lru-cache.ts';
import { asciiListBytes, textBytes } from '../../../domain/memory/size.ts';
import { earliest } from '../../jobs/alarm-clock.ts';
import { Counts, type StoredState, storedState } from './counts.ts';
import { type GroupRevocation, GroupRevocations, type KeyGroup } from './group-revocations.ts';
import { KeyScan } from './scan.ts';

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
  lineage: string | null;
  created_by: string | null;
  revoked_by: string | null;
  digest: ArrayBuffer;
  envelope: ArrayBuffer | null;
  signing_key_id: number;
  sealing_key_id: number | null;
  status: KeyStatus;
};

/**
 * Columns that a change writes: those of a key's course of life, which every change does, and those that only the caller's own update does. SQLite
 * rewrites the index entries of every column that is set, changed or not. `id`, `prefix`, `digest` and the like stay as they were born.
 */
const LIFE =
  'updated_at, revoked_at, revoked_by, version, replaced_by, rotated_at, grace_ends_at, lineage, status, due_at, ended_at';
const ATTRIBUTES = 'name, owner, scopes, metadata, enabled, expires_at';
const CONSTANT =
  'id, prefix, last_four, created_at, created_by, replaces, digest, envelope, signing_key_id, sealing_key_id';
const RECORD =
  'seq, id, name, prefix, last_four, owner, scopes, metadata, enabled, created_at, updated_at, expires_at, revoked_at, last_used_at, version, replaces, replaced_by, rotated_at, grace_ends_at, lineage, created_by, revoked_by, digest, envelope, signing_key_id, sealing_key_id, status';

/** What a revocation looks at: nothing that is large. */
const REVOCABLE =
  'seq, id, owner, lineage, updated_at AS updatedAt, revoked_at AS revokedAt, revoked_by AS revokedBy, version, signing_key_id AS signingKeyId, sealing_key_id AS sealingKeyId, status AS storedStatus';

const placeholders = (columns: string) => columns.replace(/\w+/g, '?');
/** What lists show, in the order of `toListed`. */
const LISTED =
  'seq, id, name, prefix, last_four, owner, scopes, metadata, enabled, created_at, updated_at, expires_at, revoked_at, last_used_at, version, replaces, replaced_by, rotated_at, grace_ends_at, lineage, created_by, revoked_by, signing_key_id, sealing_key_id';

export const KEY_QUERIES = {
  lastSeq: 'SELECT seq FROM keys ORDER BY seq DESC LIMIT 1',
  byId: `SELECT ${RECORD} FROM keys WHERE id = ?`,
  insert: `INSERT INTO keys (seq, ${CONSTANT}, ${LIFE}, ${ATTRIBUTES}) VALUES (?, ${placeholders(CONSTANT)}, ${placeholders(LIFE)}, ${placeholders(ATTRIBUTES)})`,
  update: `UPDATE keys SET (${LIFE}) = (${placeholders(LIFE)}) WHERE seq = ?`,
  updateAttributes: `UPDATE keys SET (${ATTRIBUTES}) = (${placeholders(ATTRIBUTES)}) WHERE seq = ?`,
  /** Takes an array of `[seq, time]`. */
  used: `UPDATE keys SET last_used_at = json_extract(value, '$[1]') FROM json_each(?)
    WHERE keys.seq = json_extract(value, '$[0]')`,
  remove: 'DELETE FROM keys WHERE seq = ?',
  listed: `SELECT ${LISTED} FROM (SELECT value AS at FROM json_each(?)) CROSS JOIN keys ON seq = at`,
  dueStatuses: `SELECT seq, owner, lineage, status, ${STATUS_SQL} AS now FROM keys WHERE due_at <= ? ORDER BY due_at LIMIT ?`,
  livingStatuses: {
    owner:
      'SELECT seq, owner, lineage, status FROM keys WHERE owner = ? AND (revoked_at IS NULL) = 1 AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?',
    lineage:
      'SELECT seq, owner, lineage, status FROM keys WHERE lineage = ? AND revoked_at IS NULL AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?',
  },
  due: `SELECT ${RECORD} FROM keys WHERE due_at <= ? ORDER BY due_at LIMIT ?`,
  purge:
    'DELETE FROM keys WHERE seq IN (SELECT seq FROM keys WHERE ended_at <= ? ORDER BY ended_at LIMIT ?) RETURNING seq, id, replaced_by, sealing_key_id, status',
  livingOf: {
    owner: `SELECT ${REVOCABLE} FROM keys WHERE owner = ? AND (revoked_at IS NULL) = 1 AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
    lineage: `SELECT ${REVOCABLE} FROM keys WHERE lineage = ? AND revoked_at IS NULL AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
  },
  countLivingOf: {
    owner: 'SELECT count(*) AS n FROM keys WHERE owner = ? AND (revoked_at IS NULL) = 1 AND seq > ?',
    lineage: 'SELECT count(*) AS n FROM keys WHERE lineage = ? AND revoked_at IS NULL AND seq > ?',
  },
  revocableBySeq: `SELECT ${REVOCABLE} FROM keys WHERE seq = ?`,
  revocable: `SELECT ${REVOCABLE} FROM (SELECT value AS wanted FROM json_each(?)) CROSS JOIN keys ON id = wanted`,
  /** As `revokeKey` has it, and what `lifeValues` says of a revoked key. */
  revokeAll:
    "UPDATE keys SET updated_at = ?, revoked_at = ?, revoked_by = ?, version = version + 1, status = 'revoked', due_at = NULL, ended_at = ? WHERE seq IN (SELECT value FROM json_each(?))",
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
  /** The latest use noted (ms), to the minute: kept here, since a use changes neither the record nor its version. */
  usedAt: number | null;
};

/**
 * Beside the text and the scopes. Measured: 400 on the heap, 200 outside for the digest; with two scopes and little
 * metadata 1,150 in all.
 */
const HOT_KEY_BYTES = 650;

const hotBytes = ({ record, verifiedJson }: HotKey) =>
  HOT_KEY_BYTES + asciiListBytes(record.scopes) + textBytes(verifiedJson);

/** A key as a revocation sees it. */
export type RevocableKey = Pick<
  KeyRecord,
  'seq' | 'id' | 'owner' | 'lineage' | 'updatedAt' | 'revokedAt' | 'revokedBy' | 'version'
> &
  Pick<KeyRecord, 'signingKeyId' | 'sealingKeyId' | 'storedStatus'>;

/** Where a key's status stands in storage. */
export type StoredStatus = Pick<KeyRecord, 'seq' | 'owner' | 'lineage'> & { readonly status: KeyStatus };

export class KeyTable {
  readonly counts: Counts;
  readonly groupRevocations: GroupRevocations;
  readonly scan: KeyScan;
  /** Ids of records that were changed since the last `takeWritten`. */
  readonly #changed = new Set<string>();
  /** When the first of what was written since then is due and has ended (ms), null for never. */
  #dueAt: number | null = null;
  #endedAt: number | null = null;
  readonly #hot = new LruCache<HotKey>();
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.counts = new Counts(sql);
    this.groupRevocations = new GroupRevocations(sql);
    this.scan = new KeyScan(sql, this.counts, this.groupRevocations);
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

  insert(record: NewRecord, now: number): void {
    const { id, prefix, lastFour, createdAt, createdBy, replaces, digest, envelope, signingKeyId, sealingKeyId } =
      record;
    const constant = [id, prefix, lastFour, createdAt, createdBy, replaces, bytes(digest), envelope && bytes(envelope)];
    const values = [...constant, signingKeyId, sealingKeyId, ...lifeValues(record, now), ...attributeValues(record)];
    this.#sql.exec(KEY_QUERIES.insert, this.#nextSeq(), ...values);
    this.#noteTimes(record, now);
    this.counts.follow(null, storedStateOf({ ...record, storedStatus: statusOf(record, now) }));
  }

  /** Writes a record that came to another point of its life, and what time has made of it by `now`. */
  update(record: KeyRecord, now: number): void {
    this.#touch(record.id);
    this.#sql.exec(KEY_QUERIES.update, ...lifeValues(record, now), record.seq);
    this.#noteTimes(record, now);
    this.counts.follow(storedStateOf(record), storedStateOf({ ...record, storedStatus: statusOf(record, now) }));
  }

  /** Writes a record whose attributes were changed from those of `before`. */
  updateAttributes(before: KeyRecord, record: KeyRecord, now: number): void {
    if (record.owner !== null && before.owner !== record.owner) this.groupRevocations.welcome(record.owner, record.seq);
    this.#sql.exec(KEY_QUERIES.updateAttributes, ...attributeValues(toNew(record)), record.seq);
    this.update(record, now);
  }

  /** Notes when keys were used last. Not a change of the records; harmless where a row is gone. */
  markUsed(uses: readonly (readonly [seq: number, at: number])[]): void {
    this.#sql.exec(KEY_QUERIES.used, JSON.stringify(uses));
  }

  remove(record: KeyRecord): void {
    this.#touch(record.id);
    this.counts.follow(storedStateOf(record), null);
    this.#sql.exec(KEY_QUERIES.remove, record.seq);
  }

  #touch(id: string): void {
    this.#changed.add(id);
    this.#hot.delete(id);
  }

  /**
   * What was written since this was asked last: which existing records were changed, when time changes the first of the written ones, and when the first
   * of them ended.
   */
  takeWritten(): {
    readonly changed: readonly string[];
    readonly dueAt: number | null;
    readonly endedAt: number | null;
  } {
    const written = { changed: [...this.#changed], dueAt: this.#dueAt, endedAt: this.#endedAt };
    this.#changed.clear();
    this.#dueAt = null;
    this.#endedAt = null;
    return written;
  }

  #noteTimes(record: KeyRecord | NewRecord, now: number): void {
    this.#dueAt = earliest(this.#dueAt, nextTransitionAt(record, now));
    this.#endedAt = earliest(this.#endedAt, endedAt(record, now));
  }

  /** How many keys there are. */
  count(): number {
    return this.counts.byEntry('keys').get(0) ?? 0;
  }

  /** The keys with these numbers, in their order; without any that are gone. */
  listed(seqs: readonly number[]): ListedKey[] {
    if (seqs.length === 0) return [];
    // Raw rows cost half of what objects do.
    const rows = this.#sql.exec(KEY_QUERIES.listed, JSON.stringify(seqs)).raw<ListedRow>();
    return Array.from(rows, (row) => this.groupRevocations.overlay(toListed(row)));
  }

  /** Keys whose stored status is behind the time, with both statuses, earliest first. */
  dueStatuses(now: number, limit: number): (StoredStatus & { readonly now: KeyStatus })[] {
    return this.#sql.exec<StoredStatus & { now: KeyStatus }>(KEY_QUERIES.dueStatuses, now, now, now, limit).toArray();
  }

  /** Keys of a group that their rows do not call revoked, with their stored statuses, `after` exclusive, `upTo` inclusive. */
  livingStatuses({ kind, value }: KeyGroup, after: number, upTo: number, limit: number): StoredStatus[] {
    return this.#sql.exec<StoredStatus>(KEY_QUERIES.livingStatuses[kind], value, after, upTo, limit).toArray();
  }

  /** Keys whose stored status is behind the time, earliest first. */
  due(now: number, limit: number): KeyRecord[] {
    return this.#set(KEY_QUERIES.due, now, limit);
  }

  /** Forgets keys that ended at or before `endedBefore`, earliest first. */
  purge(endedBefore: number, limit: number): Pick<KeyRecord, 'id' | 'seq' | 'replacedBy'>[] {
    type Row = {
      seq: number;
      id: string;
      replaced_by: string | null;
      sealing_key_id: number | null;
      status: KeyStatus;
    };
    const purged = this.#sql.exec<Row>(KEY_QUERIES.purge, endedBefore, limit).toArray();
    for (const row of purged) this.#touch(row.id);
    for (const { sealing_key_id: envelope, status } of purged) {
      this.counts.follow({ signature: null, envelope, status }, null);
    }
    return purged.map(({ id, seq, replaced_by }) => ({ id, seq, replacedBy: replaced_by }));
  }

  /** When the next status change by time is due, null if none will be. */
  firstDueAt(): number | null {
    return this.#sql.exec<{ at: number }>(KEY_QUERIES.firstDue).toArray()[0]?.at ?? null;
  }

  /** When the key that ended first did so, null if none has. */
  firstEndedAt(): number | null {
    return this.#sql.exec<{ at: number }>(KEY_QUERIES.firstEnded).toArray()[0]?.at ?? null;
  }

  /** How many rows have a stored status that is behind `now`, counted up to `limit`. */
  countDue(now: number, limit: number): number {
    return this.#sql.exec<{ n: number }>(KEY_QUERIES.countDue, now, limit).one().n;
  }

  /** How many keys ended at or before `endedBefore`, counted up to `limit`. */
  countPurgeable(endedBefore: number, limit: number): number {
    return this.#sql.exec<{ n: number }>(KEY_QUERIES.countPurgeable, endedBefore, limit).one().n;
  }

  /** The keys with these ids, as they stand; without any that are not there. */
  revocable(ids: readonly string[]): RevocableKey[] {
    return this.#revocable(KEY_QUERIES.revocable, JSON.stringify(ids));
  }

  /** Revokes keys that are not revoked: hundreds in one statement, and without reading what is large in them. */
  revokeAll(keys: readonly RevocableKey[], at: number, by: string | null): void {
    if (keys.length === 0) return;
    for (const key of keys) {
      this.#touch(key.id);
      this.counts.follow(storedStateOf(key), storedStateOf({ ...key, storedStatus: 'revoked' }));
    }
    this.#sql.exec(KEY_QUERIES.revokeAll, at, at, by, at, JSON.stringify(keys.map(({ seq }) => seq)));
    this.#endedAt = earliest(this.#endedAt, at);
  }

  /** Up to `limit` keys of a group that are not revoked, in creation order, by what their rows and pending revocations say. */
  livingOf(group: KeyGroup, limit: number): RevocableKey[] {
    const { groupRevocations } = this;
    const from = groupRevocations.coveredUpTo(group);
    const newcomers = groupRevocations.newcomersOf(group).flatMap((seq) => this.#revocableBySeq(seq));
    const stillOf = newcomers.filter((record) => record[group.kind] === group.value);
    const later = this.#revocable(KEY_QUERIES.livingOf[group.kind], group.value, from, Number.MAX_SAFE_INTEGER, limit);
    return [...stillOf, ...later].filter(({ revokedAt }) => revokedAt === null).slice(0, limit);
  }

  /** How many keys `livingOf` would find without a limit, when they are too many to be read. */
  countLivingOf(group: KeyGroup): number {
    const { groupRevocations } = this;
    const from = groupRevocations.coveredUpTo(group);
    const later = this.#sql.exec<{ n: number }>(KEY_QUERIES.countLivingOf[group.kind], group.value, from).one().n;
    const newcomers = groupRevocations.newcomersOf(group).flatMap((seq) => this.#revocableBySeq(seq));
    const stillOf = newcomers.filter((record) => record[group.kind] === group.value && record.revokedAt === null);
    return later + stillOf.length;
  }

  /** Revokes all keys of a group that exist now, in one write (see group-revocations.ts). */
  revokeGroup(group: KeyGroup, by: string, commandId: string, now: number): void {
    const upToSeq = this.#lastSeq();
    this.groupRevocations.add({ ...group, revokedAt: now, revokedBy: by, commandId, upToSeq });
    this.forgetHot();
  }

  /** Writes a pending revocation into the next rows of its group; the keys that were written. */
  writeGroupRevocation(revocation: GroupRevocation, limit: number): RevocableKey[] {
    const { value, kind, upToSeq, writtenToSeq, revokedAt, revokedBy } = revocation;
    const rows = this.#sql
      .exec<RevocableKey>(KEY_QUERIES.livingOf[kind], value, writtenToSeq, upToSeq, limit)
      .toArray();
    // A newcomer stays, and what an older revocation covers is that one's to write.
    const written = rows.filter((record) => this.groupRevocations.of(record)?.id === revocation.id);
    this.revokeAll(written, revokedAt, revokedBy);
    this.groupRevocations.wrote(revocation, rows.length < limit ? null : (rows.at(-1)?.seq ?? null));
    return written;
  }

  #set(query: string, ...bindings: SqlStorageValue[]): KeyRecord[] {
    return this.#sql
      .exec<KeyRow>(query, ...bindings)
      .toArray()
      .map((row) => this.groupRevocations.overlay(toRecord(row)));
  }

  #revocable(query: string, ...bindings: SqlStorageValue[]): RevocableKey[] {
    return this.#sql
      .exec<RevocableKey>(query, ...bindings)
      .toArray()
      .map((key) => this.groupRevocations.overlay(key));
  }

  #revocableBySeq(seq: number): RevocableKey[] {
    return this.#revocable(KEY_QUERIES.revocableBySeq, seq);
  }

  #lastSeq(): number {
    return this.#sql.exec<{ seq: number }>(KEY_QUERIES.lastSeq).toArray()[0]?.seq ?? 0;
  }

  /** null lets storage choose. Not while a revocation by owner is pending: a number it covers must not be given to a new key. */
  #nextSeq(): number | null {
    const { pending } = this.groupRevocations;
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
      replaces: record.replaces,
      replacedBy: record.replacedBy,
      graceEndsAt: record.graceEndsAt,
    },
    verifiedJson: JSON.stringify(verifiedKeyOf(record)),
    usedAt: record.lastUsedAt,
  };
}

/** In the order of `LIFE`. */
function lifeValues(record: KeyRecord | NewRecord, now: number): SqlStorageValue[] {
  return [
    record.updatedAt,
    record.revokedAt,
    record.revokedBy,
    record.version,
    record.replacedBy,
    record.rotatedAt,
    record.graceEndsAt,
    record.lineage,
    statusOf(record, now),
    nextTransitionAt(record, now),
    endedAt(record, now),
  ];
}

/** A record with its scopes as they are stored. */
export function toNew(record: KeyRecord): NewRecord {
  return { ...record, scopes: JSON.stringify(record.scopes) };
}

/** In the order of `ATTRIBUTES`. */
function attributeValues(record: NewAttributes): SqlStorageValue[] {
  return [
    record.name,
    record.owner,
    record.scopes === '[]' ? null : record.scopes,
    record.metadata === '{}' ? null : record.metadata,
    record.enabled ? 1 : 0,
    record.expiresAt,
  ];
}

/** What of a stored record is counted. */
function storedStateOf({
  signingKeyId,
  sealingKeyId,
  storedStatus,
}: Pick<KeyRecord, 'signingKeyId' | 'sealingKeyId' | 'storedStatus'>): StoredState {
  return storedState(signingKeyId, sealingKeyId, storedStatus);
}

type ListedRow = [
  seq: number,
  id: string,
  name: string,
  prefix: string,
  lastFour: string,
  owner: string | null,
  scopes: string | null,
  metadata: string | null,
  enabled: number,
  createdAt: number,
  updatedAt: number,
  expiresAt: number | null,
  revokedAt: number | null,
  lastUsedAt: number | null,
  version: number,
  replaces: string | null,
  replacedBy: string | null,
  rotatedAt: number | null,
  graceEndsAt: number | null,
  lineage: string | null,
  createdBy: string | null,
  revokedBy: string | null,
  signingKeyId: number,
  sealingKeyId: number | null,
];

function toListed([seq, id, name, prefix, lastFour, owner, scopes, metadata, enabled, ...rest]: ListedRow): ListedKey {
  const [createdAt, updatedAt, expiresAt, revokedAt, lastUsedAt, version, ...others] = rest;
  const [replaces, replacedBy, rotatedAt, graceEndsAt, lineage, createdBy, revokedBy, ...entries] = others;
  const [signingKeyId, sealingKeyId] = entries;
  return {
    seq,
    id,
    name,
    prefix,
    lastFour,
    owner,
    scopes: scopes ?? '[]',
    metadata: metadata ?? '{}',
    enabled: enabled === 1,
    createdAt,
    updatedAt,
    expiresAt,
    revokedAt,
    lastUsedAt,
    version,
    replaces,
    replacedBy,
    rotatedAt,
    graceEndsAt,
    lineage,
    createdBy,
    revokedBy,
    signingKeyId,
    sealingKeyId,
  };
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
    lineage: row.lineage,
    createdBy: row.created_by,
    revokedBy: row.revoked_by,
    digest: new Uint8Array(row.digest),
    envelope: row.envelope === null ? null : new Uint8Array(row.envelope),
    signingKeyId: row.signing_key_id,
    sealingKeyId: row.sealing_key_id,
    storedStatus: row.status,
  };
}

/** SQLite takes buffers, not views; a view that arrived over an RPC may cover only a part of its buffer. */
function bytes(view: Uint8Array): ArrayBuffer {
  return new Uint8Array(view).buffer;
}
