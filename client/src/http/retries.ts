/** When a request is sent again, and how long to wait before. */

/** Statuses that say "not now": of Keystead (503) and of what stands before it. */
const TRANSIENT = [429, 502, 503, 504];

/** The longest pause that a call makes by itself. Who is told to wait longer gets the error, with `retryAfterMs`. */
const MAX_WAIT_MS = 10_000;

/** The first pause is up to this long, the next ones twice as long each. */
const BASE_WAIT_MS = 200;

export const isTransient = (status: number): boolean => TRANSIENT.includes(status);

/** The milliseconds of a `Retry-After` in seconds or as a date; null for none, or for one that says nothing. */
export function retryAfterOf(value: string | null): number | null {
  if (value === null) return null;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return ms <= Number.MAX_SAFE_INTEGER ? Math.max(ms, 0) : null;
}

/**
 * The pause after an attempt (counted from 0), in milliseconds; null when it would be too long. Full jitter spreads the
 * clients that met the same failure, also after a `Retry-After`, which names one moment to all of them.
 */
export function waitBeforeNext(attempt: number, retryAfterMs: number | null, random = Math.random): number | null {
  const wait = (retryAfterMs ?? 0) + random() * Math.min(BASE_WAIT_MS * 2 ** attempt, MAX_WAIT_MS / 4);
  return wait > MAX_WAIT_MS ? null : wait;
}
