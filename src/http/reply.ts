/**
 * An HTTP response as plain data. The platform's `Response` is made from it once, at the end (`toResponse`): objects
 * of the platform cost more than the rest of a reply.
 */

import type { TextType } from './plain-text.ts';

export type Reply = {
  readonly status: number;
  /** Headers other than the content type and the request id; null for none. */
  readonly headers: Readonly<Record<string, string>> | null;
  readonly contentType:
    | 'application/json'
    | 'application/problem+json'
    | 'text/csv; charset=utf-8'
    | 'text/html; charset=utf-8'
    | TextType
    | null;
  /** The body as text or bytes; null for none. */
  readonly body: string | Uint8Array<ArrayBuffer> | null;
};

/** A JSON reply. */
export function json(value: unknown, status = 200, headers: Reply['headers'] = null): Reply {
  return { status, headers, contentType: 'application/json', body: JSON.stringify(value) };
}

/** A reply without a body. */
export const withoutBody = (status: number, headers: Reply['headers'] = null): Reply => ({
  status,
  headers,
  contentType: null,
  body: null,
});

/** The platform's response for a reply. */
export function toResponse({ status, headers, contentType, body }: Reply, requestId: string): Response {
  const own =
    contentType === null ? { 'X-Request-Id': requestId } : { 'Content-Type': contentType, 'X-Request-Id': requestId };
  return new Response(body, { status, headers: headers === null ? own : { ...own, ...headers } });
}
