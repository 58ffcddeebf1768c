/**
 * The headers of conditional changes: `Idempotency-Key` and `If-Match` in requests, and those that
 * responses give back.
 */
import { validationFailed } from './problem.ts';

/** Marks the response to a request whose `Idempotency-Key` was used before: it repeats the kept result. */
export const IDEMPOTENCY_REPLAYED = 'Idempotency-Replayed';

/** The caller's `Idempotency-Key`, null without one. */
export function readIdempotencyKey(request: Request): string | null {
  const key = request.headers.get('Idempotency-Key');
  if (key === null) return null;
  if (/^[\x21-\x7e]{1,255}$/.test(key)) return key;
  throw validationFailed([{ path: 'Idempotency-Key', message: 'must be 1 to 255 visible ASCII characters' }]);
}

/** Most entity tags in one `If-Match`. No caller accepts more than a few versions. */
const TAGS_MAX = 100;

/**
 * The versions that `If-Match` accepts, null for any (RFC 9110, section 13.1.1). An entity tag that `etag` does not
 * write, such as a weak one, matches no version.
 */
export function readIfMatch(request: Request): number[] | null {
  const header = request.headers.get('If-Match');
  if (header === null || header.trim() === '*') return null;
  const tags = header.split(',', TAGS_MAX + 1);
  if (tags.length > TAGS_MAX) {
    throw validationFailed([{ path: 'If-Match', message: `must have at most ${TAGS_MAX} entity tags` }]);
  }
  return tags.flatMap((tag) => {
    const version = /^\s*"(\d{1,15})"\s*$/.exec(tag)?.[1];
    return version === undefined ? [] : [Number(version)];
  });
}

/** The entity tag of a resource at a version. */
export const etag = (version: number) => `"${version}"`;
