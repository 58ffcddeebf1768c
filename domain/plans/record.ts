/**
 * A plan: limits and scopes for any number of keys, under a name such as `free` or `pro`. A key has the plan that it
 * names, or else that of its owner. Its own limits come on top, and replace those of the plan with the same names.
 */
import type { LimitTexts } from '../limits/named-limit.ts';

/** Most plans of a tenant. */
export const PLANS_MAX = 1000;

/** The attributes of a plan that the caller chooses. */
export type PlanAttributes = {
  readonly name: string | null;
  /** What keys of the plan may do at most, JSON text of an array of scopes; null for whatever their scopes say. */
  readonly allowedScopes: string | null;
} & LimitTexts;

/** The record of a plan. All times are milliseconds since the epoch. */
export type PlanRecord = PlanAttributes & {
  /** Order within the tenant; 0 until the record is stored. */
  readonly seq: number;
  readonly id: string;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly updatedAt: number;
  readonly version: number;
};

/** A record at version 1. */
export function newPlan(id: string, attributes: PlanAttributes, by: string, now: number): PlanRecord {
  return { seq: 0, id, ...attributes, createdAt: now, createdBy: by, updatedAt: now, version: 1 };
}

/** New values of attributes. An absent field keeps its value. */
export type PlanPatch = Partial<PlanAttributes>;

/** The plan after an update. */
export function updatePlan(record: PlanRecord, patch: PlanPatch, now: number): PlanRecord {
  return { ...record, ...patch, updatedAt: now, version: record.version + 1 };
}

/** What verifications of keys depend on, of their plan. */
export type PlanState = Pick<PlanRecord, 'id' | 'allowedScopes'> & LimitTexts;

/** Whether verifications give the same results by either of two states of a plan. */
export function samePlanState(a: PlanState, b: PlanState): boolean {
  return a.rateLimits === b.rateLimits && a.quotas === b.quotas && a.allowedScopes === b.allowedScopes;
}

/** Old and new value of each attribute that differs, as the audit entry records it; empty when none does. */
export function planChanges(before: PlanAttributes, after: PlanAttributes): Record<string, unknown> {
  const changes: Record<string, unknown> = {};
  const [from, to] = [planValues(before), planValues(after)];
  for (const field of ['name', 'rateLimits', 'quotas', 'allowedScopes'] as const) {
    if (before[field] !== after[field]) changes[field] = { from: from[field], to: to[field] };
  }
  return changes;
}

/** The attributes as the audit log shows them. */
export function planValues({ name, rateLimits, quotas, allowedScopes }: PlanAttributes) {
  return {
    name,
    rateLimits: JSON.parse(rateLimits),
    quotas: JSON.parse(quotas),
    allowedScopes: allowedScopes === null ? null : JSON.parse(allowedScopes),
  };
}
