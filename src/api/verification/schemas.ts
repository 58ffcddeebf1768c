/** Schemas of verification. */
import * as v from 'valibot';
import { isoTime } from '../../../domain/keys/changed-attributes.ts';
import type { Warning } from '../../../domain/keys/verification.ts';
import { closedObject } from '../../http/bounded-schemas.ts';
import type { Verification } from '../../verify/verify.ts';
import { scopes, tenantId, timeOut } from '../fields.ts';
import { parseMetadata, rotationOut, toRotation } from '../keys/schemas.ts';

export const verifyBody = closedObject({
  /** Any text: one that is no key string gets a code, not an error. The size limit of the body bounds it. */
  key: v.string(),
  scopes: v.exactOptional(scopes),
  tenantId: v.exactOptional(tenantId),
  /** Whether to ask the tenant's object even if the key is leased. */
  fresh: v.exactOptional(v.boolean()),
});

export const VERIFICATION_CODES = [
  'VALID',
  'MALFORMED',
  'FORGED',
  'NOT_FOUND',
  'REVOKED',
  'EXPIRED',
  'ROTATED',
  'DISABLED',
  'TENANT_DISABLED',
  'OWNER_DISABLED',
  'INSUFFICIENT_SCOPES',
] as const;

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
  scopes: v.exactOptional(v.array(v.string())),
  metadata: v.exactOptional(v.record(v.string(), v.unknown())),
  expiresAt: v.exactOptional(v.nullable(timeOut)),
  rotation: v.exactOptional(rotationOut),
  warnings: v.array(warningOut),
});
export type VerificationResource = v.InferOutput<typeof verification>;

export function toVerificationResource(verified: Verification): VerificationResource {
  if (!('key' in verified)) return { valid: false, code: verified.code, warnings: [] };
  const { code, tenantId, key, warnings } = verified;
  const found = {
    valid: code === 'VALID',
    code,
    keyId: key.id,
    tenantId,
    name: key.name,
    owner: key.owner,
    ...(key.owner === null ? {} : { ownerMetadata: parseMetadata(key.ownerMetadata ?? '{}') }),
    scopes: [...key.scopes],
    metadata: parseMetadata(key.metadata),
    expiresAt: isoTime(key.expiresAt),
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
