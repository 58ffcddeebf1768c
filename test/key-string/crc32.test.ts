import { describe, expect, it } from 'vitest';
import { crc32 } from '../../domain/key-string/crc32.ts';

describe('crc32', () => {
  it('has the check value of the CRC catalogue', () => {
    expect(crc32('123456789')).toBe(0xcbf43926);
  });

  it('has the same values as in gzip', () => {
    expect(crc32('')).toBe(0);
    expect(crc32('a')).toBe(0xe8b7be43);
    expect(crc32('The quick brown fox jumps over the lazy dog')).toBe(0x414fa339);
  });

  it('reads no more than the given length', () => {
    expect(crc32('123456789 and more', 9)).toBe(0xcbf43926);
  });
});
