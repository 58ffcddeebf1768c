/**
 * The mutations of balances. Each has an audit entry with the balance before and after. A balance is no part of the
 * version of its key or owner, as the last use is none: each verification changes it, and two callers who add credits
 * must not get in each other's way. So a change of it leaves the version as it is. `If-Match` is checked all the same.
 */
import type { KeyView } from '../../../domain/keys/record.ts';
import {
  type BalanceChange,
  changeBalance,
  creditsOfKey,
  creditsOfOwner,
  refilled,
} from '../../../domain/limits/credits.ts';
import { fail, ok, type Result } from '../../../domain/outcome.ts';
import type { OwnerView } from '../../../domain/owners/record.ts';
import { keyForChange } from '../keys/key-mutations.ts';
import type { Change, Mutation, MutationContext } from '../mutation.ts';
import { ownerFor } from '../owners/owner-mutations.ts';

/** Changes the balance of a key, which is that of its whole lineage. Fails with `no_credits` when it has none. */
export function keyBalance(keyId: string, change: BalanceChange): Mutation<KeyView> {
  return {
    about: [keyId],
    run: (context): Result<Change<KeyView>> => {
      const found = keyForChange(context, keyId);
      if (!found.ok) return found;
      const changed = changeOf(context, creditsOfKey(found.value), change);
      if (!changed.ok) return changed;
      const { store, now } = context;
      const audit = changed.value.map((changes) => ({ action: 'key.credits' as const, keyId, changes }));
      return ok({ value: store.viewOf(found.value, now), audit });
    },
  };
}

/** Changes the balance of an owner. Fails with `no_credits` when it has none. */
export function ownerBalance(id: string, change: BalanceChange): Mutation<OwnerView> {
  return {
    about: 'everything',
    run: (context): Result<Change<OwnerView>> => {
      const found = ownerFor(context, id);
      if (!found.ok) return found;
      const changed = changeOf(context, creditsOfOwner(id), change);
      if (!changed.ok) return changed;
      const { store, now } = context;
      const audit = changed.value.map((changes) => ({
        action: 'owner.credits' as const,
        changes: { owner: id, ...changes },
      }));
      return ok({ value: store.viewOwner(found.value, now), audit });
    },
  };
}

/** Changes a balance. Returns what the audit entry says, in a list that is empty when nothing changed. */
function changeOf({ store, now }: MutationContext, holder: string, change: BalanceChange) {
  const stored = store.credits.get(holder);
  if (stored === null) return fail({ code: 'no_credits' });
  const before = refilled(stored, now);
  const after = changeBalance(stored, change, now);
  if (after.remaining === before.remaining) return ok([]);
  store.credits.write(holder, after);
  const { type: operation, amount } = change;
  return ok([{ operation, amount, remaining: { from: before.remaining, to: after.remaining } }]);
}
