/** From a bearer token to the principal behind it. */
import { PERMISSIONS, type Principal } from './principal.ts';

export type Authenticator = {
  /** The principal, null for a token that is nobody's. */
  authenticate(token: string): Promise<Principal | null> | Principal | null;
};

/** Longer tokens are nobody's; a bound for what is compared. */
const TOKEN_LENGTH_MAX = 256;

/** The one caller of `ADMIN_TOKEN`, who may do everything. */
export function adminTokenAuthenticator(adminToken: string): Authenticator {
  const expected = padded(adminToken);
  const admin: Principal = {
    actor: { type: 'admin_token', id: 'admin' },
    permissions: new Set(PERMISSIONS),
    tenantId: null,
  };
  return {
    authenticate(token) {
      if (token.length > TOKEN_LENGTH_MAX) return null;
      return crypto.subtle.timingSafeEqual(padded(token), expected) ? admin : null;
    },
  };
}

/** The bearer token of a request (RFC 6750, section 2.1), null when there is none. */
export function bearerToken(request: Request): string | null {
  return /^Bearer +([\x21-\x7e]+) *$/i.exec(request.headers.get('Authorization') ?? '')?.[1] ?? null;
}

/** Always the same number of bytes, so that the comparison does not tell the length. */
function padded(token: string): Uint8Array {
  const bytes = new Uint8Array(TOKEN_LENGTH_MAX * 3);
  new TextEncoder().encodeInto(token, bytes);
  return bytes;
}
