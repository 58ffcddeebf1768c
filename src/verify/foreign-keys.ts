/**
 * Key strings that were issued elsewhere and imported by their hash. Such a string does not say where its tenant lives,
 * so it is looked for only in the tenant that the request names or that the caller is confined to.
 *
 * The first verification of one hashes it, and asks the object of the tenant for a key with that digest. Then this
 * cache knows which key it is, and the next one is decided like that of any other key: by the record under a lease, or
 * by one call. The cache holds no key string, only a fingerprint. An entry may be out of date, when the key was deleted
 * and imported again: then no record of the old key is held any more, and the object tells which key it is now. A
 * string that belongs to no key leaves nothing behind.
 */
import { FOREIGN_KEY_BYTES_MAX, KEY_BODY_LENGTH, KEY_PREFIX_LENGTH_MAX } from '../../domain/key-string/key-string.ts';
import { isolateMemory, type MemoryBudget } from '../../domain/memory/budget.ts';
import {
  ANY_CHARACTER_MAX,
  type Fingerprint,
  Fingerprinter,
  sameFingerprint,
} from '../../domain/memory/fingerprint.ts';
import { LruCache } from '../../domain/memory/lru-cache.ts';
import type { ForeignKeyDigester } from '../crypto/foreign-key-digest.ts';
import type { Place } from '../tenant-memory.ts';
import type { SignedKey } from './signature-cache.ts';

/** What an entry takes beside the tenant id in its name (bytes), with a digest for one keyring entry. */
const FOREIGN_KEY_BYTES = 1000;
/** What each further digest takes. */
const DIGEST_BYTES = 150;

/** The form of our own key strings, whatever the checksum says. They are never looked for as foreign ones. */
const OWN_FORM = new RegExp(`^[a-z][a-z0-9_]{0,${KEY_PREFIX_LENGTH_MAX - 1}}_[0-9A-Za-z]{${KEY_BODY_LENGTH}}$`);

/** Whether a text can be a foreign key string. */
function isForeign(text: string): boolean {
  if (text.length === 0 || text.length > FOREIGN_KEY_BYTES_MAX || OWN_FORM.test(text)) return false;
  // Halves of surrogate pairs are no text in UTF-8: several such strings would have the same hash.
  return text.isWellFormed() && new TextEncoder().encode(text).length <= FOREIGN_KEY_BYTES_MAX;
}

/** A foreign key string in a tenant. It is verified like a key string of our own whose signature is valid. */
export class ForeignKey implements SignedKey {
  readonly objectName: string;
  readonly system = false;
  readonly digest: Uint8Array;
  readonly digests: readonly Uint8Array[];
  isMetered?: boolean;
  readonly #name: string;
  readonly #remember: (key: ForeignKey) => void;
  readonly #known: () => ForeignKey | null;
  #keyId: string | null = null;

  constructor(
    objectName: string,
    digests: readonly Uint8Array[],
    { remember, known }: { remember: (key: ForeignKey) => void; known: () => ForeignKey | null },
  ) {
    const [digest] = digests;
    if (digest === undefined) throw new Error('a foreign key has no digest');
    this.objectName = objectName;
    this.digest = digest;
    this.digests = digests;
    this.#name = `foreign ${digest.join('.')}`;
    this.#remember = remember;
    this.#known = known;
  }

  /** The id of the key, as far as it is known; null when it is not. */
  get keyId(): string | null {
    if (this.#keyId !== null) return this.#keyId;
    const known = this.#known();
    if (known !== null) this.#keyId = known.#keyId;
    return this.#keyId;
  }

  /** The id of the key. As long as that is not known, a name that no key has. */
  get id(): string {
    return this.keyId ?? this.#name;
  }

  /** Call this when the object has told which key it is. */
  foundAs(keyId: string): void {
    this.#keyId = keyId;
    this.#remember(this);
  }
}

type Entry = { readonly fingerprint: Fingerprint; readonly key: ForeignKey };

export class ForeignKeys {
  readonly #digester: ForeignKeyDigester;
  /** By tenant and a part of the fingerprint. One key string may be in several tenants. */
  readonly #keys: LruCache<Entry>;
  readonly #fingerprinter = new Fingerprinter(FOREIGN_KEY_BYTES_MAX, ANY_CHARACTER_MAX);

  constructor(digester: ForeignKeyDigester, budget: MemoryBudget = isolateMemory) {
    this.#digester = digester;
    this.#keys = new LruCache(budget);
  }

  /** The key of a text in a tenant; null when the cache does not know it. */
  find(tenantId: string, text: string): ForeignKey | null {
    const fingerprint = this.#fingerprinter.of(text);
    return fingerprint === null ? null : this.#get(tenantId, fingerprint);
  }

  #get(tenantId: string, fingerprint: Fingerprint): ForeignKey | null {
    const found = this.#keys.get(nameOf(tenantId, fingerprint));
    return found !== undefined && sameFingerprint(found.fingerprint, fingerprint) ? found.key : null;
  }

  /** The foreign key of a text in a tenant, which may not exist; null when the text cannot be one. */
  async read(tenantId: string, text: string, place: Place | Promise<Place>): Promise<ForeignKey | null> {
    if (!isForeign(text)) return null;
    const fingerprint = this.#fingerprinter.of(text);
    if (fingerprint === null) return null;
    const digests = await this.#digester.ofKeyString(tenantId, text);
    const bytes = FOREIGN_KEY_BYTES + tenantId.length + digests.length * DIGEST_BYTES;
    return new ForeignKey((await place).objectName, digests, {
      known: () => this.#get(tenantId, fingerprint),
      remember: (key) => this.#keys.set(nameOf(tenantId, fingerprint), { fingerprint, key }, bytes),
    });
  }
}

const nameOf = (tenantId: string, { a, b }: Fingerprint) => `${tenantId} ${a} ${b}`;
