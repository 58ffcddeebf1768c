/**
 * A cache of key strings with a valid signature: the next verification of one needs neither parsing nor HMAC. An entry
 * never becomes wrong: the signature depends on the text and HMAC_SECRET alone, and that is fixed for an isolate. An
 * entry says nothing about the record.
 */
import { KEY_STRING_LENGTH_MAX } from '../../domain/key-string/key-string.ts';
import { isolateMemory, type MemoryBudget } from '../../domain/memory/budget.ts';
import { SecretCache } from '../../domain/memory/secret-cache.ts';

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
  readonly #keys: SecretCache<SignedKey>;

  constructor(budget: MemoryBudget = isolateMemory) {
    this.#keys = new SecretCache(KEY_STRING_LENGTH_MAX, budget);
  }

  /** The signed key of a text, null when the cache does not have it. */
  find(text: string): SignedKey | null {
    return this.#keys.find(text) ?? null;
  }

  /** Adds a key string. Only for one whose signature was verified. */
  remember(text: string, key: SignedKey): void {
    this.#keys.remember(text, key, SIGNED_KEY_BYTES);
  }
}
