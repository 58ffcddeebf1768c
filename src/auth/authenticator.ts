/** From a bearer token to the principal behind it. */
import { ADMIN_TOKEN_LENGTH_MAX } from '../config/config.ts';
import { type Fingerprint, Fingerprinter, sameFingerprint } from '../crypto/fingerprint.ts';
import {
  type VerificationObjects,
  type VerificationOptions,
  type VerificationServices,
  type Verified,
  verifyKeyString,
} from '../verify/verify.ts';
import { principalOf } from './management-key.ts';
import { PERMISSIONS, type Principal } from './principal.ts';

const ADMIN: Principal = {
  actor: { type: 'admin_token', id: 'admin' },
  permissions: new Set(PERMISSIONS),
  confinement: null,
  endsAt: null,
};

/** Knows the callers: the one of `ADMIN_TOKEN`, if it is set, and the holders of management keys. */
export class Authenticator {
  readonly #fingerprinter = new Fingerprinter(ADMIN_TOKEN_LENGTH_MAX);
  readonly #adminToken: Fingerprint | null;

  constructor(adminToken: string | null) {
    this.#adminToken = adminToken === null ? null : this.#fingerprinter.of(adminToken);
  }

  /**
   * The principal, null for a token that is nobody's, or not any more. A management key is verified as any key is: it costs no object call
   * when it is forged or leased, one otherwise.
   */
  authenticate(
    token: string,
    services: VerificationServices,
    objects: VerificationObjects,
  ): Principal | null | Promise<Principal | null> {
    const fingerprint = this.#fingerprinter.of(token);
    if (fingerprint === null) return null;
    if (this.#adminToken !== null && sameFingerprint(fingerprint, this.#adminToken)) return ADMIN;
    const verified = verifyKeyString(token, MANAGEMENT, services, objects);
    return verified instanceof Promise ? verified.then(holderOf) : holderOf(verified);
  }
}

function holderOf(verified: Verified): Principal | null {
  return verified.code === 'VALID' ? principalOf(verified.key) : null;
}

const MANAGEMENT: VerificationOptions = { scopes: [], within: [], system: true, fresh: false };
