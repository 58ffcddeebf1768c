/** What a handler answers: plain data, of which `handle` makes the one response, since each wrapped object costs more than the work it wraps. */

import { partsInTurns } from './turns.ts';

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

/** Items of a list that are written in one turn: up to 9 KB each. */
const ITEMS_PER_TURN = 50;

/** A list of items that are large together, `{"data":[…]}`: written in turns, and as bytes, since it takes long to make them of so long a text. */
export async function listInTurns<T>(
  items: readonly T[],
  toResource: (item: T, index: number) => unknown,
): Promise<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  let written = 0;
  for await (const part of partsInTurns(items, ITEMS_PER_TURN)) {
    const texts = part.map((item, i) => JSON.stringify(toResource(item, written + i)));
    parts.push(encoder.encode(`${written === 0 ? '{"data":[' : ','}${texts.join()}`));
    written += part.length;
  }
  parts.push(encoder.encode(written === 0 ? '{"data":[]}' : ']}'));
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
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
