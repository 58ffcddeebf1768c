import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fingerprinter, sameFingerprint } from '../../domain/memory/fingerprint.ts';

const LENGTH_MAX = 120;
const ascii = fc.string({ unit: 'binary-ascii', maxLength: LENGTH_MAX });

function same(one: string, other: string, fingerprinter = new Fingerprinter(LENGTH_MAX)): boolean {
  const [a, b] = [fingerprinter.of(one), fingerprinter.of(other)];
  return a !== null && b !== null && sameFingerprint(a, b);
}

describe('two texts', () => {
  it('have the same fingerprint when they are equal', () => {
    fc.assert(fc.property(ascii, (text) => same(text, [...text].join(''))));
  });

  it('have different fingerprints when they differ', () => {
    fc.assert(fc.property(ascii, ascii, (one, other) => one === other || !same(one, other)));
  });

  it('have different fingerprints when any single character differs, by however little', () => {
    const fingerprinter = new Fingerprinter(LENGTH_MAX);
    const text = 'k'.repeat(LENGTH_MAX);
    for (let at = 0; at < LENGTH_MAX; at++) {
      for (const other of ['j', 'l', '+', '\0']) {
        if (same(text, text.slice(0, at) + other + text.slice(at + 1), fingerprinter)) expect.fail(`at ${at}`);
      }
    }
  });

  it('have different fingerprints when the same characters are in a different order', () => {
    expect(same('ab', 'ba')).toBe(false);
  });

  it('have different fingerprints when one has extra characters of code 0', () => {
    expect(same('key', 'key\0')).toBe(false);
  });
});

describe('a fingerprint', () => {
  it('is not computed for a text that is too long', () => {
    expect(new Fingerprinter(3).of('four')).toBeNull();
    expect(new Fingerprinter(4).of('four')).not.toBeNull();
  });

  it('is not computed for a text that is not ASCII, whose collisions the bound does not cover', () => {
    for (const text of ['é', 'ab\u0161', '\u{1f511}', '\ud800'])
      expect(new Fingerprinter(LENGTH_MAX).of(text)).toBeNull();
  });

  it('is different under every key', () => {
    const fingerprints = Array.from({ length: 50 }, () => JSON.stringify(new Fingerprinter(LENGTH_MAX).of('secret')));
    expect(new Set(fingerprints)).toHaveLength(fingerprints.length);
  });

  it('has independent lanes: no two of them are always equal', () => {
    const lanes = new Fingerprinter(LENGTH_MAX).of('secret');
    expect(new Set([lanes?.a, lanes?.b, lanes?.c, lanes?.d])).toHaveLength(4);
  });
});
