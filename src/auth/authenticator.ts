/** Authentication: from a bearer token to the principal that it stands for. */

import { type Fingerprint, Fingerprinter, sameFingerprint } from '../../domain/memory/fingerprint.ts';
import { ADMIN_TOKEN_LENGTH_MAX } from '../config/config.ts';
import type { VerificationObjects, VerificationServices } from '../verify/services.ts';
import { type Verification, type VerificationOptions, verifyKeyString } from '../verify/verify.ts';
import { principalOf } from './management-key.ts';
import { PERMISSIONS, type Principal } from './principal.ts';

const ADMIN: Principal = {
  actor: { type: 'admin_token', id: 'admin' },
  permissions: new Set(PERMISSIONS),
  confinement: null,
  endsAt: null,
};

/** Authenticates callers by `ADMIN_TOKEN`, if it is set, or by a management key. */
export class Authenticator {
  readonly #fingerprinter = new Fingerprinter(ADMIN_TOKEN_LENGTH_MAX);
  readonly #adminToken: Fingerprint | null;

  constructor(adminToken: string | null) {
    this.#adminToken = adminToken === null ? null : this.#fingerprinter.of(adminToken);
  }

  /**
   * The principal, null for a token that is not valid, or no longer. A management key is verified like any other key:
   * no object call when it is malformed, forged or leased, one otherwise.
   */
  authenticate(
    token: string,
    services: VerificationServices,
    objects: VerificationObjects,
  ): Principal | null | Promise<Principal | null> {
    const fingerprint = this.#fingerprinter.of(token);
    if (fingerprint === null) return null;
    if (this.#adminToken !== null && sameFingerprint(fingerprint, this.#adminToken)) return ADMIN;
    const verified = verifyKeyString(token, MANAGEMENT_KEY, services, objects);
    return verified instanceof Promise ? verified.then(principalFrom) : principalFrom(verified);
  }
}

function principalFrom(verified: Verification): Principal | null {
  return verified.code === 'VALID' ? principalOf(verified.key) : null;
}

const MANAGEMENT_KEY: VerificationOptions = { scopes: [], within: [], system: true, fresh: false };
