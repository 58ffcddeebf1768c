/** Minting: makes a new key string, and what the tenant's object keeps of it. Nothing else makes key strings. */

import { formatKeyString, KeyString, newSignedBytes } from '../../domain/key-string/key-string.ts';
import type { MintedKey } from '../../domain/keys/record.ts';
import type { Sealer } from './envelope.ts';
import type { KeySigner } from './key-signer.ts';

/** A new key: its key string, which only the caller gets, and what the object stores. */
export type Mint = { readonly secret: string; readonly minted: MintedKey };

/** Mints a key at `now` (ms) for a tenant that lives at `locator`. */
export async function mintKey(
  { signer, sealer }: { readonly signer: KeySigner; readonly sealer: Sealer },
  tenantId: string,
  locator: Uint8Array,
  prefix: string,
  now: number,
): Promise<Mint> {
  const signed = newSignedBytes(signer.currentId, locator, now, (bytes) => {
    crypto.getRandomValues(bytes);
  });
  const mac = await signer.sign(signer.currentId, prefix, signed);
  if (mac === null) throw new Error('the keyring lacks its current entry');
  const bytes = new Uint8Array(signed.length + mac.signature.length);
  bytes.set(signed);
  bytes.set(mac.signature, signed.length);
  const secret = formatKeyString(prefix, bytes);
  const { id } = new KeyString(prefix, bytes);
  const envelope = await sealer.seal(bytes, { tenantId, record: id, purpose: 'key' });
  return {
    secret,
    minted: {
      id,
      prefix,
      lastFour: secret.slice(-4),
      digest: mac.digest,
      envelope,
      signingKeyId: signer.currentId,
      sealingKeyId: sealer.currentId,
    },
  };
}
