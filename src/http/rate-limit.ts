/**
 * The header fields `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers), and the seconds of
 * `Retry-After`.
 */

/** How a limit stands. Times are in ms. */
export type LimitStanding = {
  /** Letters, digits, `_`, `.` and `-`. */
  readonly name: string;
  readonly limit: number;
  readonly remaining: number;
  readonly resetsAt: number;
  /** Of a limit that has refused: null if it always will. */
  readonly retryAfterMs?: number | null;
};

const seconds = (ms: number) => Math.max(0, Math.ceil(ms / 1000));

/** Both fields for these limits, none without a limit. */
export function rateLimitHeaders(limits: readonly LimitStanding[], now: number): Readonly<Record<string, string>> {
  if (limits.length === 0) return {};
  return {
    RateLimit: limits
      .map(({ name, remaining, resetsAt }) => `"${name}";r=${remaining};t=${seconds(resetsAt - now)}`)
      .join(', '),
    'RateLimit-Policy': limits.map(({ name, limit }) => `"${name}";q=${limit}`).join(', '),
  };
}

/** In how many seconds no limit refuses any more; null when none has refused, or one always will. */
export function retryAfterSeconds(limits: readonly LimitStanding[]): number | null {
  const waits = limits.flatMap(({ retryAfterMs }) => (retryAfterMs === undefined ? [] : [retryAfterMs]));
  const known = waits.filter((wait) => wait !== null);
  return waits.length === 0 || known.length < waits.length ? null : seconds(Math.max(...known));
}
