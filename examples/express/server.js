/** An API with Express. Its customers call it with keys that Keystead verifies. */
import { Keystead } from '@keystead/client';
import { guard, keyOf } from '@keystead/client/express';
import express from 'express';

const { KEYSTEAD_URL = 'http://127.0.0.1:8787', KEYSTEAD_TOKEN = '', PORT = '3000' } = process.env;
const keystead = new Keystead({ url: KEYSTEAD_URL, token: KEYSTEAD_TOKEN });

/** By customer: the owner of a key. */
const invoices = new Map();

const app = express();

app.get('/health', (_req, res) => {
  res.json({ status: 'ok' });
});

// Reading and writing need different scopes. Behind this line every request has a key that is good for them.
const scopes = ({ method }) => [method === 'GET' || method === 'HEAD' ? 'invoices:read' : 'invoices:write'];
app.use('/invoices', guard(keystead, { scopes }));

app.get('/invoices', (req, res) => {
  res.json({ invoices: invoices.get(keyOf(req).owner) ?? [] });
});

app.post('/invoices', express.json(), (req, res) => {
  const { owner } = keyOf(req);
  const invoice = { id: crypto.randomUUID(), amount: Number(req.body?.amount ?? 0) };
  invoices.set(owner, [...(invoices.get(owner) ?? []), invoice]);
  res.status(201).json(invoice);
});

const server = app.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
