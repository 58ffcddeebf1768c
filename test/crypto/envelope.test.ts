import { describe, expect, it } from 'vitest';
import { type EnvelopeContext, Sealer } from '../../src/crypto/envelope.ts';
import vectors from './envelope.vectors.json';
import { base64Secret, bytesOfHex, hexOf, ringOf } from './rings.ts';

const sealer = new Sealer(ringOf(vectors.encryptionKey));
const { tenantId, record } = vectors.context;
const HOME: EnvelopeContext = { tenantId, record, purpose: 'key' };

/** The plaintext in hex, or the failure. */
async function opened(envelope: Uint8Array, context = HOME, by = sealer): Promise<string> {
  const result = await by.open(envelope, context);
  return typeof result === 'string' ? result : hexOf(result);
}

describe('an envelope', () => {
  it.each(vectors.opens)('opens: $name', async ({ envelope, plaintext }) => {
    expect(await opened(bytesOfHex(envelope))).toBe(plaintext);
  });

  it.each(vectors.refused)('is $failure: $name', async ({ envelope, failure }) => {
    expect(await opened(bytesOfHex(envelope))).toBe(failure);
  });

  it('opens to what was sealed, and does not show it', async () => {
    const plaintext = new Uint8Array(64).fill(0x41);
    const envelope = await sealer.seal(plaintext, HOME);
    expect(await opened(envelope)).toBe(hexOf(plaintext));
    expect(hexOf(envelope)).not.toContain('41414141');
    expect(envelope.length).toBe(2 + 12 + 64 + 16);
  });

  it('states its version and the current entry, and has a fresh nonce', async () => {
    const envelopes = await Promise.all(Array.from({ length: 100 }, () => sealer.seal(new Uint8Array(8), HOME)));
    for (const envelope of envelopes) expect([...envelope.subarray(0, 2)]).toEqual([1, 2]);
    expect(new Set(envelopes.map((envelope) => hexOf(envelope.subarray(2, 14))))).toHaveLength(100);
  });

  it('does not open with any single bit flipped', async () => {
    const envelope = await sealer.seal(new Uint8Array(8).fill(9), HOME);
    for (let bit = 0; bit < envelope.length * 8; bit++) {
      const altered = Uint8Array.from(envelope, (byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
      const expected = bit < 8 ? 'unsupported_version' : bit < 16 ? 'unknown_key' : 'not_authentic';
      expect(await opened(altered), `bit ${bit}`).toBe(expected);
    }
  });

  it('does not open truncated at any length', async () => {
    const envelope = await sealer.seal(new Uint8Array(8).fill(9), HOME);
    for (let length = 0; length < envelope.length; length++) {
      expect(await opened(envelope.subarray(0, length))).toBe(length < 30 ? 'malformed' : 'not_authentic');
    }
  });

  it.each<[string, EnvelopeContext]>([
    ['tenant', { ...HOME, tenantId: 'globex' }],
    ['record', { ...HOME, record: `${HOME.record.slice(0, -1)}0` }],
    ['tenant and record with the boundary moved', { ...HOME, tenantId: `${tenantId}k`, record: record.slice(1) }],
  ])('does not open when it is moved to another %s', async (_what, elsewhere) => {
    const envelope = await sealer.seal(new Uint8Array(8), HOME);
    expect(await opened(envelope, elsewhere)).toBe('not_authentic');
  });

  it('still opens after the keyring gets a new current entry, until its own entry is removed', async () => {
    const before = new Sealer(ringOf(`1:${base64Secret(1)}`));
    const during = new Sealer(ringOf(`2:${base64Secret(2)},1:${base64Secret(1)}`));
    const after = new Sealer(ringOf(`2:${base64Secret(2)}`));
    const old = await before.seal(Uint8Array.of(1, 2), HOME);
    expect(await opened(old, HOME, during)).toBe('0102');
    expect(await opened(old, HOME, after)).toBe('unknown_key');
    const fresh = await during.seal(Uint8Array.of(3), HOME);
    expect(await opened(fresh, HOME, after)).toBe('03');
    expect(await opened(fresh, HOME, before)).toBe('unknown_key');
  });
});
