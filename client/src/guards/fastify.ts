/** The guard for Fastify: a hook for single routes, and a plugin for all routes of a scope. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Verification } from '../api/types.ts';
import { createGuard, type GuardOptions, type Verifier } from './guard.ts';
import { headerOf } from './node-headers.ts';

export type { GuardOptions, Verifier } from './guard.ts';
export type { Problem, Refusal, RefusalCode } from './refusals.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The verified key, behind a guard. `keyOf` gives it without a check. */
    key?: Verification;
  }
}

/**
 * Protects a route, as its `onRequest` hook: before the body is read. As `preHandler` its options can use the body.
 *
 *     app.get('/invoices', { onRequest: guard(keystead, { scopes: ['invoices:read'] }) }, (request) => …);
 */
export function guard(keystead: Verifier, options: GuardOptions<FastifyRequest> = {}) {
  const check = createGuard(keystead, options);
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const { headers, raw } = request;
    const message = { headers, headersDistinct: raw.headersDistinct };
    const answer = await check(request, (name) => headerOf(message, name));
    if (!answer.allowed) {
      const { refusal } = answer;
      return reply.code(refusal.status).headers(refusal.headers).send(JSON.stringify(refusal.body));
    }
    request.key = answer.key;
    reply.headers(answer.headers);
    return undefined;
  };
}

/**
 * Protects all routes of the scope that it is registered in, those that come after it:
 *
 *     app.register(async (api) => {
 *       api.register(guardPlugin(keystead));
 *       api.get('/invoices', (request) => keyOf(request).owner);
 *     });
 */
export function guardPlugin(keystead: Verifier, options: GuardOptions<FastifyRequest> = {}) {
  const hook = guard(keystead, options);
  const plugin = async (scope: FastifyInstance): Promise<void> => {
    // Fastify makes requests faster whose members it knows from the start.
    if (!scope.hasRequestDecorator('key')) scope.decorateRequest('key');
    scope.addHook('onRequest', hook);
  };
  // For the scope itself, not for one below it, as `fastify-plugin` does it.
  return Object.assign(plugin, { [Symbol.for('skip-override')]: true });
}

/** The verified key of a request. Throws where no guard has let the request in. */
export function keyOf(request: { readonly key?: Verification }): Verification {
  if (request.key === undefined) throw new Error('keystead: no guard has let this request in');
  return request.key;
}
