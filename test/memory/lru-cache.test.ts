/** Several caches under one budget, compared with a list in the order of use. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryBudget } from '../../domain/memory/budget.ts';
import { ENTRY_BYTES, LruCache } from '../../domain/memory/lru-cache.ts';

const MAX = 64_000;
/** A sixty-fourth of MAX, which is the most that one entry may take. */
const ENTRY_MAX = 1000;
const CACHES = 3;
/** Keys of each cache. Together they are several times what there is room for. */
const KEYS = 100;

type Step =
  | { readonly kind: 'set'; readonly cache: number; readonly key: string; readonly bytes: number }
  | { readonly kind: 'get' | 'make' | 'demote' | 'delete'; readonly cache: number; readonly key: string }
  | { readonly kind: 'clear'; readonly cache: number };

const cache = fc.nat(CACHES - 1);
const key = fc.nat(KEYS - 1).map(String);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 120,
    arbitrary: fc.record({
      kind: fc.constant('set' as const),
      cache,
      key,
      bytes: fc.integer({ min: 500, max: ENTRY_MAX }),
    }),
  },
  {
    weight: 80,
    arbitrary: fc.record({ kind: fc.constantFrom('get' as const, 'make', 'demote', 'delete'), cache, key }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const), cache }) },
);

type Known = { readonly cache: number; readonly key: string; readonly value: number; readonly bytes: number };

/** All entries, the least recently used first. */
class Model {
  #known: Known[] = [];

  get bytes(): number {
    return this.#known.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  get(of: number, key: string): number | undefined {
    const found = this.#known.find((known) => known.cache === of && known.key === key);
    if (found === undefined) return undefined;
    this.#known = [...this.#known.filter((known) => known !== found), found];
    return found.value;
  }

  set(of: number, key: string, value: number, bytes: number): void {
    this.delete(of, key);
    if (bytes > ENTRY_MAX) return;
    this.#known.push({ cache: of, key, value, bytes });
    while (this.bytes > MAX) this.#known.shift();
  }

  demote(of: number, key: string): void {
    const demoted = this.#known.find((known) => known.cache === of && known.key === key);
    if (demoted !== undefined) this.#known = [demoted, ...this.#known.filter((known) => known !== demoted)];
  }

  delete(of: number, key: string): void {
    this.#known = this.#known.filter((known) => known.cache !== of || known.key !== key);
  }

  clear(of: number): void {
    this.#known = this.#known.filter((known) => known.cache !== of);
  }
}

const MADE_BYTES = 500;

it('all caches together keep what was used last, up to the budget', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 1000, size: 'max' }), (steps) => {
      const budget = new MemoryBudget(MAX);
      const caches = Array.from({ length: CACHES }, () => new LruCache<number>(budget));
      const model = new Model();
      for (const [value, taken] of steps.entries()) {
        const real = caches[taken.cache];
        if (real === undefined) throw new Error('no such cache');
        apply(taken, value, real, model);
        expect(budget.bytes).toBe(model.bytes);
        expect(budget.bytes).toBeLessThanOrEqual(MAX);
      }
      // Reading changes the order of both in the same way.
      for (const [of, real] of caches.entries()) {
        for (let i = 0; i < KEYS; i++) expect(real.get(`${i}`)).toBe(model.get(of, `${i}`));
      }
    }),
    { numRuns: 100 },
  );
});

function apply(step: Step, value: number, real: LruCache<number>, model: Model): void {
  const { kind, cache: of } = step;
  if (kind === 'set') {
    real.set(step.key, value, step.bytes);
    model.set(of, step.key, value, step.bytes + ENTRY_BYTES);
  } else if (kind === 'get') {
    expect(real.get(step.key)).toBe(model.get(of, step.key));
  } else if (kind === 'make') {
    const known = model.get(of, step.key);
    if (known === undefined) model.set(of, step.key, value, MADE_BYTES + ENTRY_BYTES);
    expect(real.getOrMake(step.key, MADE_BYTES, () => value)).toBe(known ?? value);
  } else if (kind === 'demote') {
    real.demote(step.key);
    model.demote(of, step.key);
  } else if (kind === 'delete') {
    real.delete(step.key);
    model.delete(of, step.key);
  } else {
    real.clear();
    model.clear(of);
  }
}

describe('a budget', () => {
  it('drops the least recently used entry, in whichever cache it is', () => {
    const budget = new MemoryBudget(MAX);
    const [one, other] = [new LruCache<number>(budget), new LruCache<number>(budget)];
    for (let i = 0; i < 64; i++) (i % 2 === 0 ? one : other).set(`${i}`, i, ENTRY_MAX - ENTRY_BYTES);
    for (const i of [0, 3, 62, 63]) (i % 2 === 0 ? one : other).get(`${i}`);
    for (let i = 64; i < 124; i++) one.set(`${i}`, i, ENTRY_MAX - ENTRY_BYTES);
    const left = Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? one : other).get(`${i}`));
    expect(left.filter((value) => value !== undefined)).toEqual([0, 3, 62, 63]);
  });

  it('holds few large entries or many small ones', () => {
    const budget = new MemoryBudget(MAX);
    const small = new LruCache<number>(budget);
    for (let i = 0; i < 640; i++) small.set(`${i}`, i, 100 - ENTRY_BYTES);
    expect(countIn(small, 640)).toBe(640);
    const large = new LruCache<number>(budget);
    for (let i = 0; i < 32; i++) large.set(`${i}`, i, ENTRY_MAX - ENTRY_BYTES);
    expect([countIn(large, 32), countIn(small, 640)]).toEqual([32, 320]);
  });

  it('drops unused entries first, such as the caches of an object that is gone', () => {
    const budget = new MemoryBudget(MAX);
    const gone = new LruCache<number>(budget);
    const used = new LruCache<number>(budget);
    for (let i = 0; i < 64; i++) gone.set(`${i}`, i, ENTRY_MAX - ENTRY_BYTES);
    for (let i = 0; i < 64; i++) {
      used.set(`${i}`, i, ENTRY_MAX - ENTRY_BYTES);
      expect(countIn(used, 64)).toBe(i + 1);
    }
    expect(countIn(gone, 64)).toBe(0);
  });

  it('refuses an entry that would take the room of many, and drops the value that it was to replace', () => {
    const budget = new MemoryBudget(MAX);
    const cache = new LruCache<number>(budget);
    cache.set('one', 1, 0);
    cache.set('two', 2, 0);
    cache.set('one', 3, ENTRY_MAX - ENTRY_BYTES + 1);
    expect([cache.get('one'), cache.get('two'), budget.bytes]).toEqual([undefined, 2, ENTRY_BYTES]);
  });
});

function countIn(cache: LruCache<number>, keys: number): number {
  let count = 0;
  for (let i = 0; i < keys; i++) if (cache.get(`${i}`) !== undefined) count += 1;
  return count;
}
