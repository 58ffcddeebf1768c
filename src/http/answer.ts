/** What a handler answers: plain data, of which `handle` makes the one response, since each wrapped object costs more than the work it wraps. */

export type Answer = {
  readonly status: number;
  /** Beside the content type and the request id, null for none. */
  readonly headers: Readonly<Record<string, string>> | null;
  readonly contentType: 'application/json' | 'application/problem+json' | null;
  /** Text of the body, or its bytes; null for none. */
  readonly body: string | Uint8Array<ArrayBuffer> | null;
};

export function json(value: unknown, status = 200, headers: Answer['headers'] = null): Answer {
  return { status, headers, contentType: 'application/json', body: JSON.stringify(value) };
}

export const noContent = (): Answer => ({ status: 204, headers: null, contentType: null, body: null });

export function withHeader(answer: Answer, name: string, value: string): Answer {
  return { ...answer, headers: { ...answer.headers, [name]: value } };
}

export function toResponse({ status, headers, contentType, body }: Answer, requestId: string): Response {
  const own =
    contentType === null ? { 'X-Request-Id': requestId } : { 'Content-Type': contentType, 'X-Request-Id': requestId };
  return new Response(body, { status, headers: headers === null ? own : { ...own, ...headers } });
}
