/**
 * A cache of key strings with a valid signature: the next verification of one needs neither parsing nor HMAC. An entry
 * never becomes wrong: the signature depends on the text and HMAC_SECRET alone, and that is fixed for an isolate. An
 * entry says nothing about the record.
 *
 * The cache does not hold key strings. It finds an entry by the checksum of the key string and compares fingerprints.
 */

import { CRC_DIGITS, KEY_STRING_LENGTH_MAX } from '../../domain/key-string/key-string.ts';
import { isolateMemory, type MemoryBudget } from '../../domain/memory/budget.ts';
import { type Fingerprint, Fingerprinter, sameFingerprint } from '../../domain/memory/fingerprint.ts';
import { LruCache } from '../../domain/memory/lru-cache.ts';

/** What a key string with a valid signature says. */
export type SignedKey = {
  /** `key_…` */
  readonly id: string;
  /** Name of the object that holds the record. */
  readonly objectName: string;
  /** Whether it is a management key. */
  readonly system: boolean;
  /** 20 bytes, equal to the digest that the record keeps. */
  readonly digest: Uint8Array;
  /** Whether the key had credits when its object was last asked. */
  isMetered?: boolean;
};

/** What an entry takes (bytes). Measured: 470 on the heap, 150 outside for the digest. */
const SIGNED_KEY_BYTES = 650;

export class SignatureCache {
  /** By checksum. A key string replaces another one with the same checksum. */
  readonly #keys: LruCache<{ readonly fingerprint: Fingerprint; readonly key: SignedKey }>;
  readonly #fingerprinter = new Fingerprinter(KEY_STRING_LENGTH_MAX);

  constructor(budget: MemoryBudget = isolateMemory) {
    this.#keys = new LruCache(budget);
  }

  /** The signed key of a text, null when the cache does not have it. */
  find(text: string): SignedKey | null {
    const found = this.#keys.get(checksumOf(text));
    if (found === undefined) return null;
    const fingerprint = this.#fingerprinter.of(text);
    return fingerprint !== null && sameFingerprint(fingerprint, found.fingerprint) ? found.key : null;
  }

  /** Adds a key string. Only for one whose signature was verified. */
  remember(text: string, key: SignedKey): void {
    const fingerprint = this.#fingerprinter.of(text);
    if (fingerprint !== null) this.#keys.set(checksumOf(text), { fingerprint, key }, SIGNED_KEY_BYTES);
  }
}

const checksumOf = (text: string) => text.slice(-CRC_DIGITS);
