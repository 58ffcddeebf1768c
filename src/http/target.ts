/**
 * What a request asks for: path and query, taken from the request target alone. The platform hands over one text, `http://` + Host + target, as they came
 * over the wire; parsing it as a URL would let a Host like `x/v1/tenants?` choose the path, and would fold `/a/../b` and `\` into paths that a proxy in
 * front of this never saw. So the path is compared as it was sent, and everybody who needs a part of the target takes it from here.
 */
import { HTTP_PROBLEMS, Problem } from './problem.ts';

export type Target = {
  /** As sent: not decoded and not normalised. */
  readonly path: string;
  /** What stands after the question mark, empty without one. */
  readonly query: string;
};

/** A host name or address, and a port (RFC 9112, section 3.2). Nothing in it can be taken for the end of an authority. */
const HOST = /^(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{0,5})?$/;

/** The host that was found plain last: nearly every request has the same. */
let plainHost = '';

/** The target of a request; a 400 when the Host header is no host, or there are two. Requests made by code have no Host, and a URL that was parsed. */
export function targetOf({ url, headers }: Request): Target {
  const host = headers.get('Host');
  if (host !== null && host !== plainHost) {
    if (!HOST.test(host)) throw new Problem(HTTP_PROBLEMS.invalid_host);
    plainHost = host;
  }
  // A plain host has no slash, so the first one after the scheme is where the target begins.
  const start = url.indexOf('/', url.indexOf('://') + 3);
  if (start < 0) return { path: '', query: '' };
  const end = url.indexOf('?', start);
  return end < 0 ? { path: url.slice(start), query: '' } : { path: url.slice(start, end), query: url.slice(end + 1) };
}
