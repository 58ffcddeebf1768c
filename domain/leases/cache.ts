/**
 * The leases that an isolate of the Worker holds: records that are sure not to change for a while. Each verification is
 * decided by `decide`, the function that the object uses, so expiry, grace and scopes are as exact here as there. A
 * record is found by the key's id and used only with the matching digest; no key string is kept. Pure: the time is
 * passed in and must come from one clock.
 */
import { sameBytes } from '../bytes.ts';
import type { VerifiedKey } from '../keys/record.ts';
import { isolateMemory, type MemoryBudget } from '../memory/budget.ts';
import { LruCache } from '../memory/lru-cache.ts';
import { bytesPerCharacter, TEXT_BYTES } from '../memory/size.ts';
import type { TenantIdentity } from '../tenants/target.ts';

/** A key that is sure not to change while its lease is in force. */
export type LeasedKey = {
  readonly tenant: TenantIdentity;
  readonly key: VerifiedKey;
  readonly digest: Uint8Array;
};

/**
 * A call to an object that is under way. A lease that comes back with its result counts from `at`, when the call was
 * sent.
 */
export type Asking = { readonly at: number; readonly epoch: number };

type Lease = LeasedKey & {
  readonly until: number;
  /** Minute of the last use that the object has recorded or has been told of. */
  usedMinute: number;
};

const minuteOf = (now: number) => Math.floor(now / 60_000);

/**
 * What a lease takes beside the texts that callers choose: the record, its ids and digest, and what others keep with
 * this very record: the response (src/api/verification/operations.ts) or the principal (src/auth/management-key.ts).
 * Measured: 800 with a short name and an owner only, 1,200 with two scopes and little metadata, 51,000 for the largest
 * key.
 */
const LEASE_BYTES = 1100;

/**
 * The caller's texts count twice: they are in the record and in the response. The response is one text, so a single
 * character beyond Latin-1 doubles what all of it takes.
 */
function leaseBytes({ key: { name, owner, metadata, scopes } }: LeasedKey): number {
  const chosen = [name, owner ?? '', metadata];
  const width = Math.max(...chosen.map(bytesPerCharacter));
  let characters = 0;
  for (const { length } of chosen) characters += length;
  for (const { length } of scopes) characters += length;
  return LEASE_BYTES + 2 * width * characters + scopes.length * (TEXT_BYTES + 3 * width);
}

/** The leases of one isolate, by key id. */
export class LeaseCache {
  readonly #leases: LruCache<Lease>;
  #lastNow = 0;
  /** How often the clock was seen to go back. */
  #epoch = 0;

  constructor(budget: MemoryBudget = isolateMemory) {
    this.#leases = new LruCache(budget);
  }

  /** The record with this id and digest, if a lease on it is in force at `now` (ms); null otherwise. */
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
   * Whether the object must be told of a use of this key at `now`: only of the first in each minute, since `lastUsedAt`
   * is kept to the minute. True once for each minute.
   */
  isNewUse(keyId: string, now: number): boolean {
    const lease = this.#leases.get(keyId);
    if (lease === undefined || lease.usedMinute >= minuteOf(now)) return false;
    lease.usedMinute = minuteOf(now);
    return true;
  }

  /** Call this before the call to the object is sent. */
  ask(now: number): Asking {
    this.#see(now);
    return { at: now, epoch: this.#epoch };
  }

  /**
   * Keeps a lease of `leaseMs` that came with the result of a call, unless the clock went back since the call was sent.
   */
  put(leased: LeasedKey, leaseMs: number, asking: Asking, now: number): void {
    this.#see(now);
    if (asking.epoch !== this.#epoch) return;
    // The object has recorded this use itself.
    const usedMinute = minuteOf(asking.at);
    this.#leases.set(leased.key.id, { ...leased, until: asking.at + leaseMs, usedMinute }, leaseBytes(leased));
  }

  /** A clock that went back measures no durations, so every lease that was counted with it is dropped. */
  #see(now: number): void {
    if (now < this.#lastNow) {
      this.#leases.clear();
      this.#epoch += 1;
    }
    this.#lastNow = now;
  }
}
