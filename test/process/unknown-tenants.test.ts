/** A request about a tenant that was never created leaves nothing on the disk. */
import { readdirSync } from 'node:fs';
import { expect, it } from 'vitest';
import { startServer, temporaryFolder } from './server.ts';

/** Every route of a tenant that reads or ends something. */
const ROUTES: readonly (readonly [method: string, path: string, body?: object])[] = [
  ['GET', ''],
  ['PATCH', '', { name: 'n' }],
  ['DELETE', ''],
  ['GET', '/keys'],
  ['GET', '/keys?offset=0'],
  ['POST', '/keys', { name: 'k' }],
  ['POST', '/keys/bulk', { keys: [{ name: 'k' }] }],
  ['POST', '/keys/revoke', { owner: 'o' }],
  ['GET', '/keys/key_00000000000000000'],
  ['DELETE', '/keys/key_00000000000000000'],
  ['POST', '/keys/key_00000000000000000/rotate', {}],
  ['POST', '/keys/key_00000000000000000/reveal'],
  ['GET', '/rotations'],
  ['GET', '/audit'],
  ['GET', '/encryption'],
];

it('requests about unknown tenants create no files', async () => {
  using folder = temporaryFolder();
  await using server = await startServer(folder.path);
  const { url, adminToken } = server;
  const send = async (method: string, path: string, body?: object) => {
    const response = await fetch(`${url}/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${adminToken}`, 'Content-Type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: JSON.parse((await response.text()) || 'null') };
  };
  await send('POST', '/tenants', { id: 'known' });
  const { secret } = (await send('POST', '/tenants/known/keys', { name: 'k' })).body;
  await send('DELETE', '/tenants/not-there');
  // Except journals, which come and go: an object that is evicted meanwhile leaves none.
  const files = () =>
    readdirSync(folder.path, { recursive: true, encoding: 'utf8' }).filter((path) => !/-(wal|shm)$/.test(path));
  const before = files();
  for (let n = 0; n < 20; n++) {
    for (const [method, path, body] of ROUTES) {
      const { status } = await send(method, `/tenants/unknown-${n}${path}`, body);
      expect([status, method, path]).toEqual([404, method, path]);
    }
    const grant = { name: 'm', role: 'verifier', tenantId: `unknown-${n}` };
    expect((await send('POST', '/management-keys', grant)).status).toBe(404);
    const verified = await send('POST', '/keys/verify', { key: secret, tenantId: `unknown-${n}` });
    expect(verified.body.code).toBe('NOT_FOUND');
  }
  expect(files()).toEqual(before);
});
