/** The client: one method for each operation, in groups named like those of the API. */
import { HttpTransport, type TransportOptions } from './http/transport.ts';
import { type Verification, type VerifyOptions, verify } from './verify/verify.ts';

export interface KeysteadOptions extends TransportOptions {}

export class Keystead {
  readonly #transport: HttpTransport;

  constructor(options: KeysteadOptions) {
    this.#transport = new HttpTransport(options);
  }

  /** Says whether a key is good for what is asked. Refused keys are answers too; everything else is an error. */
  verify(key: string, options: VerifyOptions = {}): Promise<Verification> {
    return verify(this.#transport, key, options);
  }
}
