/** What the types of the guards promise: it compiles, or the type check fails. Nothing here runs. */
import express, { type Request as ExpressRequest } from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import * as expressGuard from '../../../../client/src/guards/express.ts';
import * as fastifyGuard from '../../../../client/src/guards/fastify.ts';
import * as fetchGuard from '../../../../client/src/guards/fetch.ts';
import * as honoGuard from '../../../../client/src/guards/hono.ts';
import type { Keystead, Verification } from '../../../../client/src/index.ts';

declare const keystead: Keystead;
const scopes = ['invoices:read'] as const;

new Hono().get('/:id', honoGuard.guard(keystead, { scopes: (c) => [`invoices:${c.req.param('id')}`] }), (c) => {
  const key: Verification = c.var.key;
  const owner: string | null | undefined = c.get('key').owner;
  // @ts-expect-error: a verification has no such member
  const none = c.var.key.nonsense;
  return c.json([key, owner, none]);
});
new Hono().get('/', (c) => {
  // @ts-expect-error: there is no guard
  const key = c.var.key.owner;
  return c.json(key);
});

express().get('/:id', expressGuard.guard(keystead, { scopes, cost: ({ method }) => method?.length ?? 1 }), (req) => {
  // @ts-expect-error: whether there was a guard is not known
  const one: Verification = req.key;
  const other: Verification = expressGuard.keyOf(req);
  return [one, other];
});
express().use(expressGuard.guard(keystead, { tenantId: (req: ExpressRequest) => req.hostname }));

const onRequest = fastifyGuard.guard(keystead, { cost: async (request) => request.routeOptions.url?.length ?? 1 });
fastify().get('/', { onRequest }, async (request) => {
  const key: Verification | undefined = request.key;
  return [key, fastifyGuard.keyOf(request)];
});
fastify().register(fastifyGuard.guardPlugin(keystead));

const protect = fetchGuard.guard(keystead, { scopes: (request: Request) => [`invoices:${request.redirect}`] });
const handler = protect(async (request: Request, key, more: number) => Response.json([request.url, key.owner, more]));
const response: Promise<Response> = handler(new Request('https://example.com'), 1);
// @ts-expect-error: what the handler takes is asked for
handler(new Request('https://example.com'), 'one');

// @ts-expect-error: scopes are a list
fetchGuard.guard(keystead, { scopes: 'invoices:read' });
fetchGuard.guard(keystead, { onUnavailable: (error) => console.error(error) });

export { response };
