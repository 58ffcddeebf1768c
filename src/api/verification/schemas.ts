/** Schemas of verification. */
import * as v from 'valibot';
import { DECISION_CODES } from '../../../domain/keys/verification.ts';
import { UNFOUND_CODES } from '../../../domain/keys/verification-answer.ts';
import { closedObject } from '../../http/bounded-schemas.ts';
import { remainingCredits } from '../credits/schemas.ts';
import { scopes, tenantId, timeOut } from '../fields.ts';
import { rotationOut } from '../keys/schemas.ts';
import { leaseOut, leaseRequest } from '../leases/schemas.ts';
import { cost, limitOut, namedLimits } from '../limits/schemas.ts';

export const verifyBody = closedObject({
  /** Any text: one that is no key string gets a code, not an error. The size limit of the body bounds it. */
  key: v.string(),
  scopes: v.exactOptional(scopes),
  tenantId: v.exactOptional(tenantId),
  /** Whether to ask the tenant's object even if the key is leased. */
  fresh: v.exactOptional(v.boolean()),
  cost: v.exactOptional(cost),
  limits: v.exactOptional(namedLimits),
  /** From a program that verifies by leases of its own: what it knows of the tenant, for an answer with a lease. */
  lease: v.exactOptional(leaseRequest),
});

const [VALID, ...DECIDED_REFUSALS] = DECISION_CODES;

/** In the order in which they are decided: the first refusals are of key strings for which no key is found. */
export const VERIFICATION_CODES = [VALID, ...UNFOUND_CODES, ...DECIDED_REFUSALS] as const;

const warningOut = v.variant('code', [
  v.strictObject({
    code: v.literal('key_rotated'),
    message: v.string(),
    graceEndsAt: timeOut,
    replacedBy: v.nullable(v.string()),
  }),
  v.strictObject({ code: v.literal('expiring_soon'), message: v.string(), expiresAt: timeOut }),
]);

export const verification = v.strictObject({
  valid: v.boolean(),
  code: v.picklist(VERIFICATION_CODES),
  keyId: v.exactOptional(v.string()),
  tenantId: v.exactOptional(v.string()),
  name: v.exactOptional(v.string()),
  owner: v.exactOptional(v.nullable(v.string())),
  /** Of keys that have an owner. */
  ownerMetadata: v.exactOptional(v.record(v.string(), v.unknown())),
  /** Of keys that have a plan, or whose owner has. */
  plan: v.exactOptional(v.string()),
  scopes: v.exactOptional(v.array(v.string())),
  metadata: v.exactOptional(v.record(v.string(), v.unknown())),
  expiresAt: v.exactOptional(v.nullable(timeOut)),
  rotation: v.exactOptional(rotationOut),
  /** Of keys with limits, when these were asked: those that applied. */
  limits: v.exactOptional(v.array(limitOut)),
  /** Of keys that draw on credits, their own or those of the owner, when these were asked. */
  credits: v.exactOptional(remainingCredits),
  warnings: v.array(warningOut),
  /** When it was asked for. */
  lease: v.exactOptional(v.nullable(leaseOut)),
});
