/** From a bearer token to the principal behind it. */
import type { Runtime } from '../config/runtime.ts';
import type { Objects } from '../objects.ts';
import { type VerificationOptions, verifyKeyString } from '../verification.ts';
import { principalOf } from './management-key.ts';
import { PERMISSIONS, type Principal } from './principal.ts';

/** Longer tokens are nobody's; a bound for what is compared. */
const TOKEN_LENGTH_MAX = 256;

const ADMIN: Principal = {
  actor: { type: 'admin_token', id: 'admin' },
  permissions: new Set(PERMISSIONS),
  tenantId: null,
};

/** Knows the callers: the one of `ADMIN_TOKEN`, if it is set, and the holders of management keys. */
export class Authenticator {
  readonly #adminToken: Uint8Array | null;
  /** Filled and compared without a wait in between. */
  readonly #scratch = new Uint8Array(TOKEN_LENGTH_MAX);

  constructor(adminToken: string | null) {
    this.#adminToken = adminToken === null ? null : padded(adminToken, new Uint8Array(TOKEN_LENGTH_MAX));
  }

  /**
   * The principal, null for a token that is nobody's, or not any more. A management key is verified as any key is: it costs no object call
   * when it is forged or leased, one otherwise.
   */
  async authenticate(token: string, runtime: Runtime, objects: Objects): Promise<Principal | null> {
    if (token.length > TOKEN_LENGTH_MAX) return null;
    if (this.#adminToken !== null && crypto.subtle.timingSafeEqual(padded(token, this.#scratch), this.#adminToken))
      return ADMIN;
    const answer = await verifyKeyString(token, MANAGEMENT, runtime, objects);
    return answer.code === 'VALID' ? principalOf(answer.key) : null;
  }
}

const MANAGEMENT: VerificationOptions = { scopes: [], within: [], system: true, fresh: false };

/** Always the same number of bytes, so that the comparison does not tell the length. */
function padded(token: string, into: Uint8Array): Uint8Array {
  // A bearer token is ASCII, as is the configured one.
  for (let i = 0; i < TOKEN_LENGTH_MAX; i++) into[i] = i < token.length ? token.charCodeAt(i) : 0;
  return into;
}
