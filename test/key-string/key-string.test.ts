import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeNumber } from '../../domain/key-string/base62.ts';
import { crc32 } from '../../domain/key-string/crc32.ts';
import {
  formatKeyString,
  KEY_BODY_LENGTH,
  KEY_ID_PATTERN,
  parseKeyString,
} from '../../domain/key-string/key-string.ts';
import { locatorOf } from '../../domain/tenants/locator.ts';
import { Sealer } from '../../src/crypto/envelope.ts';
import { KeySigner } from '../../src/crypto/key-signer.ts';
import { mintKey } from '../../src/crypto/mint-key.ts';
import { base64Secret, hexOf, ringOf } from '../crypto/rings.ts';
import vectors from './key-string.vectors.json';

const signer = new KeySigner(ringOf(vectors.hmacSecret));
const sealer = new Sealer(ringOf(base64Secret(1)));

/** The Worker's verdict on a text before it calls an object. */
async function verdict(text: string): Promise<'MALFORMED' | 'FORGED' | 'GENUINE'> {
  const parsed = parseKeyString(text);
  if (parsed === null) return 'MALFORMED';
  return (await signer.verify(parsed)) === null ? 'FORGED' : 'GENUINE';
}

const mint = async (prefix = 'ks', now = Date.now()) =>
  (await mintKey({ signer, sealer }, 'acme', await locatorOf('acme'), prefix, now)).secret;
const withCrc = (text: string) => text + encodeNumber(crc32(text), 6);
const replaced = (text: string, at: number, by: string) => text.slice(0, at) + by + text.slice(at + 1);

const prefixPart = fc.string({ unit: fc.constantFrom(...'abcxyz019'), minLength: 1, maxLength: 5 });
const anyPrefix = fc
  .tuple(fc.constantFrom(...'akz'), fc.array(prefixPart, { minLength: 1, maxLength: 3 }))
  .map(([letter, parts]) => letter + parts.join('_'));

describe('a genuine key string', () => {
  it.each(vectors.genuine)('is parsed as it was written: $name', async (vector) => {
    const parsed = parseKeyString(vector.key);
    if (parsed === null) throw new Error('does not parse');
    expect(parsed.prefix).toBe(vector.prefix);
    expect(parsed.signingKeyId).toBe(vector.signingKeyId);
    expect(parsed.id).toBe(vector.id);
    expect(hexOf(parsed.locator)).toBe(vector.locator);
    expect(parsed.locator).toEqual(await locatorOf(vector.tenantId));
    expect(formatKeyString(parsed.prefix, parsed.bytes)).toBe(vector.key);
    const digest = await signer.verify(parsed);
    expect(digest === null ? null : hexOf(digest)).toBe(vector.digest);
  });

  it('is minted under any allowed prefix, and parsing returns all of it', async () => {
    await fc.assert(
      fc.asyncProperty(anyPrefix, async (prefix) => {
        const secret = await mint(prefix);
        expect(secret).toMatch(new RegExp(`^${prefix}_[0-9A-Za-z]{${KEY_BODY_LENGTH}}$`));
        expect(parseKeyString(secret)?.prefix).toBe(prefix);
        expect(await verdict(secret)).toBe('GENUINE');
      }),
    );
  });

  it("has a length within the contract's limit", () => {
    expect(KEY_BODY_LENGTH).toBeLessThanOrEqual(96);
  });

  it('is never minted twice, not even in the same millisecond', async () => {
    const now = Date.now();
    const secrets = await Promise.all(Array.from({ length: 200 }, () => mint('ks', now)));
    expect(new Set(secrets)).toHaveLength(200);
  });

  it('has an id that sorts by the time of creation', async () => {
    const births = [0, 1, 255, 256, 2 ** 32 - 1, 2 ** 32, Date.parse('2026-01-01'), Date.parse('2200-01-01')];
    const ids = await Promise.all(births.map(async (now) => parseKeyString(await mint('ks', now))?.id ?? ''));
    expect(ids).toEqual([...ids].sort());
    for (const id of ids) expect(id).toMatch(KEY_ID_PATTERN);
  });
});

describe('a key string that is not genuine', () => {
  it.each(vectors.refused)('is $failure: $name', async ({ key, failure }) => {
    expect(await verdict(key)).toBe(failure);
  });

  it('is MALFORMED with any one character of a genuine one replaced', async () => {
    const secret = await mint('acme_live');
    const others = [...Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)), 'é', 'İ', '\ud800', '🔑'];
    for (let at = 0; at < secret.length; at++) {
      for (const other of others) {
        if (other === secret[at]) continue;
        if (parseKeyString(replaced(secret, at, other)) !== null) expect.fail(`character ${at} as ${other}`);
      }
    }
  });

  it('is MALFORMED with a character dropped, doubled or inserted anywhere', async () => {
    const secret = await mint('acme_live');
    for (let at = 0; at <= secret.length; at++) {
      const [before, after] = [secret.slice(0, at), secret.slice(at)];
      for (const text of [before + after.slice(1), before + secret.charAt(at) + after, `${before}0${after}`]) {
        if (text !== secret && parseKeyString(text) !== null) expect.fail(`at ${at}`);
      }
    }
  });

  it('is MALFORMED or FORGED with any one character replaced and the checksum recomputed', async () => {
    const secret = await mint('acme_live');
    const crcStart = secret.length - 6;
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.nat(crcStart - 1),
        fc.constantFrom(...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-é'),
        async (at, other) => {
          fc.pre(other !== secret[at]);
          const found = await verdict(withCrc(replaced(secret, at, other).slice(0, crcStart)));
          seen.add(found);
          expect(found).not.toBe('GENUINE');
        },
      ),
      { numRuns: 1000 },
    );
    expect([...seen].sort()).toEqual(['FORGED', 'MALFORMED']);
  });

  it('is FORGED with any bit of its 64 bytes flipped and encoded again, unless the layout refuses it', async () => {
    const parsed = parseKeyString(await mint());
    if (parsed === null) throw new Error('does not parse');
    for (let bit = 0; bit < 512; bit++) {
      const bytes = Uint8Array.from(parsed.bytes, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      // Version, jurisdiction and shard have one allowed value each. The byte between them names the signing key.
      const fixed = [0, 2, 3].includes(bit >> 3);
      expect(await verdict(formatKeyString('ks', bytes)), `bit ${bit}`).toBe(fixed ? 'MALFORMED' : 'FORGED');
    }
  });

  it('is MALFORMED when it is arbitrary text, and not genuine with a checksum added', async () => {
    const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 200 }), fc.base64String({ maxLength: 120 }));
    await fc.assert(
      fc.asyncProperty(text, async (any) => {
        expect(await verdict(any)).toBe('MALFORMED');
        expect(await verdict(withCrc(any))).not.toBe('GENUINE');
      }),
    );
  });
});
