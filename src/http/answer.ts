/** What a handler answers: plain data, of which `handle` makes the one response, since each wrapped object costs more than the work it wraps. */

export type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Text of the body, null for none. */
  readonly body: string | null;
};

export function json(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(value) };
}

export const noContent = (): Answer => ({ status: 204, headers: {}, body: null });

export function withHeader(answer: Answer, name: string, value: string): Answer {
  return { ...answer, headers: { ...answer.headers, [name]: value } };
}

export function toResponse({ status, headers, body }: Answer, requestId: string): Response {
  return new Response(body, { status, headers: { ...headers, 'X-Request-Id': requestId } });
}
