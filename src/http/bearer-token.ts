/**
 * The bearer token of a request (RFC 6750, section 2.1), null when there is none. Its characters are not checked here:
 * authentication rejects malformed tokens.
 */
export function bearerToken(request: Request): string | null {
  const header = request.headers.get('Authorization');
  if (header === null || !/^bearer /i.test(header)) return null;
  const token = header.slice('bearer '.length).trim();
  return token === '' ? null : token;
}
