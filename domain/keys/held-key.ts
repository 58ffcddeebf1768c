/**
 * The record of a key as an isolate holds it. No key string is kept: a record is used only with the matching digest.
 */
import { bytesPerCharacter, TEXT_BYTES } from '../memory/size.ts';
import type { TenantIdentity } from '../tenants/target.ts';
import type { VerifiedKey } from './record.ts';

export type HeldKey = {
  readonly tenant: TenantIdentity;
  readonly key: VerifiedKey;
  readonly digest: Uint8Array;
};

/**
 * What a held key takes beside the texts that callers choose: the record, its ids and digest, and what others keep with
 * this very record: the response (src/api/verification/operations.ts) or the principal (src/auth/management-key.ts).
 * Measured, with the caller's texts and all that the caches add: 740 with a short name and an owner only, 860 with two
 * scopes, 970 with little metadata too, 1,130 with an end and a rotation; and some 300 more once the signature cache
 * has dropped the key, with which it shares id and digest.
 */
const HELD_BYTES = 1100;

/**
 * Upper bound of what a held key takes in memory (bytes). The caller's texts count twice: they are in the record and in
 * the response. The response is one text, so a single character beyond Latin-1 doubles what all of it takes.
 */
export function heldBytes({ key: { name, owner, metadata, ownerMetadata, scopes } }: HeldKey): number {
  const chosen = [name, owner ?? '', metadata, ownerMetadata ?? ''];
  const width = Math.max(...chosen.map(bytesPerCharacter));
  let characters = 0;
  for (const { length } of chosen) characters += length;
  for (const { length } of scopes) characters += length;
  return HELD_BYTES + 2 * width * characters + scopes.length * (TEXT_BYTES + 3 * width);
}
