import { describe, expect, it } from 'vitest';
import { formatKeyString, newSignedBytes, parseKeyString } from '../../domain/key-string/key-string.ts';
import { locatorOf } from '../../domain/tenants/locator.ts';
import { KeySigner } from '../../src/crypto/key-signer.ts';
import { base64Secret, hexOf, ringOf } from './rings.ts';

const [A, B] = [base64Secret(1), base64Secret(2)];
const signer = new KeySigner(ringOf(`1:${A},2:${B}`));
const entropy = (bytes: Uint8Array) => bytes.fill(7);
const bytesFor = async (tenantId: string, entry = 1) => newSignedBytes(entry, await locatorOf(tenantId), 1e12, entropy);

async function macOf(by: KeySigner, entry: number, prefix: string, signed: Uint8Array) {
  const mac = await by.sign(entry, prefix, signed);
  if (mac === null) throw new Error('the keyring does not have the entry');
  return { signature: hexOf(mac.signature), digest: hexOf(mac.digest) };
}

describe('signature and digest', () => {
  it('are the two parts of one HMAC: 96 bits for the key string, 160 for storage', async () => {
    const { signature, digest } = await macOf(signer, 1, 'ks', await bytesFor('acme'));
    expect([signature.length, digest.length]).toEqual([24, 40]);
    expect(await macOf(signer, 1, 'ks', await bytesFor('acme'))).toEqual({ signature, digest });
  });

  it('differ for another tenant, prefix, keyring entry, secret or byte, all else being equal', async () => {
    const signed = await bytesFor('acme');
    const other = Uint8Array.from(signed, (byte, i) => (i === signed.length - 1 ? byte ^ 1 : byte));
    const macs = await Promise.all([
      macOf(signer, 1, 'ks', signed),
      macOf(signer, 1, 'ks', await bytesFor('globex')),
      macOf(signer, 1, 'kt', signed),
      macOf(signer, 1, 'ks_live', signed),
      macOf(signer, 1, 'ks', other),
      macOf(signer, 2, 'ks', signed),
      macOf(new KeySigner(ringOf(base64Secret(3))), 1, 'ks', signed),
    ]);
    expect(new Set(macs.map((mac) => mac.digest))).toHaveLength(macs.length);
    expect(new Set(macs.map((mac) => mac.signature))).toHaveLength(macs.length);
  });

  it('depend on where the prefix ends: a byte moved to the other side gives another signature', async () => {
    const signed = await bytesFor('acme');
    const moved = Uint8Array.from([...new TextEncoder().encode('s'), ...signed]);
    expect(await macOf(signer, 1, 'k', moved)).not.toEqual(await macOf(signer, 1, 'ks', signed));
  });

  it('depend on a secret: the digest is not in the key string and cannot be computed from it', async () => {
    const signed = await bytesFor('acme');
    const mac = await signer.sign(1, 'ks', signed);
    if (mac === null) throw new Error('the keyring does not have the entry');
    const bytes = Uint8Array.from([...signed, ...mac.signature]);
    const text = formatKeyString('ks', bytes);
    const sha256 = async (input: Uint8Array) => hexOf(new Uint8Array(await crypto.subtle.digest('SHA-256', input)));
    const utf8 = (content: string) => new TextEncoder().encode(content);
    const derivable = [
      hexOf(bytes),
      ...(await Promise.all([bytes, signed, utf8(text), utf8(`ks\0${text}`), mac.signature].map(sha256))),
    ].join();
    const digest = hexOf(mac.digest);
    for (let at = 0; at + 8 <= digest.length; at += 2) expect(derivable).not.toContain(digest.slice(at, at + 8));
    // Another secret gives another digest of the same bytes.
    const stranger = await macOf(new KeySigner(ringOf(`1:${B}`)), 1, 'ks', signed);
    expect(stranger.digest).not.toBe(digest);
  });
});

describe('the keyring behind signatures', () => {
  it('signs with its first entry and verifies with every entry', async () => {
    expect(signer.currentId).toBe(1);
    for (const entry of [1, 2]) {
      const signed = await bytesFor('acme', entry);
      const mac = await signer.sign(entry, 'ks', signed);
      const parsed = parseKeyString(formatKeyString('ks', Uint8Array.from([...signed, ...(mac?.signature ?? [])])));
      if (parsed === null) throw new Error('does not parse');
      expect(await signer.verify(parsed)).toEqual(mac?.digest);
    }
  });

  it('neither signs nor verifies with an entry that is missing', async () => {
    const signed = await bytesFor('acme', 2);
    const mac = await signer.sign(2, 'ks', signed);
    const parsed = parseKeyString(formatKeyString('ks', Uint8Array.from([...signed, ...(mac?.signature ?? [])])));
    if (parsed === null) throw new Error('does not parse');
    const without = new KeySigner(ringOf(`1:${A}`));
    expect(await without.sign(2, 'ks', signed)).toBeNull();
    expect(await without.verify(parsed)).toBeNull();
  });
});
