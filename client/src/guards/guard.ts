/**
 * The guard of an endpoint, for any framework: takes the key from a request, has it verified, and says whether the
 * request may go on. It fails closed: only an answer of Keystead that says `valid: true` lets a request in.
 */

import type { Verification } from '../api/types.ts';
import type { KeysteadError } from '../http/errors.ts';
import { type HeaderValue, KEY_HEADERS, presentedKey } from './presented-key.ts';
import { type Refusal, refusal } from './refusals.ts';
import { type Answer, endingHeaders, limitHeaders, retryAfter, retryAfterMs } from './response-headers.ts';

/** What is asked about a key. */
export interface Wanted {
  readonly scopes?: readonly string[];
  readonly cost?: number;
  readonly limits?: readonly NamedLimit[];
  readonly tenantId?: string;
  readonly fresh?: boolean;
  readonly timeoutMs?: number;
}

export interface NamedLimit {
  readonly name: string;
  readonly cost?: number;
}

/** A `Keystead`, or anything that verifies as it does. */
export interface Verifier<V extends Answer = Verification> {
  verify(key: string, wanted?: Wanted): Promise<V>;
}

/** The same for each request, or from the request. */
export type From<R, T> = T | ((request: R) => T | Promise<T>);

/** A function that only logs returns nothing. */
// biome-ignore lint/suspicious/noConfusingVoidType: it is what such a function returns
export type Instead<V> = V | null | undefined | void;

/** `R` is what the framework calls the request: `Request`, Express' `req`, Hono's context. */
export interface GuardOptions<R, V extends Answer = Verification> {
  /** The scopes that a request needs; none by default. */
  readonly scopes?: From<R, readonly string[]>;
  /** What a request costs of the key's limits and credits; 1 by default. */
  readonly cost?: From<R, number>;
  /** Further limits of the key that the request uses. */
  readonly limits?: From<R, readonly NamedLimit[]>;
  /** Keys of other tenants are refused. */
  readonly tenantId?: From<R, string>;
  /** Whether each request asks the tenant's object, even where an answer from memory would do. */
  readonly fresh?: boolean;
  /** How long a request waits for Keystead, in milliseconds; 1000 by default. Then it is refused with 503. */
  readonly timeoutMs?: number;
  /**
   * The headers that may hold the key, `['authorization', 'x-api-key']` by default. `authorization` is read as a bearer
   * token, any other header as the key itself.
   */
  readonly keyHeaders?: readonly string[];
  /** The realm in `WWW-Authenticate`, `api` by default. */
  readonly realm?: string;
  /** Whether responses tell how the limits of the key stand, in `RateLimit` and `RateLimit-Policy`: true by default. */
  readonly rateLimitHeaders?: boolean;
  /** Whether responses tell that the key was rotated or ends soon, in `Deprecation` and `Sunset`: true by default. */
  readonly endingHeaders?: boolean;
  /** A page of yours that tells how to replace a rotated key. Responses to such a key have a `Link` to it. */
  readonly rotationGuide?: string;
  /** Changes what a refused request gets, for example into the form of your API's errors. */
  readonly onRefused?: (refusal: Refusal, request: R) => Refusal | Promise<Refusal>;
  /**
   * Decides when Keystead does not say whether the key is good: it cannot be reached, failed, or refuses the caller.
   * The verification that is returned takes the place of the answer. Without one the request is refused, with 503.
   */
  readonly onUnavailable?: (error: unknown, request: R) => Instead<V> | Promise<Instead<V>>;
}

export type GuardAnswer<V> =
  | {
      readonly allowed: true;
      /** The key as it was verified: tenant, owner, scopes, metadata. */
      readonly key: V;
      /** For the response, unless the application sets them itself. */
      readonly headers: Readonly<Record<string, string>>;
    }
  | { readonly allowed: false; readonly refusal: Refusal };

export type Guard<R, V> = (request: R, header: (name: string) => HeaderValue) => Promise<GuardAnswer<V>>;

/** Statuses by which Keystead says that the call itself is wrong, which no waiting mends. */
const WRONG_CALL = [400, 404, 405, 413, 415, 422];

/** An answer that takes longer than this rarely comes at all, and requests would pile up behind it. */
const TIMEOUT_MS = 1000;

/** When to try again what could not be verified, if Keystead does not say. */
const RETRY_AFTER_MS = 1000;

/** Throws a `TypeError` for options that cannot work. */
export function createGuard<R, V extends Answer>(verifier: Verifier<V>, options: GuardOptions<R, V>): Guard<R, V> {
  const { realm = 'api', rotationGuide, onRefused, onUnavailable } = options;
  const names = (options.keyHeaders ?? KEY_HEADERS).map((name) => name.toLowerCase());
  if (names.length === 0) throw new TypeError('keystead: keyHeaders must name a header');
  if (!/^[ !#-[\]-~]*$/.test(realm)) throw new TypeError('keystead: realm must be visible ASCII without quotes');
  if (rotationGuide !== undefined && !/^[!-;=?-~]+$/.test(rotationGuide)) {
    throw new TypeError('keystead: rotationGuide must be a URL');
  }
  const wantedFor = wantedBy(options);

  return async (request, header) => {
    const refuse = async (...[code, scopes, headers]: RefusalArguments): Promise<GuardAnswer<V>> => {
      const refused = refusal(code, realm, scopes, headers);
      return { allowed: false, refusal: onRefused === undefined ? refused : await onRefused(refused, request) };
    };
    const presented = presentedKey(names, header);
    if ('refused' in presented) return refuse(presented.refused);
    const wanted = await wantedFor(request);

    let answer: Instead<V>;
    try {
      answer = await verifier.verify(presented.key, wanted);
      if (!isAnswer(answer)) throw new TypeError('keystead: this is not the answer to a verification');
    } catch (error) {
      answer = await onUnavailable?.(error, request);
      if (!isAnswer(answer)) return refuse(...failed(error));
    }

    const shown = options.rateLimitHeaders === false ? {} : limitHeaders(answer.limits);
    if (answer.valid !== true) return refuse(answer.code, wanted.scopes, { ...shown, ...retryAfter(answer.limits) });
    const ending = options.endingHeaders === false ? {} : endingHeaders(answer, rotationGuide);
    return { allowed: true, key: answer, headers: { ...shown, ...ending } };
  };
}

type RefusalArguments = [code: string, scopes?: readonly string[], headers?: Readonly<Record<string, string>>];

/** A proxy that answers for Keystead, or a callback, may give anything. */
function isAnswer<V extends Answer>(answer: Instead<V>): answer is V {
  const { valid, code } = Object(answer) as Partial<Answer>;
  return typeof valid === 'boolean' && typeof code === 'string';
}

/** How a request is refused when the verification failed. */
function failed(error: unknown): RefusalArguments {
  const { status, retryAfterMs: ms } = Object(error) as Partial<KeysteadError>;
  if (WRONG_CALL.includes(status ?? 0)) return ['MISCONFIGURED'];
  return ['UNAVAILABLE', [], retryAfterMs(ms ?? RETRY_AFTER_MS)];
}

const PARTS = ['scopes', 'cost', 'limits', 'tenantId', 'fresh'] as const;

/** What is asked for a request. Whatever does not depend on the request is made once. */
function wantedBy<R, V extends Answer>(options: GuardOptions<R, V>): (request: R) => Wanted | Promise<Wanted> {
  const given = PARTS.filter((part) => options[part] !== undefined);
  const fixed: Wanted = {
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    ...Object.fromEntries(
      given.filter((part) => typeof options[part] !== 'function').map((part) => [part, options[part]]),
    ),
  };
  const asked = given.flatMap((part) => {
    const from = options[part];
    return typeof from === 'function' ? [{ part, from: from as (request: R) => unknown }] : [];
  });
  if (asked.length === 0) return () => fixed;
  return async (request) => {
    const wanted: Record<string, unknown> = { ...fixed };
    for (const { part, from } of asked) wanted[part] = await from(request);
    return wanted;
  };
}
