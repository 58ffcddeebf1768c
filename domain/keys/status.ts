/**
 * The status of a key record at a given time. Verification, lists and the alarm all derive it here, so it is right to
 * the millisecond whether or not an alarm has run.
 */
import type { Credits } from '../limits/credits.ts';
import type { KeyRecord, KeyStatus, KeyTimes, KeyView, VerifiedKey } from './record.ts';

/**
 * Status of a key at `now` (ms): the first that applies, in the order of the contract. A key is past its grace or its
 * expiry at that very millisecond.
 */
export function statusOf(record: KeyTimes, now: number): KeyStatus {
  if (record.revokedAt !== null) return 'revoked';
  if (record.graceEndsAt !== null && now >= record.graceEndsAt) return 'rotated';
  if (record.expiresAt !== null && now >= record.expiresAt) return 'expired';
  if (!record.enabled) return 'disabled';
  return record.graceEndsAt === null ? 'active' : 'rotating';
}

/**
 * The same decision as an SQL expression over the columns of `keys`, for lists. Both parameters are `now`. A test
 * compares the two.
 */
export const STATUS_SQL = `CASE
  WHEN revoked_at IS NOT NULL THEN 'revoked'
  WHEN grace_ends_at <= ? THEN 'rotated'
  WHEN expires_at <= ? THEN 'expired'
  WHEN enabled = 0 THEN 'disabled'
  WHEN grace_ends_at IS NULL THEN 'active'
  ELSE 'rotating' END`;

/**
 * Whether a key in this status has ended for good or until it gets a new expiry. The tenant's retention runs from then
 * on.
 */
export function hasEnded(status: KeyStatus): boolean {
  return status === 'revoked' || status === 'rotated' || status === 'expired';
}

/**
 * When the status changes next without anybody changing the key (ms); null if it never does. Grace ends no later than
 * expiry, so the earlier of the two decides.
 */
export function nextTransitionAt(record: KeyTimes, now: number): number | null {
  return hasEnded(statusOf(record, now)) ? null : (record.graceEndsAt ?? record.expiresAt);
}

/** When the key ended (ms); null while it has not. */
export function endedAt(record: KeyTimes, now: number): number | null {
  return hasEnded(statusOf(record, now)) ? (record.revokedAt ?? record.graceEndsAt ?? record.expiresAt) : null;
}

/** The part of a record that a verification is about. */
export function verifiedKeyOf(record: KeyRecord): VerifiedKey {
  const { id, name, owner, scopes, metadata, enabled, createdAt, expiresAt, revokedAt } = record;
  const { replaces, replacedBy, rotatedAt, graceEndsAt } = record;
  return {
    id,
    name,
    owner,
    scopes,
    metadata,
    enabled,
    createdAt,
    expiresAt,
    revokedAt,
    replaces,
    replacedBy,
    rotatedAt,
    graceEndsAt,
  };
}

/** The record as a caller may see it at `now`, with the credits of its lineage as they are then. */
export function viewOf(record: KeyRecord, credits: Credits | null, now: number): KeyView {
  const { digest: _digest, envelope: _envelope, storedStatus: _stored, ...visible } = record;
  return { ...visible, credits, status: statusOf(record, now) };
}
