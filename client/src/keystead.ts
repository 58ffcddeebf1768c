/** The client: `verify`, and one method for each operation, in groups named like those of the API. */
import type { Resources } from './api/operations.ts';
import type { Verification } from './api/types.ts';
import { type FetchLike, platform } from './http/platform.ts';
import { HttpTransport, type TransportAnswer, type TransportOptions, type TransportRequest } from './http/transport.ts';
import { resourcesOn } from './resources/resources.ts';
import { LeasedVerifier, type LeaseOptions } from './verify/leased-verifier.ts';
import { askServer, type VerifyOptions } from './verify/verify.ts';

/** A service binding of a Worker to Keystead. It has no token: what it may do is written in the binding itself. */
export interface BindingOptions extends Omit<TransportOptions, 'url' | 'token' | 'fetch'> {
  readonly binding: { readonly fetch: FetchLike };
}

interface LeasingOptions {
  /**
   * Whether this process holds leases, and verifies the keys that it has seen by itself. A revocation that has returned
   * is final all the same. By default it does, except in Workers, where it needs `waitUntil`.
   */
  readonly leases?: boolean | LeaseOptions | undefined;
}

export type KeysteadOptions = (TransportOptions | BindingOptions) & LeasingOptions;

export interface Keystead extends Resources {}

// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the resources are made from the same table as their types
export class Keystead {
  readonly #transport: HttpTransport;
  readonly #verifier: LeasedVerifier | null;

  /** Throws a `TypeError` for options that cannot work. Asks nothing yet. */
  constructor(options: KeysteadOptions) {
    this.#transport = new HttpTransport('binding' in options ? overBinding(options) : options);
    // A Worker sleeps between requests, so it renews and reports only where something keeps it awake.
    const { leases = platform.navigator?.userAgent !== 'Cloudflare-Workers' } = options;
    this.#verifier = leases === false ? null : new LeasedVerifier(this.#transport, leases === true ? {} : leases);
    Object.assign(this, resourcesOn(this.#transport));
  }

  /**
   * Says whether a key is good for what is asked of it. A key that is not good is an answer too, with `valid: false`
   * and the reason as `code`. Rejects with a `KeysteadError` when Keystead gives no such answer: then the key is
   * neither good nor bad, and the request of your customer must not go on.
   */
  async verify(key: string, options?: VerifyOptions): Promise<Verification> {
    // Not awaited here: an answer from memory comes a turn of the queue earlier.
    return this.#verifier === null ? askServer(this.#transport, key, options) : this.#verifier.verify(key, options);
  }

  /**
   * Reports to the server what this process has verified itself in the last seconds, and ends its work in the
   * background. Call it before the process ends; without it, those uses are not counted.
   */
  async close(): Promise<void> {
    await this.#verifier?.close();
  }

  /** Any request to Keystead, with token, timeout and retries: for what has no method, such as usage as CSV. */
  request(request: TransportRequest): Promise<TransportAnswer> {
    return this.#transport.request(request);
  }
}

/** Over a binding, neither the host nor the token means anything. */
function overBinding({ binding, ...options }: BindingOptions): TransportOptions {
  return { ...options, url: 'http://keystead', token: 'binding', fetch: (url, init) => binding.fetch(url, init) };
}
