import { describe, expect, it } from 'vitest';
import type { VerifiedKey } from '../../domain/keys/record.ts';
import { LeaseCache, type LeasedKey } from '../../domain/leases/cache.ts';
import { MemoryBudget } from '../../domain/memory/budget.ts';

const L = 1000;

const digestOf = (keyId: string) => new Uint8Array(20).fill(keyId.length);
const leased = (id: string): LeasedKey => ({
  tenant: { id: 'acme', incarnation: 'inc_a', createdAt: 0 },
  key: { ...KEY, id },
  digest: digestOf(id),
});

/** A cache with a lease on each of these keys, asked for at `at`. */
function holding(keyIds: readonly string[], at = 0, budget = new MemoryBudget(1_000_000)): LeaseCache {
  const cache = new LeaseCache(budget);
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
    const room = bytesOf(leased('first')) + bytesOf(leased('other'));
    const cache = holding(['first', 'other'], 0, new MemoryBudget(Math.max(room, 64 * bytesOf(leased('first')))));
    const others = Array.from({ length: 62 }, (_, i) => `key-${i}`);
    for (const keyId of others) cache.put(leased(keyId), L, cache.ask(0), 0);
    idOf(cache, 'first', 0);
    cache.put(leased('third'), L, cache.ask(0), 0);
    expect(['first', 'other', 'third'].map((keyId) => idOf(cache, keyId, 0))).toEqual(['first', undefined, 'third']);
  });

  it('unless it alone would take the room of many', () => {
    const budget = new MemoryBudget(64 * 2 * bytesOf(leased('one')));
    const cache = holding(['one'], 0, budget);
    const large = leased('large');
    cache.put({ ...large, key: { ...large.key, metadata: 'm'.repeat(10_000) } }, L, cache.ask(0), 0);
    expect(['one', 'large'].map((keyId) => idOf(cache, keyId, 0))).toEqual(['one', undefined]);
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

describe('what a lease is accounted for', () => {
  it('has the texts that callers choose twice, at two bytes a character where one is wide', () => {
    const bare = bytesOf(leased('one'));
    const withKey = (attributes: Partial<VerifiedKey>) => {
      const { tenant, key, digest } = leased('one');
      return bytesOf({ tenant, key: { ...key, ...attributes }, digest }) - bare;
    };
    expect(withKey({ metadata: `{}${'m'.repeat(1000)}` })).toBe(2000);
    expect(withKey({ metadata: `{}${'\u6f22'.repeat(1000)}` })).toBeGreaterThanOrEqual(4000);
    expect(withKey({ owner: 'o'.repeat(100) })).toBe(200);
    expect(withKey({ scopes: Array.from({ length: 100 }, () => 's'.repeat(100)) })).toBeGreaterThan(20_000);
    // The answer is one text: wide as a whole.
    expect(withKey({ owner: '\u6f22', metadata: `{}${'m'.repeat(1000)}` })).toBeGreaterThanOrEqual(4000);
  });
});

describe('a use of a leased key', () => {
  it('is news once a minute, the first minute being told by the question itself', () => {
    const cache = holding(['one'], 59_990);
    const news = [59_992, 60_000, 60_001, 119_999, 120_000].map((now) => cache.isNewUse('one', now));
    expect(news).toEqual([false, true, false, false, true]);
  });
});

/** What a cache with nothing but this lease is accounted for. */
function bytesOf(lease: LeasedKey): number {
  const budget = new MemoryBudget(10_000_000);
  const cache = new LeaseCache(budget);
  cache.put(lease, L, cache.ask(0), 0);
  return budget.bytes;
}

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
