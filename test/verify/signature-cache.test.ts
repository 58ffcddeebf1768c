import { describe, expect, it } from 'vitest';
import { MemoryBudget } from '../../domain/memory/budget.ts';
import { SignatureCache, type SignedKey } from '../../src/verify/signature-cache.ts';

const END = 'AbCdEf';

const genuine = (id: string): SignedKey => ({
  id,
  objectName: 'tenant:00',
  system: false,
  digest: new Uint8Array(20),
});

function knowing(texts: readonly string[], budget = new MemoryBudget(1_000_000)): SignatureCache {
  const known = new SignatureCache(budget);
  for (const text of texts) known.remember(text, genuine(text));
  return known;
}

describe('a known key string', () => {
  it('is found by its whole text, not by its checksum', () => {
    const known = knowing([`a${END}`]);
    expect(known.find(`a${END}`)?.id).toBe(`a${END}`);
    for (const other of [`b${END}`, END, `aa${END}`, `\u0161${END}`, '']) expect(known.find(other)).toBeNull();
  });

  it('stays known beside another one with the same checksum', () => {
    const known = knowing([`a${END}`, `b${END}`]);
    expect(known.find(`a${END}`)?.id).toBe(`a${END}`);
    expect(known.find(`b${END}`)?.id).toBe(`b${END}`);
  });

  it('is forgotten when there is no room and it is the least recently used', () => {
    const known = knowing(['one___', 'two___'], new MemoryBudget(100_000));
    for (let i = 0; i < 200; i++) {
      known.find('one___');
      known.remember(`${i}`.padStart(6, '_'), genuine(`${i}`));
    }
    expect(['one___', 'two___'].map((text) => known.find(text) !== null)).toEqual([true, false]);
  });

  it('is not kept in plain text', () => {
    const text = `ks_SomethingSecret${END}`;
    const seen: unknown[] = [];
    // Everything that is remembered goes through the language's collections.
    const { set } = Map.prototype;
    Map.prototype.set = function (key, value) {
      seen.push(key, value);
      return set.call(this, key, value);
    };
    try {
      knowing([]).remember(text, genuine('key_0'));
    } finally {
      Map.prototype.set = set;
    }
    expect(seen.length).toBeGreaterThan(0);
    expect(JSON.stringify(seen)).not.toContain('SomethingSecret');
  });
});
