/** Schemas of owners, and how a record becomes a resource. */
import * as v from 'valibot';
import { parseMetadata } from '../../../domain/keys/verification-answer.ts';
import type { OwnerView } from '../../../domain/owners/record.ts';
import { closedObject } from '../../http/bounded-schemas.ts';
import { creditsOut, creditsPatch, newCredits, toCredits } from '../credits/schemas.ts';
import { clearable, cursor, metadata, name, order, ownerId, pageLimit, pageOut, planId, timeOut } from '../fields.ts';
import { actorOut, toActor } from '../keys/schemas.ts';

export const createOwnerBody = closedObject({
  id: ownerId,
  name: v.optional(v.nullable(name), null),
  metadata: v.optional(metadata, {}),
  enabled: v.optional(v.boolean(), true),
  plan: v.optional(v.nullable(planId), null),
  credits: v.optional(newCredits, null),
});

/** A field that is absent stays as it is; null clears it. */
export const updateOwnerBody = closedObject({
  name: v.exactOptional(v.nullable(name)),
  metadata: v.exactOptional(clearable(metadata, '{}')),
  enabled: v.exactOptional(v.boolean()),
  plan: v.exactOptional(v.nullable(planId)),
  credits: v.exactOptional(creditsPatch),
});

const trueOrFalse = v.pipe(
  v.picklist(['true', 'false']),
  v.metadata({ type: 'boolean' }),
  v.transform((text) => text === 'true'),
);

export const listOwnersQuery = closedObject({
  limit: pageLimit,
  cursor,
  order,
  enabled: v.exactOptional(trueOrFalse),
  search: v.exactOptional(ownerId),
});

export const ownerResource = v.strictObject({
  id: v.string(),
  tenantId: v.string(),
  name: v.nullable(v.string()),
  metadata: v.record(v.string(), v.unknown()),
  enabled: v.boolean(),
  plan: v.nullable(v.string()),
  credits: creditsOut,
  createdAt: timeOut,
  createdBy: actorOut,
  updatedAt: timeOut,
  version: v.number(),
});
export type OwnerResource = v.InferOutput<typeof ownerResource>;

export const ownerList = v.strictObject({ data: v.array(ownerResource), page: pageOut });

export function toOwnerResource(tenantId: string, owner: OwnerView): OwnerResource {
  return {
    id: owner.id,
    tenantId,
    name: owner.name,
    metadata: parseMetadata(owner.metadata),
    enabled: owner.enabled,
    // A result that an earlier version kept has none.
    plan: owner.plan ?? null,
    credits: toCredits(owner.credits),
    createdAt: new Date(owner.createdAt).toISOString(),
    createdBy: toActor(owner.createdBy),
    updatedAt: new Date(owner.updatedAt).toISOString(),
    version: owner.version,
  };
}
