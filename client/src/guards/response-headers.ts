/** The headers by which a response tells the holder of a key how its limits stand, and that the key will end. */

/** What a guard reads of a verification. */
export interface Answer {
  readonly valid: boolean;
  readonly code: string;
  readonly limits?: readonly LimitStanding[] | undefined;
  readonly warnings?: readonly object[] | undefined;
  readonly rotation?: { readonly rotatedAt: string | null } | undefined;
}

export interface LimitStanding {
  readonly name: string;
  readonly limit: number;
  readonly remaining: number;
  readonly resetsAt: string;
  readonly retryAfterMs?: number | null | undefined;
}

type HeaderFields = Record<string, string>;

/** The names that limits may have. They need no quoting in a header. */
const NAME = /^[A-Za-z0-9_.-]+$/;

/**
 * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), one item for each limit that applied.
 * `t` is in how many seconds all of it is free again.
 */
export function limitHeaders(limits: readonly LimitStanding[] = [], now = Date.now()): HeaderFields {
  const shown = limits.filter(({ name }) => NAME.test(name));
  if (shown.length === 0) return {};
  const item = ({ name, remaining, resetsAt }: LimitStanding) =>
    `"${name}";r=${Math.max(remaining, 0)};t=${seconds(Date.parse(resetsAt) - now)}`;
  return {
    'RateLimit-Policy': shown.map(({ name, limit }) => `"${name}";q=${limit}`).join(', '),
    RateLimit: shown.map(item).join(', '),
  };
}

/** `Retry-After` for refused limits: when all of them admit this request. None if one of them never does. */
export function retryAfter(limits: readonly LimitStanding[] = []): HeaderFields {
  const waits = limits.flatMap(({ retryAfterMs }) => (retryAfterMs === undefined ? [] : [retryAfterMs ?? Infinity]));
  const longest = Math.max(0, ...waits);
  return waits.length === 0 || longest === Infinity ? {} : retryAfterMs(longest);
}

export const retryAfterMs = (ms: number): HeaderFields => ({ 'Retry-After': `${Math.max(seconds(ms), 1)}` });

/**
 * `Deprecation` (RFC 9745) for a key that was rotated, and `Sunset` (RFC 8594) for one that is going to end, by its
 * grace period or by its expiry. `guide` is the address of a page that says what to do.
 */
export function endingHeaders({ warnings = [], rotation }: Answer, guide: string | undefined): HeaderFields {
  if (warnings.length === 0) return {};
  const known = warnings as readonly { readonly code?: string; readonly graceEndsAt?: string; expiresAt?: string }[];
  const ends = known.flatMap(({ graceEndsAt, expiresAt }) => [...timeOf(graceEndsAt), ...timeOf(expiresAt)]);
  const isRotated = known.some(({ code }) => code === 'key_rotated');
  const [rotatedAt] = isRotated ? timeOf(rotation?.rotatedAt) : [];
  return {
    ...(rotatedAt === undefined ? {} : { Deprecation: `@${Math.floor(rotatedAt / 1000)}` }),
    ...(ends.length === 0 ? {} : { Sunset: new Date(Math.min(...ends)).toUTCString() }),
    ...(isRotated && guide !== undefined ? { Link: `<${guide}>; rel="deprecation"; type="text/html"` } : {}),
  };
}

/** A time of an answer in milliseconds; none for an absent one. */
function timeOf(text: string | null | undefined): number[] {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? [] : [ms];
}

/** Whole seconds, rounded up. */
const seconds = (ms: number): number => Math.max(Math.ceil(ms / 1000), 0);
