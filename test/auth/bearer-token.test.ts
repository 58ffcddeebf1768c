import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { operations } from '../../src/api/all-operations.ts';
import { pathOf, problemIn, send } from '../http/client.ts';
import { createKey, createTenant } from '../support/api.ts';
import { faultyEnv } from '../support/faults.ts';

describe('a caller', () => {
  const { ADMIN_TOKEN = '' } = env;

  it.each(operations.map((route) => [`${route.method} ${route.path}`, route] as const))(
    'without a token is refused before any object is woken: %s',
    async (_name, route) => {
      const { env: watched, calls } = faultyEnv();
      const response = await send(route.method, pathOf(route), { env: watched, headers: { Authorization: '' } });
      const isGateway = route.sender === 'gateway';
      await problemIn(response, isGateway ? 'gateway_misconfigured' : 'unauthenticated');
      expect(response.headers.get('WWW-Authenticate')).toBe(isGateway ? null : 'Bearer realm="keystead"');
      expect(calls).toEqual([]);
    },
  );

  it.each<[string, string]>([
    ['an empty token', 'Bearer '],
    ['no scheme', ADMIN_TOKEN],
    ['another scheme', `Basic ${btoa(`admin:${ADMIN_TOKEN}`)}`],
    ['a scheme glued to the token', `Bearer${ADMIN_TOKEN}`],
    ['the token without its last character', `Bearer ${ADMIN_TOKEN.slice(0, -1)}`],
    ['the token with one more character', `Bearer ${ADMIN_TOKEN}x`],
    ['the token with another last character', `Bearer ${ADMIN_TOKEN.slice(0, -1)}0`],
    ['the token in upper case', `Bearer ${ADMIN_TOKEN.toUpperCase()}`],
    ['the token twice', `Bearer ${ADMIN_TOKEN} ${ADMIN_TOKEN}`],
    ['the token in a list', `Bearer x, Bearer ${ADMIN_TOKEN}`],
    ['a very long token', `Bearer ${ADMIN_TOKEN.repeat(200)}`],
    ['a token beyond ASCII', 'Bearer \u00e9\u00ff'],
  ])('with %s is not authenticated', async (_name, authorization) => {
    const response = await send('GET', '/v1/tenants', { headers: { Authorization: authorization } });
    await problemIn(response, 'unauthenticated');
    expect(response.headers.get('WWW-Authenticate')).toMatch(/^Bearer /);
  });

  it("with a customer's key string instead of the token is not authenticated", async () => {
    await createTenant('acme');
    const { secret } = await createKey('acme');
    const response = await send('GET', '/v1/tenants', { headers: { Authorization: `Bearer ${secret}` } });
    await problemIn(response, 'unauthenticated');
  });

  it('may write the scheme in any case', async () => {
    const response = await send('GET', '/v1/tenants', { headers: { Authorization: `bEARER  ${ADMIN_TOKEN} ` } });
    expect(response.status).toBe(200);
  });
});
