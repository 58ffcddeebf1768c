/** The id of a request, and the address that it came from. */
import { randomId } from '../crypto/random-id.ts';
import { bearerToken } from './bearer-token.ts';

/** Shorter than any key string, so that none can pass for a request id and reach a log. */
const SANE_REQUEST_ID = /^[A-Za-z0-9_.:-]{1,64}$/;

/** The caller's own request id when it is sane, and not the caller's token by mistake; else a new one. */
export function requestIdOf(request: Request): string {
  const own = request.headers.get('X-Request-Id');
  if (own === null || !SANE_REQUEST_ID.test(own)) return randomId('req');
  return own === bearerToken(request) ? randomId('req') : own;
}

/** Address of the caller as the platform (or a proxy of one's own) reports it, null when it does not. */
export function callerIp(request: Request): string | null {
  const ip = request.headers.get('CF-Connecting-IP');
  return ip !== null && /^[0-9A-Fa-f.:]{2,45}$/.test(ip) ? ip : null;
}
