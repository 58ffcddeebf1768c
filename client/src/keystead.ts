/** The client: `verify`, and one method for each operation, in groups named like those of the API. */
import type { Resources } from './api/operations.ts';
import type { Verification } from './api/types.ts';
import { HttpTransport, type TransportAnswer, type TransportOptions, type TransportRequest } from './http/transport.ts';
import { resourcesOn } from './resources/resources.ts';
import { type VerifyOptions, verify } from './verify/verify.ts';

export interface KeysteadOptions extends TransportOptions {}

export interface Keystead extends Resources {}

// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the resources are made from the same table as their types
export class Keystead {
  readonly #transport: HttpTransport;

  /** Throws a `TypeError` for options that cannot work. Asks nothing yet. */
  constructor(options: KeysteadOptions) {
    this.#transport = new HttpTransport(options);
    Object.assign(this, resourcesOn(this.#transport));
  }

  /**
   * Says whether a key is good for what is asked of it. A key that is not good is an answer too, with `valid: false`
   * and the reason as `code`. Rejects with a `KeysteadError` when Keystead gives no such answer: then the key is
   * neither good nor bad, and the request of your customer must not go on.
   */
  verify(key: string, options?: VerifyOptions): Promise<Verification> {
    return verify(this.#transport, key, options);
  }

  /** Any request to Keystead, with token, timeout and retries: for what has no method, such as usage as CSV. */
  request(request: TransportRequest): Promise<TransportAnswer> {
    return this.#transport.request(request);
  }
}
