/** Identifiers that the Worker makes up or takes over from the caller. */

import { encodeBase62, encodeNumber } from '../crypto/base62.ts';
import { bearerToken } from './bearer-token.ts';

/** Ids that share their random digits and are told apart by the two digits after them: drawing for each would cost more than all else about it. */
const BLOCK = 62 ** 2;
let block = '';
let used = BLOCK;

/** 17 base62 digits, never the same twice: two blocks of them are alike once in 2^44. Ids are no secrets. */
export function randomId(prefix: string): string {
  if (used === BLOCK) {
    block = encodeBase62(crypto.getRandomValues(new Uint8Array(12)), 17).slice(2);
    used = 0;
  }
  return `${prefix}_${block}${encodeNumber(used++, 2)}`;
}

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
