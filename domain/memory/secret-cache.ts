/**
 * A cache of what is known of secrets, found by the secret. It does not hold the secrets: it finds an entry by a part
 * of the fingerprint, and compares the whole.
 */
import { isolateMemory, type MemoryBudget } from './budget.ts';
import { type Fingerprint, Fingerprinter, sameFingerprint } from './fingerprint.ts';
import { LruCache } from './lru-cache.ts';

export class SecretCache<V> {
  readonly #entries: LruCache<{ readonly fingerprint: Fingerprint; readonly value: V }, number>;
  readonly #fingerprinter: Fingerprinter;

  /** For secrets of at most `lengthMax` ASCII characters; others are never found. */
  constructor(lengthMax: number, budget: MemoryBudget = isolateMemory) {
    this.#entries = new LruCache(budget);
    this.#fingerprinter = new Fingerprinter(lengthMax);
  }

  /** What is known of this secret; undefined for nothing. */
  find(secret: string): V | undefined {
    const fingerprint = this.#fingerprinter.of(secret);
    if (fingerprint === null) return undefined;
    const slot = slotOf(fingerprint);
    for (let i = 0; i < SLOTS; i++) {
      const found = this.#entries.get(slot + i);
      if (found === undefined) return undefined;
      if (sameFingerprint(fingerprint, found.fingerprint)) return found.value;
    }
    return undefined;
  }

  /** `bytes` is what the value takes, with its fingerprint. */
  remember(secret: string, value: V, bytes: number): void {
    const fingerprint = this.#fingerprinter.of(secret);
    if (fingerprint === null) return;
    const slot = slotOf(fingerprint);
    const known = this.#entries.get(slot);
    const isTaken = known !== undefined && !sameFingerprint(fingerprint, known.fingerprint);
    this.#entries.set(isTaken ? slot + 1 : slot, { fingerprint, value }, bytes);
  }
}

/** Places where an entry may be: of some 20,000 entries, two have the same first one now and then. */
const SLOTS = 2;

/** The first place of an entry. 30 bits, because small integers are found fastest. */
const slotOf = ({ a }: Fingerprint) => a >>> 2;
