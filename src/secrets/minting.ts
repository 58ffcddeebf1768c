/** Minting: a new key string together with what the tenant's object keeps of it. The only place where a key string comes into being. */
import type { MintedKey } from '../../durable-objects/keys/record.ts';
import { locatorOf } from '../../durable-objects/tenants/locator.ts';
import type { Sealer } from './envelope.ts';
import type { KeySigner } from './key-signer.ts';
import { formatKeyString, newSignedBytes, parseKeyString } from './key-string.ts';

/** The key string, for the caller and nobody else, and the record's part of it. */
export type Mint = { readonly secret: string; readonly minted: MintedKey };

/** Mints a key for a tenant at `now` (ms). */
export async function mintKey(
  { signer, sealer }: { readonly signer: KeySigner; readonly sealer: Sealer },
  tenantId: string,
  prefix: string,
  now: number,
): Promise<Mint> {
  const signed = newSignedBytes(signer.currentId, await locatorOf(tenantId), now, (bytes) => {
    crypto.getRandomValues(bytes);
  });
  const mac = await signer.sign(signer.currentId, prefix, signed);
  if (mac === null) throw new Error('the current keyring entry is missing');
  const secret = formatKeyString(prefix, Uint8Array.from([...signed, ...mac.signature]));
  const parsed = parseKeyString(secret);
  if (parsed === null) throw new Error('minted a key string that does not parse');
  const envelope = await sealer.seal(parsed.bytes, { tenantId, record: parsed.id, purpose: 'key' });
  return {
    secret,
    minted: {
      id: parsed.id,
      prefix,
      lastFour: secret.slice(-4),
      digest: mac.digest,
      envelope,
      signingKeyId: signer.currentId,
      sealingKeyId: sealer.currentId,
    },
  };
}
