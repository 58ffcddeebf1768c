import { describe, expect, it } from 'vitest';
import type { VerifiedKey } from '../../durable-objects/keys/record.ts';
import { LeaseCache, type LeasedKey } from '../../src/leases/cache.ts';

const L = 1000;

const digestOf = (keyId: string) => new Uint8Array(20).fill(keyId.length);
const leased = (id: string): LeasedKey => ({
  tenant: { id: 'acme', incarnation: 'inc_a', createdAt: 0 },
  key: { ...KEY, id },
  digest: digestOf(id),
});

/** A cache with a lease on each of these keys, asked for at `at`. */
function holding(keyIds: readonly string[], at = 0, max?: number): LeaseCache {
  const cache = new LeaseCache(max);
  for (const keyId of keyIds) cache.put(leased(keyId), L, cache.ask(at), at);
  return cache;
}

const idOf = (cache: LeaseCache, keyId: string, now: number) => cache.get(keyId, digestOf(keyId), now)?.key.id;

describe('a lease is found', () => {
  it('from when it was asked for, and not from when it ends', () => {
    const cache = holding(['one']);
    expect(idOf(cache, 'one', L - 1)).toBe('one');
    expect(idOf(cache, 'one', L)).toBeUndefined();
  });

  it('only with the digest of its key', () => {
    const cache = holding(['one']);
    expect(cache.get('one', digestOf('another'), 0)).toBeNull();
    expect(idOf(cache, 'one', 0)).toBe('one');
  });

  it('while there is room; the one that was not used for longest goes first', () => {
    const cache = holding(['one', 'two'], 0, 2);
    idOf(cache, 'one', 0);
    cache.put(leased('three'), L, cache.ask(0), 0);
    expect(['one', 'two', 'three'].map((keyId) => idOf(cache, keyId, 0))).toEqual(['one', undefined, 'three']);
  });

  it('never again once the clock went back, also not one that was asked for before', () => {
    const cache = holding(['one'], 500);
    const asking = cache.ask(500);
    expect(idOf(cache, 'one', 499)).toBeUndefined();
    cache.put(leased('two'), L, asking, 499);
    expect(idOf(cache, 'two', 499)).toBeUndefined();
    expect(idOf(cache, 'one', 500)).toBeUndefined();
  });
});

describe('a use of a leased key', () => {
  it('is news once a minute, the first minute being told by the question itself', () => {
    const cache = holding(['one'], 59_990);
    const news = [59_992, 60_000, 60_001, 119_999, 120_000].map((now) => cache.isNewUse('one', now));
    expect(news).toEqual([false, true, false, false, true]);
  });
});

const KEY: VerifiedKey = {
  id: '',
  name: 'Key',
  owner: null,
  scopes: [],
  metadata: '{}',
  enabled: true,
  createdAt: 0,
  expiresAt: null,
  revokedAt: null,
  replaces: null,
  replacedBy: null,
  rotatedAt: null,
  graceEndsAt: null,
};
