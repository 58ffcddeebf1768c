/**
 * An owner: a customer of the tenant. Its id is the text that keys have as `owner`. The record comes into being with
 * the first key that names it, and says what holds for all keys of the owner together.
 */

import type { Credits } from '../limits/credits.ts';

/** The attributes of an owner that the caller chooses. */
export type OwnerAttributes = {
  readonly name: string | null;
  /** JSON text of an object. The tenant's object never parses it. */
  readonly metadata: string;
  /** While it is false, no key of the owner is valid. */
  readonly enabled: boolean;
  /** The plan of its keys that name none. */
  readonly plan: string | null;
};

/** The record of an owner. All times are milliseconds since the epoch. */
export type OwnerRecord = OwnerAttributes & {
  /** Order within the tenant; 0 until the record is stored. */
  readonly seq: number;
  readonly id: string;
  readonly createdAt: number;
  /** Id of the actor who created the owner, or its first key; null when that was not recorded. */
  readonly createdBy: string | null;
  readonly updatedAt: number;
  readonly version: number;
};

/** A record as a caller may see it, with its credits, refilled as of the time of reading; null when it has none. */
export type OwnerView = OwnerRecord & { readonly credits: Credits | null };

/** The attributes of an owner of which no more is known than that it has keys. */
const UNDESCRIBED: OwnerAttributes = { name: null, metadata: '{}', enabled: true, plan: null };

/** A record at version 1. */
export function newOwner(
  id: string,
  attributes: Partial<OwnerAttributes>,
  by: string | null,
  now: number,
): OwnerRecord {
  const times = { createdAt: now, updatedAt: now };
  return { seq: 0, id, ...UNDESCRIBED, ...attributes, createdBy: by, ...times, version: 1 };
}

/** New values of attributes. An absent field keeps its value. */
export type OwnerPatch = Partial<OwnerAttributes>;

/** The owner after an update. */
export function updateOwner(record: OwnerRecord, patch: OwnerPatch, now: number): OwnerRecord {
  return { ...record, ...patch, updatedAt: now, version: record.version + 1 };
}

/**
 * Old and new value of each attribute that differs, as the audit entry records it; empty when none does. Metadata is
 * the caller's own data and may be large, so the entry says only that it changed.
 */
export function ownerChanges(before: OwnerAttributes, after: OwnerAttributes): Record<string, unknown> {
  const changes: Record<string, unknown> = {};
  for (const field of ['name', 'enabled', 'plan'] as const) {
    if (before[field] !== after[field]) changes[field] = { from: before[field], to: after[field] };
  }
  if (before.metadata !== after.metadata) changes.metadata = 'changed';
  return changes;
}

/**
 * What a verification needs to know of the owner of a key. A field is absent when it would say nothing: the owner is
 * enabled, it has no metadata, no plan, or the key has no owner.
 */
export type OwnerState = {
  readonly ownerDisabled?: true;
  readonly ownerMetadata?: string;
  readonly ownerPlan?: string;
};

/** The state of no owner, or of one of which no more is known than that it has keys. */
export const NO_OWNER_STATE: OwnerState = {};

/** The part of an owner's record that verifications of its keys depend on. */
export function ownerState({ enabled, metadata, plan }: Omit<OwnerAttributes, 'name'>): OwnerState {
  return {
    ...(enabled ? {} : { ownerDisabled: true }),
    ...(metadata === UNDESCRIBED.metadata ? {} : { ownerMetadata: metadata }),
    ...(plan === null ? {} : { ownerPlan: plan }),
  };
}

/** Whether verifications of an owner's keys give the same results by either of two states. */
export function sameState(a: OwnerState, b: OwnerState): boolean {
  return a.ownerDisabled === b.ownerDisabled && a.ownerMetadata === b.ownerMetadata && a.ownerPlan === b.ownerPlan;
}
