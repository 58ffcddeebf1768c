/**
 * The guard for Express, as a middleware. It uses of Express only what Node's own HTTP server has, so it fits whatever
 * else takes such middlewares.
 */
import type { Verification } from '../api/types.ts';
import { createGuard, type GuardOptions, type Verifier } from './guard.ts';
import { headerOf, type NodeHeaders } from './node-headers.ts';

export type { GuardOptions, Verifier } from './guard.ts';
export type { Problem, Refusal, RefusalCode } from './refusals.ts';

declare global {
  namespace Express {
    interface Request {
      /** The verified key, behind a guard. `keyOf` gives it without a check. */
      key?: Verification;
    }
  }
}

/** The request of Express, as far as the guard reads it. Options may ask for more. */
export interface GuardedRequest extends NodeHeaders {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  key?: Verification;
}

export interface GuardedResponse {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(text: string): unknown;
}

/**
 * Protects routes. Handlers find the verified key as `req.key` or `keyOf(req)`:
 *
 *     app.get('/invoices', guard(keystead, { scopes: ['invoices:read'] }), (req, res) => res.json(keyOf(req).owner));
 */
export function guard<R extends GuardedRequest = GuardedRequest>(keystead: Verifier, options: GuardOptions<R> = {}) {
  const check = createGuard(keystead, options);
  return async (request: R, response: GuardedResponse, next: (error?: unknown) => void): Promise<void> => {
    try {
      const answer = await check(request, (name) => headerOf(request, name));
      const { headers } = answer.allowed ? answer : answer.refusal;
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      if (!answer.allowed) {
        response.statusCode = answer.refusal.status;
        response.end(JSON.stringify(answer.refusal.body));
        return;
      }
      request.key = answer.key;
    } catch (error) {
      // From a function of the options. Express 4 would not hear of it otherwise.
      next(error);
      return;
    }
    next();
  };
}

/** The verified key of a request. Throws where no guard has let the request in. */
export function keyOf(request: { readonly key?: Verification }): Verification {
  if (request.key === undefined) throw new Error('keystead: no guard has let this request in');
  return request.key;
}
