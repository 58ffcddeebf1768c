/** A guard and its client against a real server. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { Keystead } from '../../../../client/src/index.ts';
import { Client } from '../../client.ts';
import { startServer, temporaryFolder } from '../../server.ts';
import { FRAMEWORKS } from './frameworks.ts';

const { serve } = FRAMEWORKS.find(({ name }) => name === 'express, for one route') ?? FRAMEWORKS[0] ?? never();

function never(): never {
  throw new Error('there is no framework');
}

test('a key is let in until it is revoked, limited, and refused while Keystead is down', async () => {
  using folder = temporaryFolder();
  await using server = await startServer(folder.path);
  const client = new Client(server);
  await client.createTenant('acme', { leaseSeconds: 0 });
  await client.createTenant('globex');
  const rateLimits = [{ name: 'calls', limit: 2, windowSeconds: 3600 }];
  const [good, limited, foreign] = await Promise.all([
    client.createKey('acme', { owner: 'customer-17', scopes: ['invoices:*'] }),
    client.createKey('acme', { scopes: ['*'], rateLimits }),
    client.createKey('globex', { scopes: ['*'] }),
  ]);
  const keystead = new Keystead({ url: server.url, token: server.adminToken });
  await using app = await serve(keystead, { scopes: ['invoices:read'], tenantId: 'acme' });
  const ask = (secret: string) => app.send({ headers: { 'X-API-Key': secret } });
  const codeOf = async (secret: string) => {
    const { status, text } = await ask(secret);
    return `${status} ${JSON.parse(text).code}`;
  };

  expect(await ask(good.secret)).toMatchObject({ status: 200, text: '{"owner":"customer-17"}' });
  expect(await codeOf(foreign.secret)).toBe('401 NOT_FOUND');
  expect(await codeOf(`${good.secret.slice(0, -1)}!`)).toBe('401 NOT_FOUND');
  expect(await codeOf(`${'x'.repeat(8192)}`)).toBe('401 MALFORMED');

  expect((await ask(limited.secret)).headers.get('RateLimit')).toMatch(/^"calls";r=1;t=\d+$/);
  await ask(limited.secret);
  const refused = await ask(limited.secret);
  expect(refused.status).toBe(429);
  expect(refused.headers.get('RateLimit-Policy')).toBe('"calls";q=2');
  expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(1000);

  const rotated = await client.rotateKey('acme', good.id, { gracePeriodSeconds: 3600 });
  const old = await ask(good.secret);
  expect(old.status).toBe(200);
  expect(old.headers.get('Sunset')).toBe(new Date(rotated.rotated.rotation.graceEndsAt ?? '').toUTCString());
  expect(old.headers.get('Deprecation')).toMatch(/^@\d{10}$/);

  await client.revokeKey('acme', rotated.key.id);
  expect(await codeOf(rotated.key.secret)).toBe('401 REVOKED');

  await using wrong = await serve(keystead, { scopes: ['not a scope'] });
  expect(await wrong.send({ headers: { 'X-API-Key': good.secret } })).toMatchObject({ status: 500 });
  await using stranger = await serve(new Keystead({ url: server.url, token: good.secret }));
  expect(await stranger.send({ headers: { 'X-API-Key': good.secret } })).toMatchObject({ status: 503 });

  // A server that takes requests and never answers.
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  await using waiting = await serve(new Keystead({ url, token: server.adminToken }), { timeoutMs: 100 });
  const from = performance.now();
  expect(await waiting.send({ headers: { 'X-API-Key': good.secret } })).toMatchObject({ status: 503 });
  expect(performance.now() - from).toBeLessThan(1000);
  silent.closeAllConnections();
  silent.close();

  await server.killGroup();
  const before = performance.now();
  expect(await codeOf(good.secret)).toBe('503 UNAVAILABLE');
  expect(performance.now() - before).toBeLessThan(2000);
});
