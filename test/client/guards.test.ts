/** The guards that run in Workers, in the runtime itself. What they decide is tested in test/process/client/guards. */
import { Hono } from 'hono';
import { expect, test } from 'vitest';
import type { Verification } from '../../client/src/api/types.ts';
import { guard as guardFetch } from '../../client/src/guards/fetch.ts';
import { guard as guardHono } from '../../client/src/guards/hono.ts';

const LIMIT = { name: 'calls', limit: 5, remaining: 4, resetsAt: new Date(Date.now() + 1000).toISOString() };
const VALID: Verification = { valid: true, code: 'VALID', owner: 'customer-17', limits: [LIMIT], warnings: [] };
const REVOKED: Verification = { valid: false, code: 'REVOKED', owner: 'customer-17', warnings: [] };
const keystead = { verify: async (key: string) => (key === 'good' ? VALID : REVOKED) };

const requestWith = (key: string) => new Request('https://api.example.com/', { headers: { 'X-API-Key': key } });

test('a fetch handler gets the key and whatever it is called with, and its response the headers', async () => {
  const handler = guardFetch(keystead)((request: Request, key, env: { readonly greeting: string }) =>
    Response.json(`${env.greeting} ${key.owner}, ${request.method}`),
  );
  const allowed = await handler(requestWith('good'), { greeting: 'Hello' });
  expect(await allowed.json()).toBe('Hello customer-17, GET');
  expect(allowed.headers.get('RateLimit-Policy')).toBe('"calls";q=5');
  const refused = await handler(requestWith('bad'), { greeting: 'Hello' });
  expect(refused.status).toBe(401);
  expect(await refused.json()).toMatchObject({ code: 'REVOKED' });
});

test('a response whose headers are immutable gets them too', async () => {
  const handler = guardFetch(keystead)((_request: Request) => Response.redirect('https://api.example.com/there', 303));
  const redirected = await handler(requestWith('good'));
  expect(redirected.status).toBe(303);
  expect(redirected.headers.get('Location')).toBe('https://api.example.com/there');
  expect(redirected.headers.get('RateLimit')).toMatch(/^"calls";r=4;t=\d$/);
});

test('a WebSocket is handed on as it is', async () => {
  const pair = new WebSocketPair();
  pair[1].accept();
  const switching = new Response(null, { status: 101, webSocket: pair[0] });
  const handler = guardFetch(keystead)(() => switching);
  expect(await handler(requestWith('good'))).toBe(switching);
  expect(await handler(requestWith('bad'))).toMatchObject({ status: 401 });
});

test('hono', async () => {
  const app = new Hono().get('/', guardHono(keystead), (c) => c.text(`Hello ${c.var.key.owner}`));
  const allowed = await app.fetch(requestWith('good'));
  expect(await allowed.text()).toBe('Hello customer-17');
  expect(allowed.headers.get('RateLimit-Policy')).toBe('"calls";q=5');
  expect(await app.fetch(requestWith('bad'))).toMatchObject({ status: 401 });
});
