/**
 * Leases as an isolate of the Worker holds them: records that are sure not to change for a while, decided about at each verification by the same
 * function that the object uses, so that expiry, grace and scopes are as exact as there. Found by the text of the key string, of which only a
 * fingerprint is kept: the same text was parsed, and its signature checked, before the lease came. Pure: time is passed in, and must come
 * from one clock.
 */
import type { VerifiedKey } from '../../durable-objects/keys/record.ts';
import { type Fingerprint, Fingerprinter, sameFingerprint } from '../secrets/fingerprint.ts';
import { KEY_STRING_LENGTH_MAX } from '../secrets/key-string.ts';

export type LeasedKey = {
  readonly tenantId: string;
  /** Name of the tenant's object. */
  readonly objectName: string;
  readonly key: VerifiedKey;
};

/** A question on its way to an object; the lease that the answer may bring is counted from here. */
export type Asking = { readonly at: number; readonly epoch: number };

export type Lease = LeasedKey & {
  readonly fingerprint: Fingerprint;
  readonly until: number;
  /** Minute of the last use that the object knows of, or has been told. */
  usedMinute: number;
};

const minuteOf = (now: number) => Math.floor(now / 60_000);

/** Keys that an isolate holds leases on; the least recently used goes first. About 1 KB each. */
const LEASES_MAX = 10_000;

/** Where to look for a lease: the end of the key string, its checksum. Key strings that share it take turns. */
const SLOT_LENGTH = 6;
const slotOf = (keyString: string) => keyString.slice(-SLOT_LENGTH);

export class LeaseCache {
  readonly #leases = new Map<string, Lease>();
  readonly #fingerprinter = new Fingerprinter(KEY_STRING_LENGTH_MAX);
  readonly #max: number;
  #lastNow = 0;
  /** Counts how often the clock was seen to go back. */
  #epoch = 0;

  constructor(max = LEASES_MAX) {
    this.#max = max;
  }

  /** The lease on the key with this key string, if one is in force at `now`. */
  get(keyString: string, now: number): Lease | null {
    this.#see(now);
    const slot = slotOf(keyString);
    const lease = this.#leases.get(slot);
    if (lease === undefined) return null;
    if (lease.until <= now) {
      this.#leases.delete(slot);
      return null;
    }
    const fingerprint = this.#fingerprinter.of(keyString);
    if (fingerprint === null || !sameFingerprint(lease.fingerprint, fingerprint)) return null;
    // Back to the end of the line.
    this.#leases.delete(slot);
    this.#leases.set(slot, lease);
    return lease;
  }

  /**
   * Whether a use at `now` of a leased key is news to the object: the first in its minute, since `lastUsedAt` is kept to the minute. True once
   * for each.
   */
  isNewUse(lease: Lease, now: number): boolean {
    if (lease.usedMinute >= minuteOf(now)) return false;
    lease.usedMinute = minuteOf(now);
    return true;
  }

  /** To be called before a question is sent. */
  ask(now: number): Asking {
    this.#see(now);
    return { at: now, epoch: this.#epoch };
  }

  /** Takes a lease of `leaseMs` that came with the answer to a question about this key string. */
  put(keyString: string, leased: LeasedKey, leaseMs: number, asking: Asking, now: number): void {
    this.#see(now);
    const fingerprint = this.#fingerprinter.of(keyString);
    if (asking.epoch !== this.#epoch || fingerprint === null) return;
    const slot = slotOf(keyString);
    this.#leases.delete(slot);
    // The object saw this very use.
    const usedMinute = minuteOf(asking.at);
    this.#leases.set(slot, { ...leased, fingerprint, until: asking.at + leaseMs, usedMinute });
    if (this.#leases.size > this.#max) this.#dropOldest();
  }

  /** A clock that went back measures no duration: whatever was counted with it is void. */
  #see(now: number): void {
    if (now < this.#lastNow) {
      this.#leases.clear();
      this.#epoch += 1;
    }
    this.#lastNow = now;
  }

  #dropOldest(): void {
    for (const oldest of this.#leases.keys()) {
      this.#leases.delete(oldest);
      return;
    }
  }
}
