/** A `fetch` that answers from a list and remembers what was sent, and a client on it. */
import { KeysteadError } from '../../client/src/http/errors.ts';
import type { FetchLike, RequestLike } from '../../client/src/http/platform.ts';
import { Keystead, type KeysteadOptions } from '../../client/src/keystead.ts';

export const TOKEN = 'ks_mgmt_0ERzKy9Pf34qVtoken5gKvSECRETsecret';

export type Sent = RequestLike & { readonly url: string };
export type Reply = Response | Error | 'never';

export const json = (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ...headers } });

export const problem = (status: number, code: string, members: object = {}, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ code, title: 'A title', detail: 'A detail.', status, ...members }), {
    status,
    headers: { 'Content-Type': 'application/problem+json', 'X-Request-Id': 'request-1', ...headers },
  });

/** Replies in order; what is asked after the last one gets an error, so that each reply is counted. */
export function fakeFetch(...replies: Reply[]): { readonly fetch: FetchLike; readonly sent: Sent[] } {
  const sent: Sent[] = [];
  const fetch: FetchLike = async (url, init) => {
    const reply = replies[sent.length] ?? new Error('no more replies');
    sent.push({ url, ...init, headers: { ...init.headers } });
    if (reply === 'never') return new Promise(() => {});
    if (reply instanceof Error) throw reply;
    return reply;
  };
  return { fetch, sent };
}

export function clientOn(replies: readonly Reply[], options: Partial<KeysteadOptions> = {}) {
  const { fetch, sent } = fakeFetch(...replies);
  return {
    keystead: new Keystead({ url: 'https://keys.example.com', token: TOKEN, leases: false, fetch, ...options }),
    sent,
  };
}

/** The error of a call that must fail. */
export async function errorOf(call: Promise<unknown>): Promise<KeysteadError> {
  const error = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof KeysteadError)) throw new Error(`not a KeysteadError: ${error}`);
  return error;
}
