/**
 * A cache of what is known of secrets, found by the secret. It does not hold the secrets: it finds an entry by the last
 * characters, which in a key string are its checksum, and compares fingerprints.
 */
import { isolateMemory, type MemoryBudget } from './budget.ts';
import { type Fingerprint, Fingerprinter, sameFingerprint } from './fingerprint.ts';
import { LruCache } from './lru-cache.ts';

/** As many as the checksum of a key string has. */
const FOUND_BY = 6;

export class SecretCache<V> {
  /** By the last characters. A secret replaces another one with the same. */
  readonly #entries: LruCache<{ readonly fingerprint: Fingerprint; readonly value: V }>;
  readonly #fingerprinter: Fingerprinter;

  /** For secrets of at most `lengthMax` ASCII characters; others are never found. */
  constructor(lengthMax: number, budget: MemoryBudget = isolateMemory) {
    this.#entries = new LruCache(budget);
    this.#fingerprinter = new Fingerprinter(lengthMax);
  }

  /** What is known of this secret; undefined for nothing. */
  find(secret: string): V | undefined {
    const found = this.#entries.get(secret.slice(-FOUND_BY));
    if (found === undefined) return undefined;
    const fingerprint = this.#fingerprinter.of(secret);
    return fingerprint !== null && sameFingerprint(fingerprint, found.fingerprint) ? found.value : undefined;
  }

  /** `bytes` is what the value takes, with fingerprint and characters. */
  remember(secret: string, value: V, bytes: number): void {
    const fingerprint = this.#fingerprinter.of(secret);
    if (fingerprint !== null) this.#entries.set(secret.slice(-FOUND_BY), { fingerprint, value }, bytes);
  }
}
