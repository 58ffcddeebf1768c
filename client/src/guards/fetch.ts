/** The guard for handlers of the form `Request -> Response`: Workers, Deno, Bun, Next.js, and others. */
import type { Verification } from '../api/types.ts';
import { createGuard, type GuardOptions, type Verifier } from './guard.ts';
import type { Answer } from './response-headers.ts';

export type { GuardOptions, Verifier } from './guard.ts';
export type { Problem, Refusal, RefusalCode } from './refusals.ts';

/** A `Request`, as far as the guard reads it. Options may ask for more. */
export interface GuardedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: { get(name: string): string | null };
}

type HeadersLike = { has(name: string): boolean; set(name: string, value: string): void };
type ResponseLike = { readonly status: number; readonly headers: HeadersLike; readonly body: unknown };
type ResponseClass = new (body: unknown, init: object) => ResponseLike;

/**
 * Protects handlers. A handler gets the verified key after the request, and then whatever else it is called with:
 *
 *     const protect = guard(keystead, { scopes: ['invoices:read'] });
 *     export default { fetch: protect((request, key, env) => Response.json({ owner: key.owner })) };
 */
export function guard<R extends GuardedRequest = GuardedRequest, V extends Answer = Verification>(
  keystead: Verifier<V>,
  options: GuardOptions<R, V> = {},
) {
  const check = createGuard(keystead, options);
  return <Request extends R, Rest extends readonly unknown[], Response>(
    handler: (request: Request, key: V, ...rest: Rest) => Response | Promise<Response>,
  ) =>
    async (request: Request, ...rest: Rest): Promise<Response> => {
      const answer = await check(request, (name) => request.headers.get(name));
      if (answer.allowed) return withHeaders(await handler(request, answer.key, ...rest), answer.headers);
      const { status, headers, body } = answer.refusal;
      return newResponse(JSON.stringify(body), { status, headers }) as Response;
    };
}

function newResponse(body: unknown, init: object): ResponseLike {
  const { Response } = globalThis as unknown as { readonly Response: ResponseClass };
  return new Response(body, init);
}

/** The response with headers that it does not have yet. */
function withHeaders<Response>(response: Response, headers: Readonly<Record<string, string>>): Response {
  const given = response as ResponseLike;
  const added = Object.entries(headers).filter(([name]) => !given.headers.has(name));
  // Neither a switch of protocols nor a response that stands for a network error can be made again.
  if (added.length === 0 || given.status < 200) return response;
  let result = given;
  for (const [name, value] of added) {
    try {
      result.headers.set(name, value);
    } catch {
      // The headers of a response that was fetched are immutable.
      result = newResponse(given.body, given);
      result.headers.set(name, value);
    }
  }
  return result as Response;
}
