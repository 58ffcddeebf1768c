/**
 * The record of a key as an isolate holds it. No key string is kept: a record is used only with the matching digest.
 */
import { type HeldLimits, heldLimits } from '../limits/held-limits.ts';
import { bytesPerCharacter, TEXT_BYTES } from '../memory/size.ts';
import type { TenantIdentity } from '../tenants/target.ts';
import type { VerifiedKey } from './record.ts';

export type HeldKey = {
  readonly tenant: TenantIdentity;
  readonly key: VerifiedKey;
  readonly digest: Uint8Array;
  /** Null for a key without limits. */
  readonly limits: HeldLimits | null;
};

/** The record of a key that its object has just told. */
export function heldKey(tenant: TenantIdentity, key: VerifiedKey, digest: Uint8Array): HeldKey {
  return { tenant, key, digest, limits: key.limits === undefined ? null : heldLimits(key.limits) };
}

/**
 * What a held key takes beside the texts that callers choose: the record, its ids and digest, and what others keep with
 * this very record: the response (src/api/verification/operations.ts) or the principal (src/auth/management-key.ts).
 * Measured, with the caller's texts and all that the caches add: 740 with a short name and an owner only, 860 with two
 * scopes, 970 with little metadata too, 1,130 with an end and a rotation; and some 300 more once the signature cache
 * has dropped the key, with which it shares id and digest.
 */
const HELD_BYTES = 1100;

/** What a held limit takes beside the name of its counter: thrice, with the charge and the name of its budget. */
const LIMIT_BYTES = 900;

/**
 * Upper bound of what a held key takes in memory (bytes). The caller's texts count twice: they are in the record and in
 * the response. The response is one text, so a single character beyond Latin-1 doubles what all of it takes.
 */
export function heldBytes({ key }: HeldKey): number {
  const { name, owner, metadata, ownerMetadata, plan, allowedScopes } = key;
  const scopes = allowedScopes === undefined ? key.scopes : [...key.scopes, ...allowedScopes];
  const chosen = [name, owner ?? '', metadata, ownerMetadata ?? '', plan ?? ''];
  const width = Math.max(...chosen.map(bytesPerCharacter));
  let characters = 0;
  for (const { length } of chosen) characters += length;
  for (const { length } of scopes) characters += length;
  const limits = key.limits ?? [];
  for (const { counter } of limits) characters += counter.length;
  return HELD_BYTES + 2 * width * characters + scopes.length * (TEXT_BYTES + 3 * width) + limits.length * LIMIT_BYTES;
}
