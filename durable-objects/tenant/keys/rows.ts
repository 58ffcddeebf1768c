/**
 * Rows of the table `keys` and the records made of them: the lists of columns, and the values of a record in the same
 * order.
 */
import type { KeyRecord, KeyStatus, ListedKey, NewAttributes, NewRecord } from '../../../domain/keys/record.ts';
import { endedAt, nextTransitionAt, statusOf } from '../../../domain/keys/status.ts';
import { NO_LIMITS } from '../../../domain/limits/named-limit.ts';
import { type StoredState, storedState } from './stored-counts.ts';

/**
 * Columns that every change writes. They are apart from those that only a revocation or the caller's own update writes,
 * because SQLite rewrites the index entries of every column that a statement sets, even to the same value.
 */
export const LIFE_COLUMNS = `updated_at, version, replaced_by, rotated_at, grace_ends_at, lineage, status, due_at,
  ended_at`;
/** Columns that only a revocation writes, after those above. */
export const REVOCATION_COLUMNS = 'revoked_at, revoked_by';
/** Columns that only the caller's own update writes. */
export const ATTRIBUTE_COLUMNS = 'name, owner, scopes, metadata, enabled, expires_at, plan, rate_limits, quotas';
/** Columns that a new key fills. It was neither changed, revoked, rotated nor used, so the others stay NULL. */
export const NEW_COLUMNS = `id, prefix, last_four, created_at, created_by, replaces, digest, envelope, signing_key_id,
  sealing_key_id, updated_at, version, lineage, status, due_at, hint, ${ATTRIBUTE_COLUMNS}`;
/**
 * Length of the column `room` of a new key; every later change empties it. A rotation makes a row some 60 bytes longer.
 * Rows are written close together, so without room SQLite would often have to share out the rows of several pages anew.
 * The rest of the 60 bytes fits into what most pages have left over.
 */
export const ROOM_BYTES = 40;
/** Columns of a `ListedRow`, in its order. */
export const LISTED_COLUMNS = `seq, id, name, prefix, last_four, owner, scopes, metadata, enabled, created_at,
  updated_at, expires_at, revoked_at, last_used_at, version, replaces, replaced_by, rotated_at, grace_ends_at, lineage,
  created_by, revoked_by, signing_key_id, sealing_key_id, plan, rate_limits, quotas, hint`;
/** Columns of a `KeyRow`, in its order. */
export const RECORD_COLUMNS = `digest, envelope, status, ${LISTED_COLUMNS}`;
/** Columns of a `RevocableKey`: none that can be large. */
export const REVOCABLE_COLUMNS = `seq, id, owner, lineage, updated_at AS updatedAt, revoked_at AS revokedAt,
  revoked_by AS revokedBy, version, signing_key_id AS signingKeyId, sealing_key_id AS sealingKeyId,
  status AS storedStatus`;

/** A key as a revocation reads it. */
export type RevocableKey = Pick<
  KeyRecord,
  'seq' | 'id' | 'owner' | 'lineage' | 'updatedAt' | 'revokedAt' | 'revokedBy' | 'version'
> &
  Pick<KeyRecord, 'signingKeyId' | 'sealingKeyId' | 'storedStatus'>;

/** A key with the status in its row, which may lag behind the time. */
export type StoredStatus = Pick<KeyRecord, 'seq' | 'owner' | 'lineage'> & { readonly status: KeyStatus };

export type ListedRow = [
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
  plan: string | null,
  rateLimits: string | null,
  quotas: string | null,
  hint: string | null,
];

/** Rows are arrays, which cost half of what objects do. */
export type KeyRow = [digest: ArrayBuffer, envelope: ArrayBuffer | null, status: KeyStatus, ...ListedRow];

export function toRecord([digest, envelope, storedStatus, ...row]: KeyRow): KeyRecord {
  const listed = toListed(row);
  return {
    ...listed,
    scopes: JSON.parse(listed.scopes),
    digest: new Uint8Array(digest),
    envelope: envelope && new Uint8Array(envelope),
    storedStatus,
  };
}

export function toListed([
  seq,
  id,
  name,
  prefix,
  lastFour,
  owner,
  scopes,
  metadata,
  enabled,
  ...rest
]: ListedRow): ListedKey {
  const [createdAt, updatedAt, expiresAt, revokedAt, lastUsedAt, version, ...others] = rest;
  const [replaces, replacedBy, rotatedAt, graceEndsAt, lineage, createdBy, revokedBy, ...entries] = others;
  const [signingKeyId, sealingKeyId, plan, rateLimits, quotas, hint] = entries;
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
    plan,
    rateLimits: rateLimits ?? NO_LIMITS,
    quotas: quotas ?? NO_LIMITS,
    hint,
  };
}

/** The values of `NEW_COLUMNS`. */
export function newValues(record: NewRecord, status: KeyStatus, now: number): SqlStorageValue[] {
  return [
    record.id,
    record.prefix,
    record.lastFour,
    record.createdAt,
    record.createdBy,
    record.replaces,
    bytes(record.digest),
    record.envelope && bytes(record.envelope),
    record.signingKeyId,
    record.sealingKeyId,
    record.updatedAt,
    record.version,
    record.lineage,
    status,
    nextTransitionAt(record, now),
    record.hint,
    ...attributeValues(record),
  ];
}

/** The values of `LIFE_COLUMNS`: the record itself, and what time has made of it by `now`. */
export function lifeValues(record: KeyRecord, now: number): SqlStorageValue[] {
  return [
    record.updatedAt,
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

/** The values of `ATTRIBUTE_COLUMNS`. Empty scopes, metadata and limits are stored as NULL. */
export function attributeValues(record: NewAttributes): SqlStorageValue[] {
  return [
    record.name,
    record.owner,
    record.scopes === '[]' ? null : record.scopes,
    record.metadata === '{}' ? null : record.metadata,
    record.enabled ? 1 : 0,
    record.expiresAt,
    record.plan,
    record.rateLimits === NO_LIMITS ? null : record.rateLimits,
    record.quotas === NO_LIMITS ? null : record.quotas,
  ];
}

/** The record with its scopes as they are stored. */
export function toNew(record: KeyRecord): NewRecord {
  return { ...record, scopes: JSON.stringify(record.scopes) };
}

/** The part of a stored record that is counted (stored-counts.ts). */
export function storedStateOf({
  signingKeyId,
  sealingKeyId,
  storedStatus,
}: Pick<KeyRecord, 'signingKeyId' | 'sealingKeyId' | 'storedStatus'>): StoredState {
  return storedState(signingKeyId, sealingKeyId, storedStatus);
}

/** SQLite takes buffers, not views; a view that arrived over an RPC may cover only a part of its buffer. */
function bytes(view: Uint8Array): ArrayBuffer {
  return new Uint8Array(view).buffer;
}
