/**
 * Keys that were issued elsewhere. They are rows of `keys` like all others, with a hint, which no other key has, and
 * with a digest of the hash that was imported. A verification finds them by that digest.
 */
import { sameBytes } from '../../../domain/bytes.ts';
import type { ForeignKeyInput } from '../../../domain/keys/record.ts';
import type { DuplicateHash } from '../../../domain/outcome.ts';

/** The index has imported keys only, so that others pay nothing for it. */
export const IMPORTED_KEYS = `
  ALTER TABLE keys ADD COLUMN hint TEXT;
  CREATE UNIQUE INDEX keys_imported ON keys (digest) WHERE hint IS NOT NULL;
  `;

/** Most duplicates that a refusal names. */
export const DUPLICATES_MAX = 100;

/** The text by which a digest is found: its bytes in hexadecimal. */
export function nameOf(digest: Uint8Array): string {
  let name = '';
  for (const byte of digest) name += HEX[byte];
  return name;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/**
 * Keys to import whose hash is there already: in the tenant (`stored` has the ids of its keys by the names of their
 * digests), or earlier in the list. At most `DUPLICATES_MAX`.
 */
export function duplicatesIn(keys: readonly ForeignKeyInput[], stored: ReadonlyMap<string, string>): DuplicateHash[] {
  const seen = new Set<string>();
  const duplicates: DuplicateHash[] = [];
  for (const [index, { digests }] of keys.entries()) {
    const keyId = stored.size === 0 ? undefined : firstOf(digests, (digest) => stored.get(nameOf(digest)));
    const [current] = digests;
    const name = current === undefined ? '' : nameOf(current);
    if (keyId !== undefined) duplicates.push({ index, keyId });
    else if (seen.has(name)) duplicates.push({ index });
    if (duplicates.length === DUPLICATES_MAX) break;
    seen.add(name);
  }
  return duplicates;
}

/** What is found for the first of these digests for which something is found. */
export function firstOf<T>(digests: readonly Uint8Array[], find: (digest: Uint8Array) => T | undefined): T | undefined {
  for (const digest of digests) {
    const found = find(digest);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether one of `digests` is this one. */
export const includesDigest = (digests: readonly Uint8Array[], digest: Uint8Array) =>
  digests.some((each) => each.length === digest.length && sameBytes(each, digest));

/** Digests that are remembered one by one, 100 bytes each. Beyond that every digest counts. */
const REMOVED_MAX = 1000;

/**
 * Digests of imported keys that were removed while holders may still have their records. An import can bring such a
 * digest back under a new id. The records of the old id must not decide about it then, so that import waits like a
 * change of what they have (domain/leases/granter.ts). Other imports bring nothing that anybody could hold.
 */
export class RemovedDigests {
  #names: Set<string> | null = new Set();

  add(digest: Uint8Array): void {
    this.#names?.add(nameOf(digest));
    if (this.#names !== null && this.#names.size > REMOVED_MAX) this.#names = null;
  }

  hasAny(digests: readonly Uint8Array[]): boolean {
    const names = this.#names;
    return names === null || digests.some((digest) => names.has(nameOf(digest)));
  }

  /** Call this when no lease is in force, so that nobody can use a record of any of them. */
  clear(): void {
    if (this.#names === null || this.#names.size > 0) this.#names = new Set();
  }
}
