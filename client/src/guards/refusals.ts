/** What a request that is not let in gets: a status, headers, and a problem (RFC 9457) that never repeats the key. */
import type { DecisionCode } from '../../../domain/keys/verification.ts';

/** Why a request is refused: a code of Keystead, or one of the guard's own. */
export type RefusalCode =
  | Exclude<DecisionCode, 'VALID'>
  | 'MALFORMED'
  | 'FORGED'
  | 'NOT_FOUND'
  /** No header holds a key. */
  | 'MISSING_KEY'
  /** Two headers hold different keys. */
  | 'AMBIGUOUS_KEY'
  /** Keystead does not say whether the key is good. */
  | 'UNAVAILABLE'
  /** Keystead cannot take what the guard asks, for example a scope that is none. */
  | 'MISCONFIGURED';

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** A `RefusalCode`, or a code of a later version of Keystead. */
  readonly code: string;
}

export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Problem;
}

type Kind = {
  readonly status: keyof typeof TITLES;
  readonly detail: string;
  /** The error code of RFC 6750, section 3.1. */
  readonly error?: 'invalid_request' | 'invalid_token' | 'insufficient_scope';
};

/** RFC 9457, section 4.2.1: the title of a problem of type about:blank is that of its status. */
const TITLES = {
  400: 'Bad Request',
  401: 'Unauthorized',
  402: 'Payment Required',
  403: 'Forbidden',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

const invalid = (detail: string): Kind => ({ status: 401, detail, error: 'invalid_token' });

/**
 * 401 says that the key is no good, and clients may discard it then. 403 is for a good key whose holder must turn to
 * the provider of the API. Missing credits are 402, as payment processors and gateways answer it, since programs repeat
 * what got 429 by themselves, and no waiting brings credits.
 */
const KINDS: Readonly<Record<RefusalCode, Kind>> = {
  // RFC 6750, section 3.1: without a key in the request, no error code.
  MISSING_KEY: { status: 401, detail: 'The request has no API key.' },
  AMBIGUOUS_KEY: { status: 400, detail: 'The request has two different API keys.', error: 'invalid_request' },
  MALFORMED: invalid('This is not an API key.'),
  FORGED: invalid('There is no such API key.'),
  NOT_FOUND: invalid('There is no such API key.'),
  REVOKED: invalid('The API key was revoked.'),
  EXPIRED: invalid('The API key has expired.'),
  ROTATED: invalid('The API key was replaced by another one.'),
  DISABLED: invalid('The API key is disabled.'),
  TENANT_DISABLED: { status: 403, detail: 'The account is disabled.' },
  OWNER_DISABLED: { status: 403, detail: 'The account is disabled.' },
  INSUFFICIENT_SCOPES: { status: 403, detail: 'The API key lacks a scope.', error: 'insufficient_scope' },
  RATE_LIMITED: { status: 429, detail: 'The API key is used too often.' },
  QUOTA_EXCEEDED: { status: 429, detail: 'The quota of the API key is used up.' },
  INSUFFICIENT_CREDITS: { status: 402, detail: 'There are not enough credits.' },
  UNAVAILABLE: { status: 503, detail: 'API keys cannot be verified at the moment.' },
  MISCONFIGURED: { status: 500, detail: 'API keys cannot be verified.' },
};

/** For a code that this version does not know: whatever it says, it is not that the key is good. */
const UNKNOWN = invalid('The API key is not valid.');

/** Scope tokens (RFC 6749, section 3.3). */
const SCOPES = /^[!#-[\]-~ ]+$/;

/** The refusal for a code. `scopes` are those that the request needs. */
export function refusal(
  code: RefusalCode | (string & {}),
  realm: string,
  scopes: readonly string[] = [],
  headers: Readonly<Record<string, string>> = {},
): Refusal {
  const { status, detail, error } = Object.hasOwn(KINDS, code) ? KINDS[code as RefusalCode] : UNKNOWN;
  const challenge = [`realm="${realm}"`];
  if (error !== undefined) challenge.push(`error="${error}"`, `error_description="${detail}"`);
  const scope = scopes.join(' ');
  if (error === 'insufficient_scope' && SCOPES.test(scope)) challenge.push(`scope="${scope}"`);
  return {
    status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      ...(status === 401 || error !== undefined ? { 'WWW-Authenticate': `Bearer ${challenge.join(', ')}` } : {}),
      ...headers,
    },
    body: { type: 'about:blank', title: TITLES[status], status, detail, code },
  };
}
