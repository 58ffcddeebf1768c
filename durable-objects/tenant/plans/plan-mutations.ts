/**
 * The mutations of plans. A change of a plan is one write, whatever number of keys has it, and concerns everything. So
 * whatever tells of a plan waits until changes of plans have returned, without naming them.
 */
import { limitsBreach } from '../../../domain/limits/named-limit.ts';
import { fail, ok, type Result } from '../../../domain/outcome.ts';
import {
  newPlan,
  PLANS_MAX,
  type PlanAttributes,
  type PlanPatch,
  type PlanRecord,
  planChanges,
  planValues,
  samePlanState,
  updatePlan,
} from '../../../domain/plans/record.ts';
import type { Mutation, MutationContext } from '../mutation.ts';

/** Creates a plan. Fails with `plan_exists`, with `too_many_plans`, and when its limits do not go together. */
export function planCreation(id: string, attributes: PlanAttributes): Mutation<PlanRecord> {
  return {
    about: [],
    run: ({ store, now, command }) => {
      if (store.plans.get(id) !== undefined) return fail({ code: 'plan_exists' });
      const breach = limitsBreach(attributes);
      if (breach !== null) return fail({ code: breach });
      if (store.plans.count() >= PLANS_MAX) return fail({ code: 'too_many_plans' });
      const created = store.plans.insert(newPlan(id, attributes, command.actor.id, now));
      // Revoked keys alone may name a plan that does not exist, and what they name makes no difference.
      return ok({
        value: created,
        audit: [{ action: 'plan.create', changes: { plan: id, ...planValues(attributes) } }],
      });
    },
  };
}

/** Changes attributes of a plan, for all its keys at once. Writes nothing when none differs. */
export function planUpdate(id: string, patch: PlanPatch): Mutation<PlanRecord> {
  return {
    about: [],
    run: (context) => {
      const { store, now } = context;
      const found = planFor(context, id);
      if (!found.ok) return found;
      const updated = updatePlan(found.value, patch, now);
      const breach = limitsBreach(updated);
      if (breach !== null) return fail({ code: breach });
      const changes = planChanges(found.value, updated);
      if (Object.keys(changes).length === 0) return ok({ value: found.value, audit: [] });
      store.plans.update(updated);
      const audit = [{ action: 'plan.update', changes: { plan: id, ...changes } }] as const;
      if (samePlanState(found.value, updated)) return ok({ value: updated, audit });
      store.keys.forgetHot();
      store.limitsInUse?.changed('everything');
      return ok({ value: updated, audit, concerns: 'everything' });
    },
  };
}

/** Deletes a plan. Fails with `plan_in_use` while an owner names it, or a key that is not revoked. */
export function planDeletion(id: string): Mutation<null> {
  return {
    // It tells of every key and owner that had the plan just now.
    about: 'everything',
    run: (context) => {
      const { store } = context;
      const found = planFor(context, id);
      if (!found.ok) return found;
      if (store.plans.isUsed(id)) return fail({ code: 'plan_in_use' });
      store.plans.remove(found.value);
      const audit = [{ action: 'plan.delete', changes: { plan: id, name: found.value.name } }] as const;
      return ok({ value: null, audit, concerns: 'everything' });
    },
  };
}

/** The plan, if it exists in a version that the caller accepts. */
function planFor({ store, command: { ifVersions } }: MutationContext, id: string): Result<PlanRecord> {
  const record = store.plans.get(id);
  if (record === undefined) return fail({ code: 'plan_not_found' });
  if (ifVersions !== null && !ifVersions.includes(record.version)) return fail({ code: 'precondition_failed' });
  return ok(record);
}
