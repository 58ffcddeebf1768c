/** Schemas of verification. */
import * as v from 'valibot';
import { isoTime } from '../../../domain/keys/changed-attributes.ts';
import { DECISION_CODES, type Warning } from '../../../domain/keys/verification.ts';
import { closedObject } from '../../http/bounded-schemas.ts';
import type { Verification } from '../../verify/verify.ts';
import { remainingCredits } from '../credits/schemas.ts';
import { scopes, tenantId, timeOut } from '../fields.ts';
import { parseMetadata, rotationOut, toRotation } from '../keys/schemas.ts';
import { cost, limitOut, namedLimits, toLimit } from '../limits/schemas.ts';

export const verifyBody = closedObject({
  /** Any text: one that is no key string gets a code, not an error. The size limit of the body bounds it. */
  key: v.string(),
  scopes: v.exactOptional(scopes),
  tenantId: v.exactOptional(tenantId),
  /** Whether to ask the tenant's object even if the key is leased. */
  fresh: v.exactOptional(v.boolean()),
  cost: v.exactOptional(cost),
  limits: v.exactOptional(namedLimits),
});

const [VALID, ...DECIDED_REFUSALS] = DECISION_CODES;

/** In the order in which they are decided: the first refusals are of key strings for which no key is found. */
export const VERIFICATION_CODES = [VALID, 'MALFORMED', 'FORGED', 'NOT_FOUND', ...DECIDED_REFUSALS] as const;

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
});
export type VerificationResource = v.InferOutput<typeof verification>;

export function toVerificationResource(verified: Verification): VerificationResource {
  if (!('key' in verified)) return { valid: false, code: verified.code, warnings: [] };
  const { code, tenantId, key, warnings, limits, credits } = verified;
  const found = {
    valid: code === 'VALID',
    code,
    keyId: key.id,
    tenantId,
    name: key.name,
    owner: key.owner,
    ...(key.owner === null ? {} : { ownerMetadata: parseMetadata(key.ownerMetadata ?? '{}') }),
    ...(key.plan === undefined ? {} : { plan: key.plan }),
    scopes: [...key.scopes],
    metadata: parseMetadata(key.metadata),
    expiresAt: isoTime(key.expiresAt),
    ...(limits === undefined ? {} : { limits: limits.map(toLimit) }),
    ...(credits === undefined ? {} : { credits }),
    warnings: warnings.map(toWarning),
  };
  return key.replaces === null && key.replacedBy === null ? found : { ...found, rotation: toRotation(key) };
}

function toWarning(warning: Warning): VerificationResource['warnings'][number] {
  switch (warning.code) {
    case 'key_rotated':
      return {
        code: warning.code,
        message: 'This key was rotated and stops working when its grace period ends. Switch to its successor.',
        graceEndsAt: new Date(warning.graceEndsAt).toISOString(),
        replacedBy: warning.replacedBy,
      };
    case 'expiring_soon':
      return {
        code: warning.code,
        message: 'This key expires soon.',
        expiresAt: new Date(warning.expiresAt).toISOString(),
      };
  }
}
