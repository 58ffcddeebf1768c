/**
 * Calls under way that may decide other verifications as well. When a lease has ended, the first verification renews it
 * and the others of that moment wait, so that a burst makes one call.
 */
import type { SignedKey } from './signature-cache.ts';

/**
 * How long a verification waits at most for the call of another request (ms). A request that is cut off may take its
 * call with it.
 */
const WAIT_MAX_MS = 1000;

const LATE = Symbol('late');

/** What an isolate holds, as far as this has to know it. */
type Holdings = {
  awaitsRenewal(tenant: string, keyId: string): boolean;
  knows(tenant: string): boolean;
};

export class PendingCalls {
  /** The latest call by object, by key, and by budget. */
  readonly #calls = new Map<string, Promise<unknown>>();
  /** Calls that only renew a lease, by object. */
  readonly #renewals = new Map<string, Promise<unknown>>();

  /**
   * The call whose end will probably decide this verification: any to the object when only the lease has to be renewed,
   * else one about the same key. Undefined when there is none, and for tenants that grant no leases.
   */
  decisive({ id, objectName }: SignedKey, holdings: Holdings): Promise<unknown> | undefined {
    if (this.#calls.size === 0 || !holdings.knows(objectName)) return undefined;
    return this.#calls.get(holdings.awaitsRenewal(objectName, id) ? objectName : id);
  }

  /** The latest call that is about one of these budgets; undefined when there is none. */
  about(objectName: string, charged: readonly { readonly budget: string }[]): Promise<unknown> | undefined {
    if (this.#calls.size === 0) return undefined;
    for (const { budget } of charged) {
      const call = this.#calls.get(nameOf(objectName, budget));
      if (call !== undefined) return call;
    }
    return undefined;
  }

  /** Resolves when the call has ended, however it did, with true; or with false after `WAIT_MAX_MS`. */
  async end(call: Promise<unknown>): Promise<boolean> {
    return (await Promise.race([call.catch(() => {}), scheduler.wait(WAIT_MAX_MS).then(() => LATE)])) !== LATE;
  }

  /** Waits for a renewal of the lease on a tenant: the one that is under way, or a new one. */
  async renewal(objectName: string, renew: () => Promise<unknown>): Promise<void> {
    const underWay = this.#renewals.get(objectName);
    if (underWay !== undefined && (await this.end(underWay))) return;
    const renewing = renew();
    this.#renewals.set(objectName, renewing);
    try {
      await renewing;
    } finally {
      if (this.#renewals.get(objectName) === renewing) this.#renewals.delete(objectName);
    }
  }

  /** Lets others wait for this call about a key, and about the budgets of its limits, while it is under way. */
  follow<T>(
    { id, objectName }: SignedKey,
    charged: readonly { readonly budget: string }[],
    call: Promise<T>,
  ): Promise<T> {
    const names = [objectName, id, ...charged.map(({ budget }) => nameOf(objectName, budget))];
    for (const name of names) this.#calls.set(name, call);
    const forget = () => {
      for (const name of names) if (this.#calls.get(name) === call) this.#calls.delete(name);
    };
    call.then(forget, forget);
    return call;
  }
}

/** Budgets of different tenants may have the same name. */
const nameOf = (objectName: string, budget: string) => `${objectName} ${budget}`;
