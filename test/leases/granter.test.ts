import { describe, expect, it } from 'vitest';
import { LeaseGranter } from '../../domain/leases/granter.ts';
import { HandedOut } from '../../domain/leases/handed-out.ts';
import { type Known, outlastMs } from '../../domain/leases/lease.ts';
import { MemoryBudget } from '../../domain/memory/budget.ts';

const L = 1000;
const MIB = 1024 * 1024;

/** A granter that has handed out these keys at time 0. */
function granterOf(keyIds: readonly string[], options: ConstructorParameters<typeof LeaseGranter>[1] = {}) {
  const granter = new LeaseGranter('instance', options);
  for (const keyId of keyIds) granter.renew(null, keyId, L, 0);
  return granter;
}

const knownAt = (granter: LeaseGranter): Known => {
  const { epoch, seq } = granter.renew(null, null, L, 0);
  return { epoch, seq };
};

describe('a lease', () => {
  it('outlasts what its holder counts by 5 % and 50 ms; where there is none, nothing does', () => {
    expect([0, 1000, 2000, 10_000].map(outlastMs)).toEqual([0, 1100, 2150, 10_550]);
  });
});

describe('a change', () => {
  it('waits for every lease on the tenant if its key was ever handed out, and else for none', () => {
    const granter = granterOf(['old']);
    granter.renew(null, 'other', L, 5000);
    expect(granter.change(['never'], L, 5000)).toBe(0);
    expect(granter.change(['old'], L, 5000)).toBe(outlastMs(L));
  });

  it('waits no more once the new record is what was handed out last, and no lease is left', () => {
    const granter = granterOf(['one']);
    expect(granter.change(['one'], L, 2 * L)).toBe(0);
  });

  it('waits for nobody when the key was not handed out since its last change', () => {
    const granter = granterOf(['one']);
    granter.change(['one'], L, 0);
    granter.renew(null, 'other', L, 2 * L);
    expect(granter.change(['one'], L, 2 * L)).toBe(0);
  });

  it('waits as long as an earlier one of the same key that is under way', () => {
    const granter = granterOf(['one']);
    granter.change(['one'], L, 0);
    expect(granter.change(['one'], L, 100)).toBe(outlastMs(L) - 100);
  });

  it('waits for what another instance may have granted', () => {
    const granter = new LeaseGranter('instance');
    granter.assumeLeased(outlastMs(L));
    expect(granter.change(['any'], L, 100)).toBe(outlastMs(L) - 100);
    expect(granter.telling([], L, 100)).toBe(outlastMs(L) - 100);
  });
});

describe('a result', () => {
  it('waits for what others are changing, where it found a part of its work done', () => {
    const underWay = () => {
      const granter = granterOf(['done', 'idle']);
      granter.change(['done'], L, 0);
      return granter;
    };
    expect(underWay().mutation(['new'], ['new', 'done'], L, 0)).toBe(outlastMs(L));
    expect(underWay().mutation(['new'], ['new'], L, 0)).toBe(0);
    expect(underWay().mutation(null, ['done'], L, 0)).toBe(outlastMs(L));
    expect(underWay().mutation(null, 'everything', L, 0)).toBe(outlastMs(L));
  });

  it('waits for nothing where keys were only added', () => {
    const granter = new LeaseGranter('instance');
    granter.assumeLeased(outlastMs(L));
    expect(granter.mutation([], [], L, 0)).toBe(0);
  });
});

describe('a renewal', () => {
  it('names what was changed since the holder was told last, each key once', () => {
    const granter = granterOf(['a', 'b', 'c']);
    const known = knownAt(granter);
    granter.change(['a'], L, 0);
    granter.renew(known, 'a', L, 0);
    granter.change(['a', 'b'], L, 0);
    expect(granter.renew(known, null, L, 0)).toMatchObject({ from: known.seq, changed: ['a', 'b'] });
    expect(granter.renew(knownAt(granter), null, L, 0).changed).toEqual([]);
  });

  it('names purged keys too, for which nobody has waited', () => {
    const granter = granterOf(['a']);
    const known = knownAt(granter);
    granter.removed(['a', 'never']);
    expect(granter.renew(known, null, L, 0).changed).toEqual(['a']);
    expect(granter.telling(['a'], L, 0)).toBe(0);
  });

  it('says where its list starts, when what the holder missed is too much for the list', () => {
    const granter = granterOf(['a', 'b', 'c'], { changesMax: 2 });
    const known = knownAt(granter);
    for (const keyId of ['a', 'b', 'c']) granter.change([keyId], L, 0);
    const { from, changed } = granter.renew(known, null, L, 0);
    expect(from).toBeGreaterThan(known.seq);
    expect(changed).toEqual(['b', 'c']);
  });

  it('makes all void that was told before a change of everything', () => {
    const granter = granterOf(['a']);
    const known = knownAt(granter);
    granter.change('everything', L, 0);
    expect(granter.renew(known, null, L, 0).from).toBeGreaterThan(known.seq);
  });
});

describe('what was handed out', () => {
  it('is taken for everything once it is too much to remember, until a quiet moment makes it all void', () => {
    const handedOut = new HandedOut({ keysMax: 20 });
    const granter = granterOf(
      Array.from({ length: 40 }, (_, i) => `key ${i}`),
      { handedOut },
    );
    expect(granter.change(['never'], L, 0)).toBe(outlastMs(L));
    const known = knownAt(granter);
    granter.sweep(0);
    expect(granter.isKnown(known)).toBe(true);
    granter.sweep(2 * L);
    expect(granter.isKnown(known)).toBe(false);
    granter.renew(null, 'key 0', L, 2 * L);
    expect(granter.change(['never'], L, 2 * L)).toBe(0);
  });

  it('is accounted for in the budget of the isolate, which may take it away', () => {
    const budget = new MemoryBudget(MIB);
    const handedOut = new HandedOut({ budget });
    for (let i = 0; i < 100; i++) handedOut.add(`key ${i}`);
    expect(budget.bytes).toBeGreaterThan(100 * 60);
    expect([handedOut.has('key 0'), handedOut.has('never')]).toEqual([true, false]);
    budget.add({ bytes: MIB, older: null, newer: null, evict: () => {} });
    expect([handedOut.has('key 0'), handedOut.has('never'), budget.bytes]).toEqual([true, true, MIB]);
    handedOut.clear();
    expect(handedOut.has('never')).toBe(false);
  });
});
