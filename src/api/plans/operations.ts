/** Operations on plans: limits and scopes for any number of keys. */
import { BODY_BYTES, type Operation, operation, PATH_OF } from '../operation.ts';
import { changed, changedVersion, page } from '../outcomes.ts';
import { createPlanBody, listPlansQuery, planList, planResource, toPlanResource, updatePlanBody } from './schemas.ts';

const PLANS = '/v1/tenants/:tenantId/plans';
const PLAN = `${PLANS}/:planId`;

const createPlan = operation({
  id: 'plans.create',
  summary: 'Creates a plan',
  method: 'POST',
  path: PLANS,
  permission: 'plans:write',
  grows: true,
  request: { path: PATH_OF.tenant, body: createPlanBody, bodyBytesMax: BODY_BYTES.key },
  response: { status: 201, body: planResource },
  errors: ['plan_exists', 'too_many_plans'],
  run: async (context, { tenantId, body: { id, ...attributes } }) => {
    const created = await context.change(tenantId, (tenant, target, command) =>
      tenant.createPlan(target, id, attributes, command),
    );
    return changedVersion(created, (plan) => toPlanResource(tenantId, plan));
  },
});

const listPlans = operation({
  id: 'plans.list',
  summary: 'Lists plans, page by page',
  method: 'GET',
  path: PLANS,
  permission: 'plans:read',
  request: { path: PATH_OF.tenant, query: listPlansQuery },
  response: { body: planList },
  errors: ['invalid_cursor'],
  run: async (context, { tenantId, query: { limit, cursor, order } }) => {
    const list = { list: 'plans', tenantId, order, filter: {} };
    const query = { order, limit, after: await context.position(cursor, list) };
    const found = await context.read(tenantId, (tenant, target) => tenant.listPlans(target, query));
    const data = found.items.map((plan) => toPlanResource(tenantId, plan));
    return page(context, data, found, limit, list);
  },
});

const getPlan = operation({
  id: 'plans.get',
  summary: 'Reads a plan',
  method: 'GET',
  path: PLAN,
  permission: 'plans:read',
  request: { path: PATH_OF.plan },
  response: { body: planResource },
  run: async (context, { tenantId, planId }) => {
    const plan = await context.read(tenantId, (tenant, target) => tenant.getPlan(target, planId));
    return { value: toPlanResource(tenantId, plan), version: plan.version };
  },
});

const updatePlan = operation({
  id: 'plans.update',
  summary: 'Changes the given fields of a plan, for all its keys at once',
  method: 'PATCH',
  path: PLAN,
  permission: 'plans:write',
  grows: true,
  request: { path: PATH_OF.plan, body: updatePlanBody, bodyBytesMax: BODY_BYTES.key },
  response: { body: planResource },
  errors: ['precondition_failed'],
  run: async (context, { tenantId, planId, body: patch }) => {
    const updated = await context.change(tenantId, (tenant, target, command) =>
      tenant.updatePlan(target, planId, patch, command),
    );
    return changedVersion(updated, (plan) => toPlanResource(tenantId, plan));
  },
});

const deletePlan = operation({
  id: 'plans.delete',
  summary: 'Deletes a plan that no key and no owner has',
  method: 'DELETE',
  path: PLAN,
  permission: 'plans:write',
  request: { path: PATH_OF.plan },
  response: { status: 204, body: null },
  errors: ['plan_in_use', 'precondition_failed'],
  run: async (context, { tenantId, planId }) => {
    const deleted = await context.change(tenantId, (tenant, target, command) =>
      tenant.deletePlan(target, planId, command),
    );
    return changed(deleted, () => null);
  },
});

export const planOperations: readonly Operation[] = [createPlan, listPlans, getPlan, updatePlan, deletePlan];
