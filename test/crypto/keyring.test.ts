import { describe, expect, it } from 'vitest';
import { parseKeyring } from '../../src/crypto/keyring.ts';
import { base64Secret } from './rings.ts';

const [A, B, C] = [base64Secret(1), base64Secret(2), base64Secret(3)];
const base64 = (bytes: Iterable<number>) => btoa(String.fromCharCode(...bytes));
const text = (content: string) => btoa(content);
const counting = (length: number) => Array.from({ length }, (_, i) => (i * 73 + 11) & 255);

/** The ids in order, the current one first. */
function idsOf(value: string): number[] | string {
  const ring = parseKeyring(value);
  if (typeof ring === 'string') return ring;
  expect(ring.entries.get(ring.current.id)).toBe(ring.current);
  return [ring.current.id, ...[...ring.entries.keys()].filter((id) => id !== ring.current.id)];
}

describe('a keyring', () => {
  it.each<[string, string, number[]]>([
    ['one bare secret, which is entry 1', A, [1]],
    ['one secret with an id', `7:${A}`, [7]],
    ['several, the first of which is current', `3:${A},1:${B},255:${C}`, [3, 1, 255]],
    ['spaces around entries', ` 2:${A} , 1:${B} `, [2, 1]],
    ['base64 without padding', `1:${A.replaceAll('=', '')}`, [1]],
    ['base64url', `1:${A.replaceAll('+', '-').replaceAll('/', '_')}`, [1]],
    ['the shortest secret', base64(counting(32)), [1]],
    ['the longest secret', base64(counting(256)), [1]],
    [
      'as many entries as there may be',
      Array.from({ length: 16 }, (_, i) => `${i + 1}:${base64Secret(i)}`).join(),
      [...Array(16).keys()].map((i) => i + 1),
    ],
  ])('is read: %s', (_name, value, ids) => {
    expect(idsOf(value)).toEqual(ids);
  });

  it('reads base64 and base64url of the same bytes as the same secret', () => {
    const bytes = Uint8Array.from(counting(64), (byte, i) => (i % 3 === 0 ? 0xfb : byte));
    const standard = base64(bytes);
    expect(standard).toMatch(/[+/]/);
    for (const value of [standard, standard.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')]) {
      const ring = parseKeyring(value);
      expect(typeof ring === 'string' ? ring : ring.current.secret).toEqual(bytes);
    }
  });

  const refused: [string, string, string][] = [
    ['empty', '', 'is not id:base64'],
    ['a blank', '   ', 'is not id:base64'],
    ['a comma', ',', 'entry 1 is not id:base64'],
    ['a trailing comma', `1:${A},`, 'entry 2 is not id:base64'],
    ['an id alone', '1:', 'is not id:base64'],
    ['id 0', `0:${A}`, 'is not id:base64'],
    ['id 256', `256:${A}`, 'has no id from 1 to 255'],
    ['a negative id', `-1:${A}`, 'is not id:base64'],
    ['an id with a leading zero', `01:${A}`, 'is not id:base64'],
    ['a word as id', `current:${A}`, 'is not id:base64'],
    ['no id where there are several', `${A},2:${B}`, 'entry 1 has no id from 1 to 255'],
    ['no id in the second entry', `1:${A},${B}`, 'entry 2 has no id from 1 to 255'],
    ['the same id twice', `1:${A},1:${B}`, 'entry 2 repeats the id of another entry'],
    ['the same secret twice', `1:${A},2:${B},3:${A}`, 'entry 3 repeats the secret of another entry'],
    ['characters that are not base64', `1:${A.slice(0, 20)}!${A.slice(21)}`, 'is not id:base64'],
    ['hex with a length that base64 cannot have', 'c0ffee'.repeat(11).slice(0, 65), 'is not valid base64'],
    ['padding in the middle', `1:${A.slice(0, 10)}==${A.slice(12)}`, 'is not id:base64'],
    ['31 bytes', base64(counting(31)), 'is shorter than 32 bytes'],
    ['257 bytes', base64(counting(257)), 'is longer than 256 bytes'],
    ['zeros', base64(new Uint8Array(32)), 'is not random (repeated bytes)'],
    ['one byte repeated', base64(new Uint8Array(64).fill(0xab)), 'is not random (repeated bytes)'],
    ['16 bytes twice', base64([...counting(16), ...counting(16)]), 'is not random (repeated bytes)'],
    [
      '18 bytes three times',
      base64([...counting(18), ...counting(18), ...counting(18)]),
      'is not random (repeated bytes)',
    ],
    [
      '15 different bytes',
      base64(Array.from({ length: 32 }, (_, i) => ((i * i) % 15) + ((i % 15) << 4))),
      'is not random (repeated bytes)',
    ],
    ['a sentence', text('correct horse battery staple, and more'), 'is not random (a text or placeholder)'],
    ['a placeholder', text('change-me-to-a-random-32-byte-value!'), 'is not random (a text or placeholder)'],
    [
      'hex in base64',
      text('0f1e2d3c4b5a69788796a5b4c3d2e1f0b7a69581c4d3e2f0'),
      'is not random (a text or placeholder)',
    ],
    [
      '17 entries',
      Array.from({ length: 17 }, (_, i) => `${i + 1}:${base64Secret(i)}`).join(),
      'has more than 16 entries',
    ],
    ['a bad entry behind a good one', `1:${A},2:${base64(counting(8))}`, 'entry 2 is shorter than 32 bytes'],
  ];

  it.each(refused)('is refused: %s', (_name, value, reason) => {
    expect(idsOf(value)).toBe(reason);
  });

  it.each(refused)('is refused without any part of it in the reason: %s', (_name, value) => {
    const reason = String(parseKeyring(value));
    for (let at = 0; at + 5 <= value.length; at++) {
      const piece = value.slice(at, at + 5).trim();
      if (piece.length === 5) expect(reason).not.toContain(piece);
    }
  });
});
