/** An API with Hono, here on Node. Its customers call it with keys that Keystead verifies. */
import { serve } from '@hono/node-server';
import { Keystead } from '@keystead/client';
import { guard } from '@keystead/client/hono';
import { Hono } from 'hono';
import { cors } from 'hono/cors';

const { KEYSTEAD_URL = 'http://127.0.0.1:8787', KEYSTEAD_TOKEN = '', PORT = '3000' } = process.env;
const keystead = new Keystead({ url: KEYSTEAD_URL, token: KEYSTEAD_TOKEN });

const app = new Hono();

// Before the guards: browsers send no key when they ask what a page may send.
app.use(cors({ origin: 'https://app.example.com', allowHeaders: ['Authorization'] }));

app.get('/health', (c) => c.json({ status: 'ok' }));

// Each route has a guard of its own. Drawing a chart costs more than reading one.
app.get('/charts', guard(keystead, { scopes: ['charts:read'] }), (c) => {
  const { owner, metadata } = c.var.key;
  return c.json({ owner, theme: metadata.theme ?? 'light', charts: [] });
});

app.post('/charts', guard(keystead, { scopes: ['charts:write'], cost: 10 }), (c) =>
  c.json({ id: crypto.randomUUID(), owner: c.var.key.owner }, 201),
);

serve({ fetch: app.fetch, port: Number(PORT), hostname: '127.0.0.1' }, ({ port }) => {
  console.log(`listening on http://127.0.0.1:${port}`);
});
