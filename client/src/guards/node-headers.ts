/** The headers of Node's `IncomingMessage`. */
import type { HeaderValue } from './presented-key.ts';

export interface NodeHeaders {
  readonly headers: Readonly<Record<string, HeaderValue>>;
  readonly headersDistinct?: Readonly<Record<string, readonly string[] | undefined>>;
}

/**
 * A header by its name in lower case. Of an `Authorization` that came twice Node keeps the first in `headers` alone,
 * while a proxy before it may have looked at the second.
 */
export function headerOf(message: NodeHeaders, name: string): HeaderValue {
  const distinct = message.headersDistinct?.[name];
  return distinct !== undefined && distinct.length > 1 ? distinct : message.headers[name];
}
