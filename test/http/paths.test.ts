import { describe, expect, it } from 'vitest';
import { operations } from '../../src/api/all-operations.ts';
import { faultyEnv } from '../support/faults.ts';
import { methodsAt, pathOf, problemIn, send } from './client.ts';

const UNKNOWN_KEY = 'key_00000000000000000';

describe('a path', () => {
  it.each([
    '/',
    '/v1',
    '/v1/',
    '/v2/tenants',
    '/V1/tenants',
    '//v1/tenants',
    '/v1//tenants',
    '/v1/tenants/acme/nothing',
    '/v1/keys',
    '/v1/tenants/acme/keys/x/y/z',
    '/index.html',
    '/.env',
    '/v1/tenants%2Facme',
    '/v1/tenants/',
    '/v1/tenants///',
    '/v1/tenants/acme/keys/',
    '/v1/keys/verify/',
    '/healthz/',
  ])('that is not a route is 404: %s', async (path) => {
    const { env: watched, calls } = faultyEnv();
    await problemIn(await send('GET', path, { env: watched }), 'not_found');
    expect(calls).toEqual([]);
  });

  it.each(['Acme', 'acme%20', '%2e%2e%2f', '-acme', 'a'.repeat(64), '%00', 'acme%2Fkeys', '%zz', 'ácme', '__proto__'])(
    'with an invalid tenant id is 404 without an object call: %s',
    async (tenant) => {
      const { env: watched, calls } = faultyEnv();
      await problemIn(await send('GET', `/v1/tenants/${tenant}`, { env: watched }), 'tenant_not_found');
      expect(calls).toEqual([]);
    },
  );

  it.each(['key_', 'x', `${UNKNOWN_KEY}0`, UNKNOWN_KEY.toUpperCase(), 'key_%30000000000000000', 'constructor'])(
    'with an invalid key id is 404 without an object call: %s',
    async (id) => {
      const { env: watched, calls } = faultyEnv();
      await problemIn(await send('GET', `/v1/tenants/acme/keys/${id}`, { env: watched }), 'key_not_found');
      expect(calls).toEqual([]);
    },
  );

  const paths = [...new Set(operations.map(pathOf))];
  const others = paths.flatMap((path) =>
    ['GET', 'POST', 'PATCH', 'DELETE', 'PUT', 'HEAD', 'OPTIONS']
      .filter((method) => !methodsAt(path).includes(method))
      .map((method) => [method, path] as const),
  );

  it.each(others)('with an unsupported method is 405 and lists the supported ones: %s %s', async (method, path) => {
    const response = await send(method, path);
    expect(response.headers.get('Allow')?.split(', ').sort()).toEqual(methodsAt(path).sort());
    if (method === 'HEAD') expect(response.status).toBe(405);
    else await problemIn(response, 'method_not_allowed');
  });
});
