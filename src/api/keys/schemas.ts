/** Schemas of keys, and how a record becomes a resource. */
import * as v from 'valibot';
import { actorOf } from '../../../domain/command.ts';
import { isoTime } from '../../../domain/keys/changed-attributes.ts';
import {
  type CreatedKey,
  KEY_STATUSES,
  type KeyStatus,
  type KeyView,
  type VerifiedKey,
} from '../../../domain/keys/record.ts';
import { newCredits as firstCredits } from '../../../domain/limits/credits.ts';
import { type LimitTexts, NO_LIMITS } from '../../../domain/limits/named-limit.ts';
import { type ListedKeysJson, type ListedKeyView, OFFSET_REACH } from '../../../durable-objects/tenant/keys/list.ts';
import { boundedArray, closedObject, listBody } from '../../http/bounded-schemas.ts';
import { line } from '../../http/line.ts';
import { creditsOut, creditsPatch, newCredits, toCredits } from '../credits/schemas.ts';
import {
  clearable,
  cursor,
  gracePeriodSeconds,
  keyId,
  keyPrefix,
  metadata,
  name,
  order,
  ownerId as owner,
  pageLimit,
  pageOut,
  planId,
  scopes,
  time,
  timeOut,
} from '../fields.ts';
import { limitFields, quotas, rateLimits, toLimitLists } from '../limits/schemas.ts';

export const createKeyBody = closedObject({
  name,
  prefix: v.exactOptional(keyPrefix),
  owner: v.optional(v.nullable(owner), null),
  scopes: v.optional(scopes, []),
  metadata: v.optional(metadata, {}),
  expiresAt: v.optional(v.nullable(time), null),
  enabled: v.optional(v.boolean(), true),
  plan: v.optional(v.nullable(planId), null),
  rateLimits: v.optional(rateLimits, []),
  quotas: v.optional(quotas, []),
  credits: v.optional(newCredits, null),
});

/** Most keys in one bulk request, since they are all created or revoked in one transaction. */
export const BULK_MAX = 500;

export const createKeysBody = listBody('keys', createKeyBody, BULK_MAX, 'keys');

/** A key as the caller wants it. */
export type WantedKey = v.InferOutput<typeof createKeyBody>;

export const revokeKeysBody = v.union(
  [closedObject({ ids: boundedArray(keyId, 1, BULK_MAX, 'ids') }), closedObject({ owner })],
  'must have either ids or owner',
);

/** A field that is absent stays as it is; null clears it. */
export const updateKeyBody = closedObject({
  name: v.exactOptional(name),
  owner: v.exactOptional(v.nullable(owner)),
  scopes: v.exactOptional(clearable(scopes, [])),
  metadata: v.exactOptional(clearable(metadata, '{}')),
  expiresAt: v.exactOptional(v.nullable(time)),
  enabled: v.exactOptional(v.boolean()),
  plan: v.exactOptional(v.nullable(planId)),
  rateLimits: v.exactOptional(clearable(rateLimits, NO_LIMITS)),
  quotas: v.exactOptional(clearable(quotas, NO_LIMITS)),
  credits: v.exactOptional(creditsPatch),
});

export const rotateKeyBody = v.optional(
  closedObject({
    gracePeriodSeconds: v.exactOptional(gracePeriodSeconds),
    name: v.exactOptional(name),
    scopes: v.exactOptional(clearable(scopes, [])),
    metadata: v.exactOptional(clearable(metadata, '{}')),
    expiresAt: v.exactOptional(v.nullable(time)),
    plan: v.exactOptional(v.nullable(planId)),
    rateLimits: v.exactOptional(clearable(rateLimits, NO_LIMITS)),
    quotas: v.exactOptional(clearable(quotas, NO_LIMITS)),
  }),
  {},
);

export const revokeKeyBody = v.optional(
  closedObject({
    reason: v.optional(v.nullable(line(500)), null),
    lineage: v.optional(v.boolean(), false),
  }),
  {},
);

const STATUSES_LENGTH_MAX = KEY_STATUSES.join().length;

/**
 * The statuses that a listed key may have. The output has a fixed order, so that a cursor fits when the next request
 * names the same statuses in another order.
 */
export const statuses = v.pipe(
  v.custom<string>(
    (text) => typeof text === 'string' && text.length <= STATUSES_LENGTH_MAX && statusesIn(text) !== null,
    `must be one or more of ${KEY_STATUSES.join(', ')}, each once, with commas between`,
  ),
  v.metadata({ type: 'array', items: { type: 'string', enum: KEY_STATUSES }, minItems: 1, uniqueItems: true }),
  v.transform((text) => statusesIn(text) ?? []),
);

/** The statuses in a text; null unless it consists of statuses, each once. */
function statusesIn(text: string): KeyStatus[] | null {
  const parts = text.split(',');
  const found = KEY_STATUSES.filter((status) => parts.includes(status));
  return found.length === parts.length ? found : null;
}

const listKeysParameters = closedObject({
  limit: pageLimit,
  cursor,
  offset: v.exactOptional(
    v.pipe(
      v.string(),
      v.regex(/^(?:0|[1-9][0-9]{0,4})$/, `must be a whole number below ${OFFSET_REACH}; use a cursor to go further`),
      v.metadata({ type: 'integer', minimum: 0, maximum: OFFSET_REACH - 1 }),
      v.transform(Number),
    ),
  ),
  order,
  status: v.exactOptional(statuses),
  owner: v.exactOptional(owner),
  prefix: v.exactOptional(line(50)),
  name: v.exactOptional(name),
  search: v.exactOptional(name),
  expiresBefore: v.exactOptional(time),
});

export const listKeysQuery = v.pipe(
  listKeysParameters,
  v.check(({ cursor: after, offset }) => after === undefined || offset === undefined, 'give either cursor or offset'),
  v.check(
    ({ limit, offset = 0 }) => offset + limit <= OFFSET_REACH,
    `offset and limit together reach the first ${OFFSET_REACH} keys; use a cursor to go further`,
  ),
);

export const rotationOut = v.strictObject({
  replaces: v.nullable(v.string()),
  replacedBy: v.nullable(v.string()),
  rotatedAt: v.nullable(timeOut),
  graceEndsAt: v.nullable(timeOut),
});

/** Who did something; null when that was not recorded yet, or nobody has done it. */
export const actorOut = v.nullable(
  v.strictObject({ type: v.picklist(['admin_token', 'management_key', 'system']), id: v.string() }),
);

/** The lifecycle of a key: the same fields for customers' keys and management keys. */
export const lifecycleFields = {
  createdAt: timeOut,
  createdBy: actorOut,
  updatedAt: timeOut,
  expiresAt: v.nullable(timeOut),
  revokedAt: v.nullable(timeOut),
  revokedBy: actorOut,
  lastUsedAt: v.nullable(timeOut),
  version: v.number(),
  rotation: rotationOut,
};

const keyFields = {
  id: v.string(),
  tenantId: v.string(),
  name: v.string(),
  prefix: v.string(),
  hint: v.string(),
  /** Whether it was issued elsewhere. */
  imported: v.boolean(),
  owner: v.nullable(v.string()),
  scopes: v.array(v.string()),
  metadata: v.record(v.string(), v.unknown()),
  status: v.picklist(KEY_STATUSES),
  enabled: v.boolean(),
  plan: v.nullable(v.string()),
  ...limitFields,
  credits: creditsOut,
  ...lifecycleFields,
};
export const keyResource = v.strictObject(keyFields);
export type KeyResource = v.InferOutput<typeof keyResource>;

/** The response to a creation, and a part of the response to a rotation. */
export const keyWithSecret = v.strictObject({ ...keyFields, secret: v.string() });
export type KeyWithSecret = v.InferOutput<typeof keyWithSecret>;

export const rotationResult = v.strictObject({ key: keyWithSecret, rotated: keyResource });

export const keyList = v.strictObject({ data: v.array(keyResource), page: pageOut });
export const keyListByOffset = v.strictObject({
  data: v.array(keyResource),
  page: v.strictObject({
    limit: v.number(),
    offset: v.number(),
    total: v.number(),
    /** Whether there are exactly `total` matches; otherwise there are at least so many. */
    totalIsExact: v.boolean(),
    hasMore: v.boolean(),
  }),
});
/** A page of keys: by cursor, or by offset where the request gives one. */
export const listedKeys = v.union([keyList, keyListByOffset]);

export const keyCounts = v.strictObject({
  ...v.entriesFromList(KEY_STATUSES, v.number()),
  total: v.number(),
  /** Whether every number is exact at this moment. */
  exact: v.boolean(),
});
export const bulkKeys = v.strictObject({ data: v.array(keyWithSecret) });
export const revocationCount = v.strictObject({ revoked: v.number() });
export const revealedKey = v.strictObject({ secret: v.string() });

/** The fields of a record that a resource shows. */
type ShownKey = Omit<KeyView, 'seq' | 'lineage' | 'signingKeyId' | 'sealingKeyId' | 'metadata'> &
  Pick<KeyView | ListedKeyView, 'metadata'>;

export function toKeyResource(tenantId: string, key: ShownKey): KeyResource {
  return {
    id: key.id,
    tenantId,
    name: key.name,
    prefix: key.prefix,
    hint: hintOf(key),
    // A result that an earlier version kept has none.
    imported: typeof key.hint === 'string',
    owner: key.owner,
    scopes: [...key.scopes],
    metadata: typeof key.metadata === 'string' ? parseMetadata(key.metadata) : key.metadata,
    status: key.status,
    enabled: key.enabled,
    // A result that an earlier version kept has none.
    plan: key.plan ?? null,
    ...toLimitLists(key),
    credits: toCredits(key.credits),
    ...toLifecycle(key),
  };
}

/** What people recognise a key by: its prefix and last four characters, or what its import said. */
export function hintOf({ hint, prefix, lastFour }: Pick<KeyView, 'hint' | 'prefix' | 'lastFour'>): string {
  return hint ?? `${prefix}_...${lastFour}`;
}

/**
 * The resource of a key that was just created, with its key string. The object returns only what the caller does not
 * know yet; the rest comes from the request.
 */
export function toKeyWithSecret(
  tenantId: string,
  { prefix: _wanted, credits: wanted, ...attributes }: WantedKey,
  { id, prefix, lastFour, createdAt, createdBy }: CreatedKey,
  secret: string,
): KeyWithSecret {
  const created = { id, prefix, lastFour, hint: null, createdAt, createdBy, updatedAt: createdAt, version: 1 };
  const status = attributes.enabled ? 'active' : 'disabled';
  const credits = wanted && firstCredits(wanted.remaining, wanted.refill, createdAt);
  return { ...toKeyResource(tenantId, { ...attributes, ...created, credits, status, ...UNTOUCHED }), secret };
}

/** The fields of a key that was neither used, rotated nor revoked yet. */
export const UNTOUCHED = {
  revokedAt: null,
  revokedBy: null,
  lastUsedAt: null,
  replaces: null,
  replacedBy: null,
  rotatedAt: null,
  graceEndsAt: null,
} as const;

export function toLifecycle(key: Omit<ShownKey, 'metadata' | 'plan' | 'credits' | keyof LimitTexts>) {
  return {
    createdAt: new Date(key.createdAt).toISOString(),
    createdBy: toActor(key.createdBy),
    updatedAt: new Date(key.updatedAt).toISOString(),
    expiresAt: isoTime(key.expiresAt),
    revokedAt: isoTime(key.revokedAt),
    revokedBy: toActor(key.revokedBy),
    lastUsedAt: isoTime(key.lastUsedAt),
    version: key.version,
    rotation: toRotation(key),
  };
}

/** A result that an earlier version kept may lack the field, since that version did not record actors. */
export function toActor(id: string | null | undefined): v.InferOutput<typeof actorOut> {
  return id === null || id === undefined ? null : actorOf(id);
}

export function toRotation(key: Omit<VerifiedKey, 'metadata'>): v.InferOutput<typeof rotationOut> {
  return {
    replaces: key.replaces,
    replacedBy: key.replacedBy,
    rotatedAt: isoTime(key.rotatedAt),
    graceEndsAt: isoTime(key.graceEndsAt),
  };
}

/** Parses the JSON text in which the object lists keys. */
export function parseListed(text: ListedKeysJson): readonly ListedKeyView[] {
  return JSON.parse(text);
}

/** Parses metadata as the object keeps it: the JSON text that `metadata` in src/api/fields.ts wrote. */
export function parseMetadata(text: string): Record<string, unknown> {
  return JSON.parse(text);
}
