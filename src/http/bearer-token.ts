/** The bearer token of a request (RFC 6750, section 2.1), null when there is none. */
export function bearerToken(request: Request): string | null {
  return /^Bearer +([\x21-\x7e]+) *$/i.exec(request.headers.get('Authorization') ?? '')?.[1] ?? null;
}
