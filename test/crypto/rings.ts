/** Keyrings for the tests of this folder. */
import { type Keyring, parseKeyring } from '../../src/crypto/keyring.ts';

/** Returns a keyring that must be valid. */
export function ringOf(text: string): Keyring {
  const ring = parseKeyring(text);
  if (typeof ring === 'string') throw new Error(`the test's keyring ${ring}`);
  return ring;
}

export const bytesOfHex = (hex: string) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
export const hexOf = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/** Returns base64 of bytes that look random and are the same for the same seed. `variant` sets the first byte. */
export function base64Secret(variant: number, length = 32): string {
  const bytes = Array.from({ length }, (_, i) => (i * 89 + variant * 37 + ((i * i * 7) >> 2) + 128) & 255);
  return btoa(String.fromCharCode(...bytes));
}
