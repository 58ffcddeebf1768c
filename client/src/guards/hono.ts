/** The guard for Hono, as a middleware. */
import type { Context, MiddlewareHandler } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import type { Verification } from '../api/types.ts';
import { createGuard, type GuardOptions, type Verifier } from './guard.ts';
import type { Answer } from './response-headers.ts';

export type { GuardOptions, Verifier } from './guard.ts';
export type { Problem, Refusal, RefusalCode } from './refusals.ts';

/** For `new Hono<KeyEnv>()`, where the type does not follow from the routes. */
export type KeyEnv<V = Verification> = { Variables: { key: V } };

/**
 * Protects routes. Handlers find the verified key as `c.var.key` or `c.get('key')`:
 *
 *     app.get('/invoices', guard(keystead, { scopes: ['invoices:read'] }), (c) => c.json({ owner: c.var.key.owner }));
 */
export function guard<V extends Answer = Verification>(
  keystead: Verifier<V>,
  // biome-ignore lint/suspicious/noExplicitAny: the environment is the application's
  options: GuardOptions<Context<any>, V> = {},
): MiddlewareHandler<KeyEnv<V>> {
  const check = createGuard(keystead, options);
  return async (c, next) => {
    const answer = await check(c, (name) => c.req.header(name));
    if (!answer.allowed) {
      const { status, headers, body } = answer.refusal;
      return c.body(JSON.stringify(body), status as ContentfulStatusCode, headers);
    }
    c.set('key', answer.key);
    await next();
    // Afterwards, so that they reach responses that are not made by the context.
    for (const [name, value] of Object.entries(answer.headers)) if (!c.res.headers.has(name)) c.header(name, value);
    return undefined;
  };
}
