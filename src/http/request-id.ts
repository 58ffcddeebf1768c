/** The id of a request, and the address of its caller. */
import { randomId } from '../crypto/random-id.ts';
import { bearerToken } from './bearer-token.ts';

/** At most 64 characters, fewer than any key string has, so that no key string is logged as a request id. */
const REQUEST_ID = /^[A-Za-z0-9_.:-]{1,64}$/;

/** Headers in which a request may have a token, beside `Authorization`. */
const TOKEN_HEADERS = ['X-API-Key', 'X-Keystead-Token'];

/**
 * The caller's `X-Request-Id` if it has the right form and is not, by mistake, a token of the request; otherwise a new
 * id.
 */
export function requestIdOf(request: Request): string {
  const own = request.headers.get('X-Request-Id');
  if (own === null || !REQUEST_ID.test(own)) return randomId('req');
  const isToken = own === bearerToken(request) || TOKEN_HEADERS.some((name) => own === request.headers.get(name));
  return isToken ? randomId('req') : own;
}

/** Address of the caller as the platform (or the operator's own proxy) reports it, null when it reports none. */
export function callerIp(request: Request): string | null {
  const ip = request.headers.get('CF-Connecting-IP');
  return ip !== null && /^[0-9A-Fa-f.:]{2,45}$/.test(ip) ? ip : null;
}
