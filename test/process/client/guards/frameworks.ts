/** One protected endpoint, `/owner`, in each framework. It answers with the owner of the key. */
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import * as expressGuard from '../../../../client/src/guards/express.ts';
import * as fastifyGuard from '../../../../client/src/guards/fastify.ts';
import * as fetchGuard from '../../../../client/src/guards/fetch.ts';
import type { GuardOptions, Verifier } from '../../../../client/src/guards/guard.ts';
import * as honoGuard from '../../../../client/src/guards/hono.ts';
import type { HeaderValue } from '../../../../client/src/guards/presented-key.ts';

export type Sent = {
  readonly method?: string;
  /** Sent as they are, a list as several lines. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** Put in front of the guard as the framework's headers, whatever a request could carry. */
  readonly forced?: Readonly<Record<string, HeaderValue>>;
};
export type Received = { readonly status: number; readonly headers: Headers; readonly text: string };

export type Served = AsyncDisposable & { send(sent?: Sent): Promise<Received> };

/** Options that do not use the framework's request. */
export type CommonOptions = GuardOptions<unknown>;

export type Framework = {
  readonly name: string;
  serve(keystead: Verifier, options?: CommonOptions): Promise<Served>;
};

/** What the application itself answers with, where a guard has something to say too. */
const OWN_HEADER = { name: 'X-App', value: 'one' };

export const FRAMEWORKS: readonly Framework[] = [
  {
    name: 'hono',
    serve: async (keystead, options) => {
      const app = new Hono();
      app.get('/owner', honoGuard.guard(keystead, options), (c) =>
        c.json({ owner: c.var.key.owner, same: c.get('key') === c.var.key }, 200, {
          [OWN_HEADER.name]: OWN_HEADER.value,
        }),
      );
      app.on('OPTIONS', '/owner', honoGuard.guard(keystead, options), (c) => c.body(null, 204));
      app.onError((_error, c) => c.text('failed', 500));
      return servedByFetch((request) => app.fetch(request));
    },
  },
  {
    name: 'hono, behind app.use, with a response that is immutable',
    serve: async (keystead, options) => {
      const app = new Hono<honoGuard.KeyEnv>();
      app.use('/owner', honoGuard.guard(keystead, options));
      app.get('/owner', async (c) => immutable({ owner: c.var.key.owner }));
      app.onError((_error, c) => c.text('failed', 500));
      return servedByFetch((request) => app.fetch(request));
    },
  },
  {
    name: 'fetch',
    serve: async (keystead, options) => {
      const protect = fetchGuard.guard(keystead, options);
      const handler = protect((_request: Request, key, more: string) =>
        Response.json({ owner: key.owner, more }, { headers: { [OWN_HEADER.name]: OWN_HEADER.value } }),
      );
      return servedByFetch((request) => handler(request, 'more').catch(() => new Response('failed', { status: 500 })));
    },
  },
  {
    name: 'fetch, with a response that is immutable',
    serve: async (keystead, options) => {
      const handler = fetchGuard.guard(keystead, options)((_request: Request, key) => immutable({ owner: key.owner }));
      return servedByFetch((request) => handler(request).catch(() => new Response('failed', { status: 500 })));
    },
  },
  {
    name: 'express, for one route',
    serve: async (keystead, options) => {
      const app = express();
      app.use(force);
      app.all('/owner', expressGuard.guard(keystead, options), (req, res) => {
        res.set(OWN_HEADER.name, OWN_HEADER.value).json({ owner: expressGuard.keyOf(req).owner });
      });
      app.use(failed);
      return servedByNode(app);
    },
  },
  {
    name: 'express, behind app.use',
    serve: async (keystead, options) => {
      const app = express();
      app.use(force);
      app.use('/owner', expressGuard.guard(keystead, options));
      app.get('/owner', (req, res) => {
        res.json({ owner: req.key?.owner });
      });
      app.use(failed);
      return servedByNode(app);
    },
  },
  {
    name: 'fastify, for one route',
    serve: async (keystead, options) => {
      const app = fastify();
      app.addHook('onRequest', async (request) => applyForced(request.raw));
      app.setErrorHandler((_error, _request, reply) => reply.code(500).send('failed'));
      const onRequest = fastifyGuard.guard(keystead, options);
      app.route({
        method: ['GET', 'HEAD', 'OPTIONS'],
        url: '/owner',
        onRequest,
        handler: async (request) => ({ owner: request.key?.owner }),
      });
      await app.ready();
      return servedByNode((request, response) => app.routing(request, response));
    },
  },
  {
    name: 'fastify, as a plugin',
    serve: async (keystead, options) => {
      const app = fastify();
      app.addHook('onRequest', async (request) => applyForced(request.raw));
      app.setErrorHandler((_error, _request, reply) => reply.code(500).send('failed'));
      app.register(async (api) => {
        api.register(fastifyGuard.guardPlugin(keystead, options));
        api.all('/owner', async (request) => ({ owner: fastifyGuard.keyOf(request).owner }));
      });
      app.get('/open', async () => 'open');
      await app.ready();
      return servedByNode((request, response) => app.routing(request, response));
    },
  },
];

function immutable(body: unknown): Response {
  const response = Response.json(body);
  const refuse = () => {
    throw new TypeError('immutable');
  };
  return Object.defineProperty(response, 'headers', {
    value: new Proxy(response.headers, {
      get: (headers, name) => {
        const member = Reflect.get(headers, name, headers);
        if (name === 'set' || name === 'append' || name === 'delete') return refuse;
        return typeof member === 'function' ? member.bind(headers) : member;
      },
    }),
  });
}

const URL_OF_ENDPOINT = 'http://127.0.0.1/owner';

function servedByFetch(handle: (request: Request) => Response | Promise<Response>): Served {
  return {
    send: async ({ method = 'GET', headers = {}, forced }: Sent = {}) => {
      const lines = Object.entries(headers).flatMap(([name, value]) =>
        [value].flat().map((one): [string, string] => [name, one]),
      );
      const request = new Request(URL_OF_ENDPOINT, { method, headers: lines });
      const answered = await handle(forced === undefined ? request : forcedRequest(method, forced));
      return { status: answered.status, headers: answered.headers, text: await answered.text() };
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** A request whose headers give what no `Headers` would take. */
function forcedRequest(method: string, forced: Readonly<Record<string, HeaderValue>>): Request {
  const headers = { get: (name: string) => forced[name.toLowerCase()] ?? null };
  return { method, url: URL_OF_ENDPOINT, headers } as unknown as Request;
}

/** The headers that the next request of a Node server is given, by the number that it carries. */
const forcedHeaders = new Map<string, Readonly<Record<string, HeaderValue>>>();

function applyForced(request: { readonly headers: IncomingHttpHeaders }): void {
  const forced = forcedHeaders.get(`${request.headers['x-forced']}`);
  if (forced !== undefined) Object.assign(request.headers, forced);
}

const force: express.RequestHandler = (req, _res, next) => {
  applyForced(req);
  next();
};

// Express tells an error handler by its four parameters.
const failed: express.ErrorRequestHandler = (_error, _req, res, _next) => {
  res.status(500).send('failed');
};

async function servedByNode(listener: RequestListener): Promise<Served> {
  const server = createServer({ maxHeaderSize: 4 * 1024 * 1024 }, listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    send: async ({ method = 'GET', headers = {}, forced }: Sent = {}) => {
      const number = `${forcedHeaders.size}`;
      if (forced !== undefined) forcedHeaders.set(number, forced);
      const sent = {
        ...(headers as Record<string, string | string[]>),
        'X-Forced': forced === undefined ? 'no' : number,
      };
      const request = httpRequest({ port, host: '127.0.0.1', path: '/owner', method, headers: sent }).end();
      const [response] = await once(request, 'response');
      let text = '';
      for await (const piece of response.setEncoding('utf8')) text += piece;
      const received = new Headers();
      for (const [name, value] of Object.entries(response.headers as IncomingHttpHeaders)) {
        received.set(name, [value].flat().join(', '));
      }
      return { status: response.statusCode, headers: received, text };
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
