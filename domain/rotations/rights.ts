/**
 * What the caller of a rotation may give to the successor. A rotation hands out a new key string, so it must not be a way around the permissions that
 * creating and changing keys take: with the right to rotate alone a caller may narrow, name and shorten. Everybody who calls in a right that
 * ends may hand out nothing that lasts longer.
 *
 * The Worker says what the caller may do, the object decides in the rotation's own transaction, by the record as it is then.
 */

import type { KeyAttributes } from '../keys/record.ts';
import { scopesSatisfied } from '../keys/scopes.ts';
import { fail } from '../outcome.ts';

/** What of a key a rotation can change beside the name. */
type Grants = Pick<KeyAttributes, 'scopes' | 'metadata' | 'expiresAt'>;

export type RotationRights = {
  /** Whether the successor may have more than its predecessor, or other metadata: the caller might as well create or change keys. */
  readonly mayWiden: boolean;
  /** The successor must have ended by then (ms), null for any time. */
  readonly endsBy: number | null;
};

/** Why a rotation to this successor is not for this caller; null when it is. */
export function refusalOf(predecessor: Grants, successor: Grants, { mayWiden, endsBy }: RotationRights) {
  if (!endsWithin(successor.expiresAt, endsBy)) return fail({ code: 'outlives_caller' });
  if (!mayWiden && isWider(predecessor, successor)) return fail({ code: 'would_widen' });
  return null;
}

/** Whether something that ends at `expiresAt` has ended by `endsBy`; null is never, for both. */
export function endsWithin(expiresAt: number | null, endsBy: number | null): boolean {
  return endsBy === null || (expiresAt !== null && expiresAt <= endsBy);
}

/**
 * Whether a key has more than another: a scope that the other's do not cover, a later end, or metadata that differ. What metadata say is between the caller
 * and those who verify (a plan, a limit), so any difference may be more.
 */
export function isWider(before: Grants, after: Grants): boolean {
  if (!scopesSatisfied(before.scopes, after.scopes)) return true;
  if (!endsWithin(after.expiresAt, before.expiresAt)) return true;
  return before.metadata !== after.metadata;
}
