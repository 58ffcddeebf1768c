/**
 * What the caller of a rotation may give to the successor. A rotation hands out a new key string, so it must not be a
 * way around the permissions to create and to change keys. With the permission to rotate alone, a caller may take
 * scopes away, lower limits, rename, and shorten the life. A caller whose own right ends may hand out nothing that
 * lasts longer.
 *
 * The Worker says what the caller may do. The object decides in the rotation's own transaction, by the record as it is
 * then.
 */

import type { KeyAttributes } from '../keys/record.ts';
import { scopesSatisfied } from '../keys/scopes.ts';
import { allowsMore, type LimitTexts } from '../limits/named-limit.ts';
import { fail } from '../outcome.ts';

/** The attributes of a key that a rotation can extend. */
type Grants = Pick<KeyAttributes, 'scopes' | 'metadata' | 'expiresAt' | 'plan' | keyof LimitTexts>;

/** What a caller may give to a successor. */
export type RotationRights = {
  /**
   * Whether the successor may have more than its predecessor, or other metadata. True for callers who may change keys
   * anyway.
   */
  readonly mayWiden: boolean;
  /** The successor must have ended by then (ms); null for no limit. */
  readonly endsBy: number | null;
};

/** The failure when the caller may not rotate to this successor; null when it may. */
export function refusalOf(predecessor: Grants, successor: Grants, { mayWiden, endsBy }: RotationRights) {
  if (!endsWithin(successor.expiresAt, endsBy)) return fail({ code: 'outlives_caller' });
  if (!mayWiden && isWider(predecessor, successor)) return fail({ code: 'would_widen' });
  return null;
}

/** Whether something that ends at `expiresAt` has ended by `endsBy`. For both, null means never. */
export function endsWithin(expiresAt: number | null, endsBy: number | null): boolean {
  return endsBy === null || (expiresAt !== null && expiresAt <= endsBy);
}

/**
 * Whether `after` has more than `before`: a scope that the old scopes do not cover, a later end, limits that may allow
 * more, another plan, or different metadata. Callers and verifiers agree on what metadata mean, so any difference may
 * be more.
 */
export function isWider(before: Grants, after: Grants): boolean {
  if (!scopesSatisfied(before.scopes, after.scopes)) return true;
  if (!endsWithin(after.expiresAt, before.expiresAt)) return true;
  if (before.plan !== after.plan || allowsMore(before, after)) return true;
  return before.metadata !== after.metadata;
}
