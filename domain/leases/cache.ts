/**
 * Leases as an isolate of the Worker holds them: records that are sure not to change for a while, decided about at each verification by the same
 * function that the object uses, so that expiry, grace and scopes are as exact as there. Found by the key's id and accepted only with the
 * digest of the key string; no key string is kept. Pure: time is passed in, and must come from one clock.
 */
import { sameBytes } from '../bytes.ts';
import type { VerifiedKey } from '../keys/record.ts';
import { isolateMemory, type MemoryBudget } from '../memory/budget.ts';
import { LruCache } from '../memory/lru-cache.ts';
import { bytesPerCharacter, TEXT_BYTES } from '../memory/size.ts';
import type { TenantIdentity } from '../tenants/target.ts';

export type LeasedKey = {
  readonly tenant: TenantIdentity;
  readonly key: VerifiedKey;
  readonly digest: Uint8Array;
};

/** A question on its way to an object; the lease that the answer may bring is counted from here. */
export type Asking = { readonly at: number; readonly epoch: number };

type Lease = LeasedKey & {
  readonly until: number;
  /** Minute of the last use that the object knows of, or has been told. */
  usedMinute: number;
};

const minuteOf = (now: number) => Math.floor(now / 60_000);

/**
 * What a lease takes beside the texts that callers choose: the record, its ids and the digest, and what others keep for
 * as long as they are given this very record: the whole answer (routes/verify.ts) or the principal
 * (callers/management-key.ts). Measured: 800 with a short name and an owner alone, 1,200 with two scopes and little
 * metadata, 51,000 for the largest key.
 */
const LEASE_BYTES = 1100;

/** The caller's texts are there twice: in the record, and in the answer, all of which is wide if one character is. */
function leaseBytes({ key: { name, owner, metadata, scopes } }: LeasedKey): number {
  const chosen = [name, owner ?? '', metadata];
  const width = Math.max(...chosen.map(bytesPerCharacter));
  let characters = 0;
  for (const { length } of chosen) characters += length;
  for (const { length } of scopes) characters += length;
  return LEASE_BYTES + 2 * width * characters + scopes.length * (TEXT_BYTES + 3 * width);
}

export class LeaseCache {
  readonly #leases: LruCache<Lease>;
  #lastNow = 0;
  /** Counts how often the clock was seen to go back. */
  #epoch = 0;

  constructor(budget: MemoryBudget = isolateMemory) {
    this.#leases = new LruCache(budget);
  }

  /** The record with this id and digest, if a lease on it is in force at `now`. */
  get(keyId: string, digest: Uint8Array, now: number): LeasedKey | null {
    this.#see(now);
    const lease = this.#leases.get(keyId);
    if (lease === undefined) return null;
    if (lease.until <= now) {
      this.#leases.delete(keyId);
      return null;
    }
    return lease.digest === digest || sameBytes(lease.digest, digest) ? lease : null;
  }

  /**
   * Whether a use of this key at `now` is news to the object: the first in its minute, since `lastUsedAt` is kept to the minute. True once
   * for each.
   */
  isNewUse(keyId: string, now: number): boolean {
    const lease = this.#leases.get(keyId);
    if (lease === undefined || lease.usedMinute >= minuteOf(now)) return false;
    lease.usedMinute = minuteOf(now);
    return true;
  }

  /** To be called before a question is sent. */
  ask(now: number): Asking {
    this.#see(now);
    return { at: now, epoch: this.#epoch };
  }

  /** Takes a lease of `leaseMs` that came with the answer to a question. */
  put(leased: LeasedKey, leaseMs: number, asking: Asking, now: number): void {
    this.#see(now);
    if (asking.epoch !== this.#epoch) return;
    // The object saw this very use.
    const usedMinute = minuteOf(asking.at);
    this.#leases.set(leased.key.id, { ...leased, until: asking.at + leaseMs, usedMinute }, leaseBytes(leased));
  }

  /** A clock that went back measures no duration: whatever was counted with it is void. */
  #see(now: number): void {
    if (now < this.#lastNow) {
      this.#leases.clear();
      this.#epoch += 1;
    }
    this.#lastNow = now;
  }
}
