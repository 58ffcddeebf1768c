/**
 * The mutations of owners. An owner that comes into being with a key does so in the key's mutation.
 *
 * They tell of every key that has this owner for anybody, also of one that is just being given to another owner. So
 * they wait for all changes that are under way.
 */
import { hasEnded, statusOf } from '../../../domain/keys/status.ts';
import { type CreditsPatch, creditsOfOwner, type NewCredits, newCredits } from '../../../domain/limits/credits.ts';
import { fail, ok, type Result } from '../../../domain/outcome.ts';
import {
  NO_OWNER_STATE,
  newOwner,
  type OwnerAttributes,
  type OwnerPatch,
  type OwnerRecord,
  type OwnerView,
  ownerChanges,
  ownerState,
  sameState,
  updateOwner,
} from '../../../domain/owners/record.ts';
import { patchedCredits, shown } from '../credits/patched-credits.ts';
import { DIRECT_MAX } from '../keys/key-mutations.ts';
import { inAcceptedVersion, type Mutation, type MutationContext } from '../mutation.ts';

/** Creates an owner. Fails with `owner_exists` when there is one of this id, made by a key for example. */
export function ownerCreation(
  id: string,
  attributes: OwnerAttributes,
  credits: NewCredits | null,
): Mutation<OwnerView> {
  return {
    about: 'everything',
    run: (context) => {
      const { store, now, command } = context;
      if (store.owners.get(id) !== undefined) return fail({ code: 'owner_exists' });
      if (isUnknownPlan(context, attributes.plan)) return fail({ code: 'no_such_plan' });
      const created = store.owners.insert(newOwner(id, attributes, command.actor.id, now));
      if (credits !== null) {
        store.credits.write(creditsOfOwner(id), newCredits(credits.remaining, credits.refill, now));
      }
      const { name, enabled, plan } = attributes;
      const named = { ...(plan === null ? {} : { plan }), ...(credits && { credits: shown(credits) }) };
      return ok({
        value: store.viewOwner(created, now),
        audit: [{ action: 'owner.create', changes: { owner: id, name, enabled, ...named } }],
        // Keys that ended before may have this owner.
        ...concernedBy(context, id, credits === null && sameState(NO_OWNER_STATE, ownerState(created))),
      });
    },
  };
}

/** What a caller changes of an owner. */
export type OwnerChanges = OwnerPatch & { readonly credits?: CreditsPatch | null };

/**
 * Changes attributes of an owner, and its credits. Writes nothing when none differs. Fails with `no_credits` when
 * credits are to be changed that it does not have.
 */
export function ownerUpdate(id: string, { credits: wanted, ...patch }: OwnerChanges): Mutation<OwnerView> {
  return {
    about: 'everything',
    run: (context) => {
      const { store, now } = context;
      const found = ownerFor(context, id);
      if (!found.ok) return found;
      const updated = updateOwner(found.value, patch, now);
      if (updated.plan !== found.value.plan && isUnknownPlan(context, updated.plan)) {
        return fail({ code: 'no_such_plan' });
      }
      const patched = patchedCredits(context, creditsOfOwner(id), wanted);
      if (!patched.ok) return patched;
      const { comesOrGoes, write } = patched.value;
      const changes = { ...ownerChanges(found.value, updated), ...patched.value.changes };
      if (Object.keys(changes).length === 0) return ok({ value: store.viewOwner(found.value, now), audit: [] });
      const written = store.owners.update(updated);
      write();
      if (updated.plan !== found.value.plan) store.limitsInUse?.changed('everything');
      return ok({
        value: store.viewOwner(written, now),
        audit: [{ action: 'owner.update', changes: { owner: id, ...changes } }],
        ...concernedBy(context, id, !comesOrGoes && sameState(ownerState(found.value), ownerState(updated))),
      });
    },
  };
}

/**
 * Deletes an owner. Its ended keys go on to name it. Fails with `owner_has_keys` while one of its keys lives, or more
 * than `DIRECT_MAX` are not revoked: it would take too long to see whether one of those lives.
 */
export function ownerDeletion(id: string): Mutation<null> {
  return {
    about: 'everything',
    run: (context) => {
      const { store, now } = context;
      const found = ownerFor(context, id);
      if (!found.ok) return found;
      // The row could be made again from a key that has ended.
      if (!store.owners.isFilled) return fail({ code: 'owners_not_filled' });
      const unrevoked = store.keys.livingOf({ kind: 'owner', value: id }, DIRECT_MAX + 1);
      const keys = unrevoked.length > DIRECT_MAX ? null : store.keys.listed(unrevoked.map(({ seq }) => seq));
      if (keys === null || keys.some((key) => !hasEnded(statusOf(key, now)))) return fail({ code: 'owner_has_keys' });
      const hadCredits = store.credits.get(creditsOfOwner(id)) !== null;
      store.owners.remove(found.value);
      store.credits.remove(creditsOfOwner(id));
      const { name } = found.value;
      return ok({
        value: null,
        audit: [{ action: 'owner.delete', changes: { owner: id, name } }],
        ...concernedBy(context, id, !hadCredits && sameState(ownerState(found.value), NO_OWNER_STATE)),
      });
    },
  };
}

/** The owner, if it exists in a version that the caller accepts. */
export function ownerFor({ store, command }: MutationContext, id: string): Result<OwnerRecord> {
  return inAcceptedVersion(store.owners.get(id), 'owner_not_found', command);
}

/** Whether an owner is to have a plan that the tenant does not have. */
function isUnknownPlan({ store }: MutationContext, plan: string | null): boolean {
  return plan !== null && store.plans.get(plan) === undefined;
}

/** What a change of an owner concerns: nothing if no verification can tell the difference, otherwise all its keys. */
function concernedBy({ store }: MutationContext, id: string, isSame: boolean) {
  if (isSame) return {};
  const concerns = store.keys.ownerChanged(id, DIRECT_MAX);
  return concerns === null ? {} : { concerns };
}
