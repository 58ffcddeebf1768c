/** Schemas of plans, and how a record becomes a resource. */
import * as v from 'valibot';
import { NO_LIMITS } from '../../../domain/limits/named-limit.ts';
import type { PlanRecord } from '../../../domain/plans/record.ts';
import { closedObject } from '../../http/bounded-schemas.ts';
import { clearable, cursor, name, order, pageLimit, pageOut, planId, scopes, timeOut } from '../fields.ts';
import { actorOut, toActor } from '../keys/schemas.ts';
import { limitFields, quotas, rateLimits, toLimitLists } from '../limits/schemas.ts';

/** What keys of the plan may do at most, as its JSON text; null for whatever their own scopes say. */
const allowedScopes = v.nullable(
  v.pipe(
    scopes,
    v.transform((list) => JSON.stringify(list)),
  ),
);

export const createPlanBody = closedObject({
  id: planId,
  name: v.optional(v.nullable(name), null),
  rateLimits: v.optional(rateLimits, []),
  quotas: v.optional(quotas, []),
  allowedScopes: v.optional(allowedScopes, null),
});

/** A field that is absent stays as it is; null clears it. */
export const updatePlanBody = closedObject({
  name: v.exactOptional(v.nullable(name)),
  rateLimits: v.exactOptional(clearable(rateLimits, NO_LIMITS)),
  quotas: v.exactOptional(clearable(quotas, NO_LIMITS)),
  allowedScopes: v.exactOptional(allowedScopes),
});

export const listPlansQuery = closedObject({ limit: pageLimit, cursor, order });

export const planResource = v.strictObject({
  id: v.string(),
  tenantId: v.string(),
  name: v.nullable(v.string()),
  ...limitFields,
  allowedScopes: v.nullable(v.array(v.string())),
  createdAt: timeOut,
  createdBy: actorOut,
  updatedAt: timeOut,
  version: v.number(),
});
export type PlanResource = v.InferOutput<typeof planResource>;

export const planList = v.strictObject({ data: v.array(planResource), page: pageOut });

export function toPlanResource(tenantId: string, plan: PlanRecord): PlanResource {
  return {
    id: plan.id,
    tenantId,
    name: plan.name,
    ...toLimitLists(plan),
    allowedScopes: plan.allowedScopes === null ? null : JSON.parse(plan.allowedScopes),
    createdAt: new Date(plan.createdAt).toISOString(),
    createdBy: toActor(plan.createdBy),
    updatedAt: new Date(plan.updatedAt).toISOString(),
    version: plan.version,
  };
}
