/**
 * Schemas of leases that are passed on to clients: programs that keep records of keys and verify by themselves, as an
 * isolate of the Worker does (domain/leases/holder.ts).
 */
import * as v from 'valibot';
import { CELLS_OF_RENEWAL_MAX, TENANTS_OF_RENEWAL_MAX, USE_AGO_MS_MAX } from '../../../domain/leases/client-bounds.ts';
import { USES_OF_CALL_MAX } from '../../../domain/leases/unreported-uses.ts';
import { USAGE_CODES } from '../../../domain/usage/tally.ts';
import { boundedArray, closedObject } from '../../http/bounded-schemas.ts';
import { line } from '../../http/line.ts';
import { keyId, ownerId, planId, tenantId, wholeNumber } from '../fields.ts';

const count = wholeNumber(0, Number.MAX_SAFE_INTEGER);

/** How far a client knows the changes of a tenant. */
const known = closedObject({ epoch: line(100), seq: count });

/**
 * `rules`: the version of the rules by which the client decides. It gets no record that these do not suffice for.
 */
export const leaseRequest = closedObject({ rules: v.literal(1), known: v.nullable(known) });

/** A key as clients decide by it. */
const heldKey = v.strictObject({
  id: v.string(),
  name: v.string(),
  owner: v.nullable(v.string()),
  scopes: v.array(v.string()),
  metadata: v.string(),
  enabled: v.boolean(),
  createdAt: v.number(),
  expiresAt: v.nullable(v.number()),
  revokedAt: v.nullable(v.number()),
  replaces: v.nullable(v.string()),
  replacedBy: v.nullable(v.string()),
  rotatedAt: v.nullable(v.number()),
  graceEndsAt: v.nullable(v.number()),
  ownerDisabled: v.exactOptional(v.literal(true)),
  ownerMetadata: v.exactOptional(v.string()),
  plan: v.exactOptional(v.string()),
  allowedScopes: v.exactOptional(v.array(v.string())),
});

export const leaseOut = v.strictObject({
  epoch: v.string(),
  seq: v.number(),
  from: v.number(),
  changed: v.array(v.string()),
  leaseMs: v.number(),
  now: v.number(),
  record: v.nullable(
    v.strictObject({
      tenant: v.strictObject({ id: v.string(), incarnation: v.string(), createdAt: v.number() }),
      key: heldKey,
    }),
  ),
});
export type LeaseResource = v.InferOutput<typeof leaseOut>;

const use = closedObject({ keyId, agoMs: wholeNumber(0, USE_AGO_MS_MAX) });

const cell = closedObject({
  keyId,
  owner: v.nullable(ownerId),
  plan: v.nullable(planId),
  tally: boundedArray(count, USAGE_CODES.length + 1, USAGE_CODES.length + 1, 'counts'),
});

/** What a client has verified itself since its last report (domain/usage/reports.ts). */
const usageReport = closedObject({
  holder: line(64),
  number: wholeNumber(1, Number.MAX_SAFE_INTEGER),
  incarnation: line(64),
  cells: boundedArray(cell, 1, CELLS_OF_RENEWAL_MAX, 'keys'),
});

const renewal = closedObject({
  tenantId,
  known: v.nullable(known),
  uses: v.exactOptional(boundedArray(use, 0, USES_OF_CALL_MAX, 'uses')),
  usage: v.exactOptional(usageReport),
});
export type RenewalRequest = v.InferOutput<typeof renewal>;

export const renewalBody = closedObject({
  rules: v.literal(1),
  tenants: boundedArray(renewal, 1, TENANTS_OF_RENEWAL_MAX, 'tenants'),
});

export const renewals = v.strictObject({
  tenants: v.array(
    v.strictObject({
      tenantId: v.string(),
      lease: v.nullable(leaseOut),
      /** Number of the report that was taken. */
      reported: v.nullable(v.number()),
    }),
  ),
});
export type RenewalResource = v.InferOutput<typeof renewals>['tenants'][number];
