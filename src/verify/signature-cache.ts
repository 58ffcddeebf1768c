/**
 * Key strings that were found genuine, so that the next verification of one needs neither parsing nor HMAC: whether a text is genuine follows from the
 * text and HMAC_SECRET alone, so what was found once stands as long as this configuration does. Says nothing about the record.
 *
 * The texts are not kept: they are found by their checksum and told apart by their fingerprints.
 */
import { isolateMemory, type MemoryBudget } from '../../domain/memory/budget.ts';
import { LruCache } from '../../domain/memory/lru-cache.ts';
import { type Fingerprint, Fingerprinter, sameFingerprint } from '../crypto/fingerprint.ts';
import { CRC_DIGITS, KEY_STRING_LENGTH_MAX } from '../crypto/key-string.ts';

/** What a genuine key string says. */
export type SignedKey = {
  /** `key_…` */
  readonly id: string;
  /** Name of the object that holds the record. */
  readonly objectName: string;
  /** Whether it is a management key. */
  readonly system: boolean;
  /** 20 bytes that the record must have. */
  readonly digest: Uint8Array;
};

/** Measured: 470 on the heap, 150 outside for the digest. Key strings with the same checksum take turns. */
const KNOWN_KEY_BYTES = 650;

export class SignatureCache {
  readonly #keys: LruCache<{ readonly fingerprint: Fingerprint; readonly key: SignedKey }>;
  readonly #fingerprinter = new Fingerprinter(KEY_STRING_LENGTH_MAX);

  constructor(budget: MemoryBudget = isolateMemory) {
    this.#keys = new LruCache(budget);
  }

  find(text: string): SignedKey | null {
    const found = this.#keys.get(checksumOf(text));
    if (found === undefined) return null;
    const fingerprint = this.#fingerprinter.of(text);
    return fingerprint !== null && sameFingerprint(fingerprint, found.fingerprint) ? found.key : null;
  }

  /** To be called for genuine key strings only. */
  remember(text: string, key: SignedKey): void {
    const fingerprint = this.#fingerprinter.of(text);
    if (fingerprint !== null) this.#keys.set(checksumOf(text), { fingerprint, key }, KNOWN_KEY_BYTES);
  }
}

const checksumOf = (text: string) => text.slice(-CRC_DIGITS);
