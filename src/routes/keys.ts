/** Keys: minting and sealing happen here, every decision in the tenant's object. */
import type { MintedKey } from '../../durable-objects/keys/record.ts';
import type { Failure, PrefixMismatch, Result } from '../../durable-objects/outcome.ts';
import { DEFAULT_SETTINGS } from '../../durable-objects/tenants/record.ts';
import { type Call, json, jsonWithSecret } from '../http/call.ts';
import { problemOf } from '../http/problem.ts';
import {
  createKeyBody,
  type KeyWithSecret,
  listKeysQuery,
  type RotationResult,
  revokeKeyBody,
  rotateKeyBody,
  toKeyResource,
  updateKeyBody,
} from '../schemas/keys.ts';
import { mintKey } from '../secrets/minting.ts';
import { keyRoute, type Route, tenantRoute } from './route.ts';
import { unwrap } from './unwrap.ts';

async function createKey(call: Call, tenantId: string): Promise<Response> {
  const { prefix, ...attributes } = await call.body(createKeyBody);
  const operation = call.operation();
  const { secret, value } = await mintFor(call, tenantId, prefix, (minted) =>
    call.objects.changeTenant(tenantId, operation, (tenant, op) =>
      tenant.createKey(tenantId, minted, attributes, prefix, op),
    ),
  );
  return jsonWithSecret({ ...toKeyResource(tenantId, value), secret } satisfies KeyWithSecret, 201);
}

async function rotateKey(call: Call, tenantId: string, keyId: string): Promise<Response> {
  const { gracePeriodSeconds, ...overrides } = await call.body(rotateKeyBody);
  const request = { overrides, ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }) };
  const operation = call.operation();
  const { secret, value } = await mintFor(call, tenantId, undefined, (minted) =>
    call.objects.changeTenant(tenantId, operation, (tenant, op) =>
      tenant.rotateKey(tenantId, keyId, minted, request, op),
    ),
  );
  const result: RotationResult = {
    key: { ...toKeyResource(tenantId, value.successor), secret },
    rotated: toKeyResource(tenantId, value.predecessor),
  };
  return jsonWithSecret(result, 201);
}

/**
 * Mints a key and has the object take it. The prefix is signed into the key string, but only the object knows which one a tenant or a predecessor
 * has; so the one that was right last time is tried, and the object says when it is not.
 */
async function mintFor<T>(
  call: Call,
  tenantId: string,
  prefix: string | undefined,
  take: (minted: MintedKey) => Promise<Result<T, Failure | PrefixMismatch>>,
): Promise<{ readonly secret: string; readonly value: T }> {
  const guess = call.runtime.prefixGuesses.get(tenantId, () => ({ prefix: DEFAULT_SETTINGS.keyPrefix }));
  let wanted = prefix ?? guess.prefix;
  for (;;) {
    const { secret, minted } = await mintKey(call.runtime, tenantId, wanted, Date.now());
    const taken = await take(minted);
    if (taken.ok) return { secret, value: taken.value };
    if (taken.failure.code !== 'prefix_mismatch') throw problemOf(taken.failure);
    wanted = taken.failure.prefix;
    guess.prefix = wanted;
  }
}

async function listKeys(call: Call, tenantId: string): Promise<Response> {
  const { limit, cursor, order, ...filter } = call.query(listKeysQuery);
  const list = { list: 'keys', tenantId, order, filter };
  const after = await call.position(cursor, list);
  const query = { filter, order, limit, after };
  const page = unwrap(await call.objects.tenant(tenantId, (tenant) => tenant.listKeys(tenantId, query)));
  return call.listResponse(
    page.items.map((key) => toKeyResource(tenantId, key)),
    page,
    limit,
    list,
  );
}

async function getKey(call: Call, tenantId: string, keyId: string): Promise<Response> {
  const key = unwrap(await call.objects.tenant(tenantId, (tenant) => tenant.getKey(tenantId, keyId)));
  return json(toKeyResource(tenantId, key));
}

async function updateKey(call: Call, tenantId: string, keyId: string): Promise<Response> {
  const patch = await call.body(updateKeyBody);
  const updated = await call.objects.changeTenant(tenantId, call.operation(), (tenant, operation) =>
    tenant.updateKey(tenantId, keyId, patch, operation),
  );
  return json(toKeyResource(tenantId, unwrap(updated)));
}

async function revokeKey(call: Call, tenantId: string, keyId: string): Promise<Response> {
  const input = await call.body(revokeKeyBody);
  const revoked = await call.objects.changeTenant(tenantId, call.operation(), (tenant, operation) =>
    tenant.revokeKey(tenantId, keyId, input, operation),
  );
  return json(toKeyResource(tenantId, unwrap(revoked)));
}

async function deleteKey(call: Call, tenantId: string, keyId: string): Promise<Response> {
  unwrap(
    await call.objects.changeTenant(tenantId, call.operation(), (tenant, operation) =>
      tenant.deleteKey(tenantId, keyId, operation),
    ),
  );
  return new Response(null, { status: 204 });
}

export const keyRoutes: readonly Route[] = [
  tenantRoute('POST', '/keys', 'keys:create', createKey),
  tenantRoute('GET', '/keys', 'keys:read', listKeys),
  keyRoute('GET', '', 'keys:read', getKey),
  keyRoute('PATCH', '', 'keys:update', updateKey),
  keyRoute('DELETE', '', 'keys:delete', deleteKey),
  keyRoute('POST', '/rotate', 'keys:rotate', rotateKey),
  keyRoute('POST', '/revoke', 'keys:revoke', revokeKey),
];
