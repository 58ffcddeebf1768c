/**
 * The bearer token of a request (RFC 6750, section 2.1), null when there is none. Its characters are not checked here:
 * authentication rejects malformed tokens.
 */
export const bearerToken = (request: Request): string | null => bearerTokenIn(request.headers.get('Authorization'));

/** The same for the value of an `Authorization` header, null without one. */
export function bearerTokenIn(header: string | null): string | null {
  if (header === null || !/^bearer /i.test(header)) return null;
  const token = header.slice('bearer '.length).trim();
  return token === '' ? null : token;
}
