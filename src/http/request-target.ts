/**
 * The target of a request: path and query, as they were sent. The platform hands over one text, `http://` + Host +
 * target. Parsed as a URL, a Host like `x/v1/tenants?` would choose the path, and `/a/../b` or `\` would become a
 * path that a proxy in front never saw. So nothing else in src/ reads the URL of a request.
 */
import { HTTP_PROBLEMS, Problem } from './problem.ts';

export type RequestTarget = {
  /** Neither decoded nor normalised. */
  readonly path: string;
  /** The text after the question mark, empty without one. */
  readonly query: string;
};

/**
 * A host name or address, and a port (RFC 9112, section 3.2). It cannot contain `/`, `?` or `#`,
 * which end an authority.
 */
const HOST = /^(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{0,5})?$/;

/** The last valid host: nearly every request has the same, so the pattern is rarely needed. */
let lastHost = '';

/**
 * The target of a request. Throws `invalid_host` when the Host header is not a host, or there are two such headers.
 * Requests that code makes have no Host header; their URL was parsed before.
 */
export function requestTargetOf({ url, headers }: Request): RequestTarget {
  const host = headers.get('Host');
  if (host !== null && host !== lastHost) {
    if (!HOST.test(host)) throw new Problem(HTTP_PROBLEMS.invalid_host);
    lastHost = host;
  }
  // A valid host has no slash, so the target begins at the first slash after the scheme.
  const start = url.indexOf('/', url.indexOf('://') + 3);
  if (start < 0) return { path: '', query: '' };
  const end = url.indexOf('?', start);
  return end < 0 ? { path: url.slice(start), query: '' } : { path: url.slice(start, end), query: url.slice(end + 1) };
}
