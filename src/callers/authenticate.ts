/** From a bearer token to the principal behind it. */
import { locatorOf, objectNameOf, SYSTEM_TENANT_ID } from '../../durable-objects/tenants/locator.ts';
import type { Objects } from '../objects.ts';
import type { KeySigner } from '../secrets/key-signer.ts';
import { parseKeyString } from '../secrets/key-string.ts';
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
  readonly #signer: KeySigner;

  constructor(adminToken: string | null, signer: KeySigner) {
    this.#adminToken = adminToken === null ? null : padded(adminToken);
    this.#signer = signer;
  }

  /** The principal, null for a token that is nobody's, or not any more. A management key costs an object call, a forged one none. */
  async authenticate(token: string, objects: Objects): Promise<Principal | null> {
    if (token.length > TOKEN_LENGTH_MAX) return null;
    if (this.#adminToken !== null && crypto.subtle.timingSafeEqual(padded(token), this.#adminToken)) return ADMIN;
    const parsed = parseKeyString(token);
    if (parsed === null) return null;
    const digest = await this.#signer.verify(parsed);
    const systemObject = objectNameOf(await locatorOf(SYSTEM_TENANT_ID));
    if (digest === null || objectNameOf(parsed.locator) !== systemObject) return null;
    const answer = await objects.tenantAt(systemObject, (system) => system.verifyKey(parsed.id, digest, []));
    return answer.code === 'VALID' ? principalOf(answer.key) : null;
  }
}

/** Always the same number of bytes, so that the comparison does not tell the length. */
function padded(token: string): Uint8Array {
  const bytes = new Uint8Array(TOKEN_LENGTH_MAX * 3);
  new TextEncoder().encodeInto(token, bytes);
  return bytes;
}
