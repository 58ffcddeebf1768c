/**
 * Several Workers and their bindings: what was revoked through one isolate of Keystead is refused by the other, and by
 * a customer's Worker that verifies over a service binding, once the call has returned.
 *
 * In real time; bounds are lower ones, which a busy machine cannot break.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Deployment, deploy, ISOLATES, type Isolate, OUTAGE_NAMES } from './several-workers/deployment.ts';

const LEASE_SECONDS = 1;

let deployment: Deployment;
beforeAll(async () => {
  deployment = await deploy();
});
afterAll(async () => {
  await deployment[Symbol.asyncDispose]();
});

type Key = { readonly id: string; readonly secret: string };

async function createTenant(id: string): Promise<void> {
  const body = { id, settings: { leaseSeconds: LEASE_SECONDS } };
  expect((await deployment.api('keystead', 'POST', '/tenants', body)).status).toBe(201);
}

async function createKey(tenantId: string, scopes: readonly string[] = ['orders:read']): Promise<Key> {
  const body = { name: 'Partner', owner: 'partner', scopes };
  const created = await deployment.api('keystead', 'POST', `/tenants/${tenantId}/keys`, body);
  expect(created.status).toBe(201);
  return created.body as Key;
}

async function codeOf(isolate: Isolate, key: Key): Promise<string> {
  const { body } = await deployment.api(isolate, 'POST', '/keys/verify', { key: key.secret });
  return (body as { code: string }).code;
}

/** What everybody says of a key: both isolates of Keystead, and the customer's Worker. */
const everywhere = async (key: Key) => [
  ...(await Promise.all(ISOLATES.map((isolate) => codeOf(isolate, key)))),
  (await deployment.customer(key.secret)).status,
];

/**
 * Ends a key that all of them have just verified, so that they have it leased. Returns what they say when that has
 * returned.
 */
async function endLeased(key: Key, by: Isolate, method: string, path: string) {
  const askedAt = performance.now();
  expect(await everywhere(key)).toEqual(['VALID', 'VALID', 200]);
  const { status } = await deployment.api(by, method, path);
  // It waited: no lease that was asked for after `askedAt` has ended sooner.
  expect(performance.now() - askedAt).toBeGreaterThan(LEASE_SECONDS * 1000);
  return { status, afterwards: await everywhere(key) };
}

describe.concurrent('an API behind a service binding', () => {
  it('lets in who has a valid key that permits the request', async () => {
    await createTenant('orders');
    const [reading, writing] = [await createKey('orders'), await createKey('orders', ['orders:*'])];
    expect(await deployment.customer(reading.secret)).toEqual({ status: 200, body: { orders: [], owner: 'partner' } });
    expect((await deployment.customer(reading.secret, 'POST')).status).toBe(403);
    expect((await deployment.customer(writing.secret, 'POST')).status).toBe(200);
    expect((await deployment.customer(`${reading.secret}x`)).status).toBe(401);
    expect((await deployment.customer(null)).status).toBe(401);
  });

  it.each(OUTAGE_NAMES)('lets nobody in where Keystead %s', async (outage) => {
    await createTenant(`outage-${OUTAGE_NAMES.indexOf(outage)}`);
    const key = await createKey(`outage-${OUTAGE_NAMES.indexOf(outage)}`);
    expect((await deployment.customer(key.secret)).status).toBe(200);
    expect((await deployment.customer(key.secret, 'GET', outage)).status).toBe(503);
  });
});

describe.concurrent('a key that every isolate has leased', () => {
  it.each(ISOLATES)('is refused everywhere once its revocation through %s has returned', async (by) => {
    const tenantId = `revoked-by-${by}`;
    await createTenant(tenantId);
    const key = await createKey(tenantId);
    const revoked = await endLeased(key, by, 'POST', `/tenants/${tenantId}/keys/${key.id}/revoke`);
    expect(revoked).toEqual({ status: 200, afterwards: ['REVOKED', 'REVOKED', 401] });
  });

  it('is refused everywhere once the deletion of its tenant has returned', async () => {
    await createTenant('deleted');
    const key = await createKey('deleted');
    const deleted = await endLeased(key, 'keystead-2', 'DELETE', '/tenants/deleted');
    expect(deleted).toEqual({ status: 204, afterwards: ['NOT_FOUND', 'NOT_FOUND', 401] });
  });
});
