/** Identifiers that the Worker makes up or takes over from the caller. */

import { encodeNumber } from '../secrets/base62.ts';
import { bearerToken } from './bearer-token.ts';

/** Random words for ids, drawn many at a time, each used once. Ids are no secrets. */
const WORDS = 3;
const pool = new Uint32Array(WORDS * 256);
let poolUsed = pool.length;

/** 17 base62 digits of 32, 32 and 29 random bits: two ids are alike once in 2^46 tries. */
export function randomId(prefix: string): string {
  if (poolUsed === pool.length) {
    crypto.getRandomValues(pool);
    poolUsed = 0;
  }
  return `${prefix}_${encodeNumber(nextWord(), 6)}${encodeNumber(nextWord(), 6)}${encodeNumber(nextWord() >>> 3, 5)}`;
}

const nextWord = () => pool[poolUsed++] ?? 0;

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
