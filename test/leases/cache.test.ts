import { describe, expect, it } from 'vitest';
import type { VerifiedKey } from '../../durable-objects/keys/record.ts';
import { LeaseCache, type LeasedKey } from '../../src/leases/cache.ts';

const L = 1000;
const END = 'AbCdEf';

const leased = (id: string): LeasedKey => ({ tenantId: 'acme', objectName: 'tenant:00', key: { ...KEY, id } });

/** A cache with a lease on each of these key strings, asked for at `at`. */
function holding(keyStrings: readonly string[], at = 0, max?: number): LeaseCache {
  const cache = new LeaseCache(max);
  for (const keyString of keyStrings) cache.put(keyString, leased(keyString), L, cache.ask(at), at);
  return cache;
}

describe('a lease is found', () => {
  it('from when it was asked for, and not from when it ends', () => {
    const cache = holding(['one']);
    expect(cache.get('one', L - 1)?.key.id).toBe('one');
    expect(cache.get('one', L)).toBeNull();
  });

  it('by the whole key string, not by its end', () => {
    const cache = holding([`a${END}`]);
    expect(cache.get(`b${END}`, 0)).toBeNull();
    expect(cache.get(END, 0)).toBeNull();
    expect(cache.get(`a${END}`, 0)?.key.id).toBe(`a${END}`);
  });

  it('one of those whose key strings end alike: the latest', () => {
    const cache = holding([`a${END}`, `b${END}`]);
    expect(cache.get(`a${END}`, 0)).toBeNull();
    expect(cache.get(`b${END}`, 0)?.key.id).toBe(`b${END}`);
  });

  it('while there is room; the one that was not used for longest goes first', () => {
    const cache = holding(['one', 'two'], 0, 2);
    cache.get('one', 0);
    cache.put('three', leased('three'), L, cache.ask(0), 0);
    expect(['one', 'two', 'three'].map((text) => cache.get(text, 0) !== null)).toEqual([true, false, true]);
  });

  it('never again once the clock went back, also not one that was asked for before', () => {
    const cache = holding(['one'], 500);
    const asking = cache.ask(500);
    expect(cache.get('one', 499)).toBeNull();
    cache.put('two', leased('two'), L, asking, 499);
    expect(cache.get('two', 499)).toBeNull();
    expect(cache.get('one', 500)).toBeNull();
  });
});

describe('a use of a leased key', () => {
  it('is news once a minute, the first minute being told by the question itself', () => {
    const cache = holding(['one'], 59_990);
    const lease = cache.get('one', 59_991);
    if (lease === null) throw new Error('there is no lease');
    expect([59_992, 60_000, 60_001, 119_999, 120_000].map((now) => cache.isNewUse(lease, now))).toEqual([
      false,
      true,
      false,
      false,
      true,
    ]);
  });
});

const KEY: VerifiedKey = {
  id: '',
  name: 'Key',
  owner: null,
  scopes: [],
  metadata: '{}',
  enabled: true,
  expiresAt: null,
  revokedAt: null,
  replaces: null,
  replacedBy: null,
  rotatedAt: null,
  graceEndsAt: null,
};
