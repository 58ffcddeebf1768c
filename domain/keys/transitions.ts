/**
 * Every change of a key that a caller can ask for, as pure functions of record, input and time. Nothing else decides
 * whether a change is allowed or what it leaves behind.
 *
 * Rules that must never break:
 * - A revoked or rotated-out key never becomes valid again. An expired one does only by an explicit new `expiresAt`,
 *   never by rotation.
 * - Only an active key rotates, so a key has at most one successor.
 * - Grace never outlives the key's own expiry.
 * - A change keeps every field that it does not name.
 */
import { type LimitTexts, limitsBreach } from '../limits/named-limit.ts';
import { fail, ok } from '../outcome.ts';
import { type RotationRights, refusalOf } from '../rotations/rights.ts';
import type { ForeignKeyInput, KeyAttributes, KeyRecord, NewAttributes, StoredKey } from './record.ts';
import { hasEnded, statusOf } from './status.ts';

/**
 * A new record at version 1. Fails with `expiry_in_past` unless `expiresAt` lies after `now`, and when its limits do
 * not go together.
 */
export function createKey(minted: StoredKey, attributes: NewAttributes, by: string, now: number) {
  if (attributes.expiresAt !== null && attributes.expiresAt <= now) return fail({ code: 'expiry_in_past' });
  const breach = limitsBreach(attributes);
  if (breach !== null) return fail({ code: breach });
  return ok(newRecord(minted, attributes, by, now));
}

/**
 * The record of a key that was issued elsewhere, at version 1. Fails as `createKey` does, and with `created_in_future`
 * when it says that it was issued after `now`.
 */
export function importKey(key: ForeignKeyInput, attributes: NewAttributes, by: string, now: number) {
  const { id, prefix, hint, signingKeyId, createdAt } = key;
  const [digest] = key.digests;
  if (digest === undefined) throw new Error('an imported key has no digest');
  if (createdAt !== null && createdAt > now) return fail({ code: 'created_in_future' });
  const kept = { id, prefix, lastFour: '', digest, envelope: null, signingKeyId, sealingKeyId: null };
  const created = createKey(kept, attributes, by, now);
  return created.ok ? ok({ ...created.value, hint, createdAt: createdAt ?? now }) : created;
}

/** New values of attributes. An absent field keeps its value. */
export type KeyPatch = Partial<KeyAttributes>;

/**
 * Changes the attributes that the caller named. Fails with `key_not_active` for a revoked or rotated-out key, and with
 * `expiry_in_past` unless a new expiry lies after `now`. Fails when its limits do not go together. On a key in grace an
 * earlier expiry brings the end of grace forward; a later one does not extend it.
 */
export function updateKey(record: KeyRecord, patch: KeyPatch, now: number) {
  const status = statusOf(record, now);
  if (status === 'revoked' || status === 'rotated') return fail({ code: 'key_not_active', status });
  if (typeof patch.expiresAt === 'number' && patch.expiresAt <= now) return fail({ code: 'expiry_in_past' });
  const updated: KeyRecord = { ...record, ...patch, updatedAt: now, version: record.version + 1 };
  const breach = limitsBreach(updated);
  if (breach !== null) return fail({ code: breach });
  const { expiresAt, graceEndsAt } = updated;
  const graceOutlives = graceEndsAt !== null && expiresAt !== null && expiresAt < graceEndsAt;
  return ok(graceOutlives ? { ...updated, graceEndsAt: expiresAt } : updated);
}

/** Ends a key for good. Idempotent: returns `record` itself when it is revoked already. */
export function revokeKey<T extends Pick<KeyRecord, 'revokedAt' | 'revokedBy' | 'updatedAt' | 'version'>>(
  record: T,
  now: number,
  by: string | null,
): T {
  if (record.revokedAt !== null) return record;
  return { ...record, revokedAt: now, revokedBy: by, updatedAt: now, version: record.version + 1 };
}

/** What a rotation is asked for. Grace 0 ends the predecessor at once. */
export type RotationInput = {
  readonly graceMs: number;
  /** Attributes in which the successor differs from its predecessor. An absent field is taken over. */
  readonly overrides: Partial<
    Pick<KeyAttributes, 'name' | 'owner' | 'scopes' | 'metadata' | 'expiresAt' | 'plan' | keyof LimitTexts>
  >;
  readonly rights: RotationRights;
  /** The prefix of new keys of the tenant: that of the successor of an imported key. */
  readonly newPrefix: string;
};

/**
 * Turns an active key into a predecessor in grace and an active successor. The successor takes over every attribute
 * that is not overridden, `expiresAt` included, so a rotation by itself prolongs nothing. Grace 0 ends the predecessor
 * at once. A long grace gives away nothing: the predecessor never lives longer than it would have without the rotation.
 * The successor of an imported key is a key of our own, so it gets a prefix of our own.
 */
export function rotateKey(record: KeyRecord, successor: StoredKey, input: RotationInput, by: string, now: number) {
  const status = statusOf(record, now);
  if (status === 'rotating') return fail({ code: 'key_already_rotating', replacedBy: record.replacedBy });
  if (status !== 'active') return fail({ code: 'key_not_active', status });
  const prefix = record.hint === null ? record.prefix : input.newPrefix;
  if (successor.prefix !== prefix) return fail({ code: 'prefix_mismatch', prefix });

  const { expiresAt = record.expiresAt } = input.overrides;
  if (expiresAt !== null && expiresAt <= now) return fail({ code: 'expiry_in_past' });

  const { name, owner, scopes, metadata, enabled, plan, rateLimits, quotas } = record;
  const kept = { name, owner, scopes, metadata, enabled, plan, rateLimits, quotas };
  const attributes = { ...kept, ...input.overrides, expiresAt };
  const breach = limitsBreach(attributes);
  if (breach !== null) return fail({ code: breach });
  const refusal = refusalOf(record, attributes, input.rights);
  if (refusal !== null) return refusal;
  const lineage = record.lineage ?? record.id;
  return ok({
    predecessor: {
      ...record,
      lineage,
      replacedBy: successor.id,
      rotatedAt: now,
      graceEndsAt: Math.min(now + input.graceMs, record.expiresAt ?? Number.POSITIVE_INFINITY),
      updatedAt: now,
      version: record.version + 1,
    },
    successor: { ...newRecord(successor, attributes, by, now), lineage, replaces: record.id },
  });
}

/** Ends the grace of a predecessor now. Idempotent: returns `record` itself when its grace is over already. */
export function completeRotation(record: KeyRecord, now: number) {
  const status = statusOf(record, now);
  if (status === 'rotated') return ok(record);
  if (!isInGrace(record, now)) return fail({ code: 'key_not_rotating', status });
  return ok({ ...record, graceEndsAt: now, updatedAt: now, version: record.version + 1 });
}

/**
 * Takes a rotation back while the predecessor is in grace: revokes the successor and restores the predecessor. Fails
 * with `successor_rotated` when the successor was rotated on, since its own successor would then replace a revoked key.
 */
export function cancelRotation(predecessor: KeyRecord, successor: KeyRecord | undefined, by: string, now: number) {
  const status = statusOf(predecessor, now);
  if (!isInGrace(predecessor, now)) return fail({ code: 'key_not_rotating', status });
  if (successor !== undefined && successor.replacedBy !== null) return fail({ code: 'successor_rotated' });
  const change = { replacedBy: null, rotatedAt: null, graceEndsAt: null, updatedAt: now };
  return ok({
    predecessor: { ...predecessor, ...change, version: predecessor.version + 1 },
    successor: successor && revokeKey(successor, now, by),
  });
}

function isInGrace(record: KeyRecord, now: number): boolean {
  return record.graceEndsAt !== null && !hasEnded(statusOf(record, now));
}

function newRecord<A extends KeyAttributes | NewAttributes>(minted: StoredKey, attributes: A, by: string, now: number) {
  return {
    ...minted,
    ...attributes,
    seq: 0,
    hint: null,
    createdAt: now,
    updatedAt: now,
    revokedAt: null,
    lastUsedAt: null,
    version: 1,
    replaces: null,
    replacedBy: null,
    rotatedAt: null,
    graceEndsAt: null,
    lineage: null,
    createdBy: by,
    revokedBy: null,
    storedStatus: 'active',
  } as const;
}
