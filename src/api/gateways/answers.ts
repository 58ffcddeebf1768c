/**
 * What a verification means for a gateway: status and headers, since gateways act on nothing else. A refusal is a
 * problem, because some gateways pass it on to the customer as it is. Its texts are for customers.
 */
import type { VerifiedKey } from '../../../domain/keys/record.ts';
import type { Warning } from '../../../domain/keys/verification.ts';
import type { LimitResult } from '../../../domain/limits/decision.ts';
import { Problem } from '../../http/problem.ts';
import { rateLimitHeaders, retryAfterSeconds } from '../../http/rate-limit.ts';
import type { Verification } from '../../verify/verify.ts';
import type { Outcome } from '../operation.ts';
import { PROBLEMS } from '../problems.ts';

type Refused = Exclude<Verification['code'], 'VALID'>;

/** The problem of each refusal, and its detail. Exhaustive: a new code does not compile until it has a line here. */
const REFUSALS: Readonly<Record<Refused, readonly [RefusalCode, string]>> = {
  MALFORMED: ['key_not_valid', 'The text is no API key.'],
  FORGED: ['key_not_valid', 'There is no such API key.'],
  NOT_FOUND: ['key_not_valid', 'There is no such API key.'],
  REVOKED: ['key_not_valid', 'The API key was revoked.'],
  ROTATED: ['key_not_valid', 'The API key was replaced by another.'],
  EXPIRED: ['key_not_valid', 'The API key has expired.'],
  DISABLED: ['key_not_valid', 'The API key is switched off.'],
  TENANT_DISABLED: ['key_not_allowed', 'The API key is suspended.'],
  OWNER_DISABLED: ['key_not_allowed', 'The owner of the API key is suspended.'],
  INSUFFICIENT_SCOPES: ['key_not_allowed', 'The API key lacks a scope that the request needs.'],
  RATE_LIMITED: ['key_limited', 'The API key has reached a rate limit.'],
  QUOTA_EXCEEDED: ['key_limited', 'The API key has used up a quota.'],
  INSUFFICIENT_CREDITS: ['key_limited', 'The credits of the API key do not suffice.'],
};
type RefusalCode = 'key_not_valid' | 'key_not_allowed' | 'key_limited';

/** Challenges of RFC 6750, section 3: without an error when there was no key. */
const CHALLENGE = 'Bearer realm="api"';
const OF_ITS_CODE: Readonly<Record<RefusalCode, Readonly<Record<string, string>>>> = {
  key_not_valid: { 'WWW-Authenticate': `${CHALLENGE}, error="invalid_token"` },
  key_not_allowed: {},
  key_limited: {},
};

export const keyMissing = () => new Problem(PROBLEMS.key_missing, { headers: { 'WWW-Authenticate': CHALLENGE } });

/** The refusal of a request with two keys that differ: either could be meant. */
export const severalKeys = () => refusal('MALFORMED', {}, 'The request has two API keys that differ.');

/** The answer to a verification. Throws the problem of a refusal. `now` (ms) is the time of the answer. */
export function answerTo(verified: Verification, now: number): Outcome<null> {
  const { code } = verified;
  if (!('key' in verified)) throw refusal(verified.code, {});
  const { key, tenantId, warnings, limits = [] } = verified;
  if (code !== 'VALID') throw refusal(code, { ...rateLimitHeaders(limits, now), ...retryAfter(limits) });
  const { owner, scopes } = key;
  return {
    value: null,
    headers: {
      'X-Keystead-Key': key.id,
      'X-Keystead-Tenant': tenantId,
      // Also without a value: some gateways overwrite what their customer sent only by a header that is there.
      'X-Keystead-Owner': encodeURIComponent(owner ?? ''),
      // Their form leaves no room for a comma, nor for anything that a header could not have.
      'X-Keystead-Scopes': scopes.join(),
      ...(warnings.length === 0 ? {} : ending(key, warnings)),
      ...(limits.length === 0 ? {} : rateLimitHeaders(limits, now)),
    },
  };
}

function refusal(code: Refused, headers: Readonly<Record<string, string>>, detail?: string): Problem {
  const [problem, usual] = REFUSALS[code];
  return new Problem(PROBLEMS[problem], {
    detail: detail ?? usual,
    headers: { ...OF_ITS_CODE[problem], ...headers },
    members: { verification: code },
  });
}

function retryAfter(limits: readonly LimitResult[]): Readonly<Record<string, string>> {
  const seconds = retryAfterSeconds(limits);
  return seconds === null ? {} : { 'Retry-After': String(seconds) };
}

/** `Deprecation` (RFC 9745) of a key that was rotated, and `Sunset` (RFC 8594) of one that ends soon. */
function ending({ rotatedAt }: VerifiedKey, warnings: readonly Warning[]): Readonly<Record<string, string>> {
  const ends = warnings.map((warning) => (warning.code === 'key_rotated' ? warning.graceEndsAt : warning.expiresAt));
  const isRotated = warnings.some(({ code }) => code === 'key_rotated');
  return {
    ...(isRotated && rotatedAt !== null ? { Deprecation: `@${Math.floor(rotatedAt / 1000)}` } : {}),
    Sunset: new Date(Math.min(...ends)).toUTCString(),
  };
}
