/** What mutations of keys and owners do with credits. */
import {
  type Credits,
  type CreditsPatch,
  patchCredits,
  refilled,
  sameCredits,
} from '../../../domain/limits/credits.ts';
import { fail, ok, type Result } from '../../../domain/outcome.ts';
import type { MutationContext } from '../mutation.ts';

/** What a patch of a key or an owner makes of its credits. */
export type PatchedCredits = {
  /** Whether the holder has credits now that had none, or the other way round. */
  readonly comesOrGoes: boolean;
  /** What the audit entry says: nothing when nothing changed. */
  readonly changes: { readonly credits?: { readonly from: unknown; readonly to: unknown } };
  /** Writes the credits. */
  readonly write: () => void;
};

/** Decides a patch and writes nothing yet. Without a patch nothing changes. */
export function patchedCredits(
  { store, now }: MutationContext,
  holder: string,
  patch: CreditsPatch | null | undefined,
): Result<PatchedCredits> {
  const unchanged = { comesOrGoes: false, changes: {}, write: () => {} };
  if (patch === undefined) return ok(unchanged);
  const stored = store.credits.get(holder);
  const before = stored && refilled(stored, now);
  const after = patchCredits(before, patch, now);
  if (after === 'missing') return fail({ code: 'no_credits' });
  if (sameCredits(before, after)) return ok(unchanged);
  return ok({
    comesOrGoes: (before === null) !== (after === null),
    changes: { credits: { from: shown(before), to: shown(after) } },
    write: () => (after === null ? store.credits.remove(holder) : store.credits.write(holder, after)),
  });
}

/** Credits as audit entries show them. */
export function shown(credits: Pick<Credits, 'remaining' | 'refill'> | null) {
  return credits && { remaining: credits.remaining, refill: credits.refill };
}
