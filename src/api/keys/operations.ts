/** Keys: minting and sealing happen here, every decision in the tenant's object. */
import { type ListedKeyView, OFFSET_REACH, type OffsetQuery } from '../../../durable-objects/tenant/keys/list.ts';
import type { KeyView, NewAttributes } from '../../../domain/keys/record.ts';
import { refusalOf } from '../../../domain/rotations/rights.ts';
import type { Mutated } from '../../../domain/outcome.ts';
import { type Answer, json, noContent } from '../../http/answer.ts';
import type { Call } from '../request-context.ts';
import { etag } from '../../http/conditions.ts';
import { listInTurns } from '../../http/long-list.ts';
import { Problem, problemOf, validationFailed } from '../../http/problem.ts';
import { partsInTurns } from '../../http/turns.ts';
import {
  createKeyBody,
  createKeysBody,
  type KeyCounts,
  type KeyWithSecret,
  listKeysQuery,
  parseListed,
  type RotationResult,
  revokeKeyBody,
  revokeKeysBody,
  rotateKeyBody,
  toKeyResource,
  toKeyWithSecret,
  updateKeyBody,
  type WantedKey,
} from './schemas.ts';
import { formatKeyString } from '../../crypto/key-string.ts';
import { marked, unwrap } from '../outcomes.ts';
import { mintFor } from './minting.ts';
import { BODY_BYTES, keyRoute, type Route, tenantRoute } from '../operation.ts';

/** Keys with up to 100 scopes each whose scopes are written in one turn. */
const WANTED_PER_TURN = 100;

async function createKey(call: Call, tenantId: string): Promise<Answer> {
  const wanted = await call.body(createKeyBody);
  const { result, secrets } = await make(call, tenantId, [wanted]);
  const [created] = unwrap(result);
  if (created === undefined) throw new Error('a creation without key');
  const key = toKeyWithSecret(tenantId, wanted, created, secrets[0] ?? '');
  return marked(withSecret(key, key.version), result);
}

async function createKeys(call: Call, tenantId: string): Promise<Answer> {
  const wanted = await call.listBody(createKeysBody);
  const { result, secrets } = await make(call, tenantId, wanted);
  const created = unwrap(result, true);
  const body = await listInTurns(created, (key, i) => {
    const attributes = wanted[i];
    if (attributes === undefined) throw new Error('a key that nobody asked for');
    return toKeyWithSecret(tenantId, attributes, key, secrets[i] ?? '');
  });
  return marked({ ...withSecret(null), body }, result);
}

/** Mints keys and has the object take them. */
async function make(call: Call, tenantId: string, wanted: readonly WantedKey[]) {
  const stored: NewAttributes[] = [];
  for await (const part of partsInTurns(wanted, WANTED_PER_TURN)) {
    for (const { prefix: _, scopes, ...rest } of part) stored.push({ ...rest, scopes: JSON.stringify(scopes) });
  }
  const prefixes = wanted.map(({ prefix }) => prefix);
  return mintFor(call, tenantId, prefixes, (mints, command) => {
    const newKeys = stored.flatMap((attributes, i) => {
      const minted = mints[i];
      return minted === undefined ? [] : [{ minted, attributes, prefix: prefixes[i] }];
    });
    return call.objects.changeTenant(tenantId, command, (tenant, target, op) =>
      tenant.createKeys(target, newKeys, op),
    );
  });
}

async function rotateKey(call: Call, tenantId: string, keyId: string): Promise<Answer> {
  const { gracePeriodSeconds, ...overrides } = await call.body(rotateKeyBody);
  const { permissions } = call.caller;
  const rights = { mayWiden: permissions.has('keys:update') || permissions.has('keys:create'), endsBy: null };
  const request = { overrides, rights, ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }) };
  const { result, secrets } = await mintFor(call, tenantId, [undefined], ([minted], command) => {
    if (minted === undefined) throw new Error('nothing was minted');
    return call.objects.changeTenant(tenantId, command, (tenant, target, op) =>
      tenant.rotateKey(target, keyId, minted, request, op),
    );
  });
  const { successor, predecessor } = unwrap(result);
  // A kept answer was decided for the caller as it was then.
  if (refusalOf(predecessor, successor, rights) !== null) throw problemOf({ code: 'would_widen' });
  const [key] = withSecrets(tenantId, [successor], secrets);
  if (key === undefined) throw new Error('a rotation without successor');
  return marked(withSecret({ key, rotated: toKeyResource(tenantId, predecessor) } satisfies RotationResult), result);
}

function withSecrets(tenantId: string, keys: readonly KeyView[], secrets: readonly string[]): KeyWithSecret[] {
  return keys.map((key, i) => ({ ...toKeyResource(tenantId, key), secret: secrets[i] ?? '' }));
}

/** An answer that carries key strings: no cache may keep it. */
function withSecret(value: unknown, version?: number): Answer {
  const headers = { 'Cache-Control': 'no-store' };
  return json(value, 201, version === undefined ? headers : { ...headers, ETag: etag(version) });
}

async function listKeys(call: Call, tenantId: string): Promise<Answer> {
  const { limit, cursor, offset, order, ...filter } = call.query(listKeysQuery);
  if (offset !== undefined) return listKeysByOffset(call, tenantId, { filter, order, limit, offset });
  const list = { list: 'keys', tenantId, order, filter };
  const query = { filter, order, limit, after: await call.position(cursor, list) };
  const page = unwrap(await call.objects.tenant(tenantId, (tenant, target) => tenant.listKeys(target, query)));
  const data = parseListed(page.keys).map((key) => toKeyResource(tenantId, key));
  return call.listResponse(data, page, limit, list);
}

/** Steps that a page by offset takes at most, some 5 ms of the object each; it serves others in between. */
const OFFSET_STEPS_MAX = 20;

async function listKeysByOffset(call: Call, tenantId: string, query: Omit<OffsetQuery, 'after' | 'matched'>) {
  const { limit, offset } = query;
  const items: ListedKeyView[] = [];
  let [matched, after, isDone]: [number, number | null, boolean] = [0, null, false];
  for (let steps = 0; steps < OFFSET_STEPS_MAX && !isDone; steps++) {
    // Calls alone do not let others in: the answers of one process come before what arrives from outside.
    if (steps > 0) await scheduler.wait(1);
    const from: OffsetQuery = { ...query, after, matched };
    const step = unwrap(await call.objects.tenant(tenantId, (tenant, target) => tenant.listKeysByOffset(target, from)));
    items.push(...parseListed(step.keys));
    ({ matched, next: after } = step);
    isDone = after === null;
  }
  // A page that is short tells a caller that there is no more.
  if (!isDone && items.length < limit) {
    throw validationFailed([{ path: 'offset', message: 'too few of many keys match to get there; use a cursor' }]);
  }
  const totalIsExact = isDone && (matched <= OFFSET_REACH || Object.keys(query.filter).length === 0);
  const total = totalIsExact ? matched : Math.min(matched, OFFSET_REACH);
  const hasMore = !totalIsExact || offset + items.length < total;
  const isInReach = offset + 2 * limit <= OFFSET_REACH;
  const headers = hasMore && isInReach ? { Link: call.nextLink('offset', String(offset + limit)) } : {};
  const data = items.map((key) => toKeyResource(tenantId, key));
  return json({ data, page: { limit, offset, total, totalIsExact, hasMore } }, 200, headers);
}

async function countKeys(call: Call, tenantId: string): Promise<Answer> {
  const { counts, total, exact } = unwrap(
    await call.objects.tenant(tenantId, (tenant, target) => tenant.countKeys(target)),
  );
  return json({ ...counts, total, exact } satisfies KeyCounts);
}

async function getKey(call: Call, tenantId: string, keyId: string): Promise<Answer> {
  return keyResponse(tenantId, await call.objects.tenant(tenantId, (tenant, target) => tenant.getKey(target, keyId)));
}

async function updateKey(call: Call, tenantId: string, keyId: string): Promise<Answer> {
  const patch = await call.body(updateKeyBody);
  // To switch a key off ends something, and works where there is no room for more.
  const grows = !(patch.enabled === false && Object.keys(patch).length === 1);
  const updated = await call.objects.changeTenant(
    tenantId,
    { ...(await call.command(tenantId)), grows },
    (tenant, target, command) => tenant.updateKey(target, keyId, patch, command),
  );
  return keyResponse(tenantId, updated);
}

async function revokeKey(call: Call, tenantId: string, keyId: string): Promise<Answer> {
  const input = await call.body(revokeKeyBody);
  const revoked = await call.objects.changeTenant(
    tenantId,
    await call.command(tenantId),
    (tenant, target, command) => tenant.revokeKey(target, keyId, input, command),
  );
  return keyResponse(tenantId, revoked);
}

async function revokeKeys(call: Call, tenantId: string): Promise<Answer> {
  const which = await call.body(revokeKeysBody);
  const revoked = await call.objects.changeTenant(
    tenantId,
    await call.command(tenantId),
    (tenant, target, command) => tenant.revokeKeys(target, which, command),
  );
  return marked(json(unwrap(revoked)), revoked);
}

async function deleteKey(call: Call, tenantId: string, keyId: string): Promise<Answer> {
  const deleted = await call.objects.changeTenant(
    tenantId,
    await call.command(tenantId),
    (tenant, target, command) => tenant.deleteKey(target, keyId, command),
  );
  unwrap(deleted);
  return marked(noContent(), deleted);
}

/** The only answer after creation and rotation that holds a key string, for tenants that want it so. */
async function revealKey(call: Call, tenantId: string, keyId: string): Promise<Answer> {
  const command = { ...(await call.command(tenantId)), idempotency: null };
  const revealed = unwrap(
    await call.objects.changeTenant(tenantId, command, (tenant, target, op) => tenant.revealKey(target, keyId, op)),
  );
  if (revealed === null) throw new Problem('not_recoverable');
  const opened = await call.runtime.sealer.open(revealed.envelope, { tenantId, record: keyId, purpose: 'key' });
  if (typeof opened === 'string') throw new Problem('not_recoverable');
  const headers = { 'Cache-Control': 'no-store' };
  return json({ secret: formatKeyString(revealed.prefix, opened) }, 200, headers);
}

/** One key with its entity tag. */
export function keyResponse(tenantId: string, result: Mutated<KeyView>): Answer {
  const key = toKeyResource(tenantId, unwrap(result));
  return marked(json(key, 200, { ETag: etag(key.version) }), result);
}

export const keyRoutes: readonly Route[] = [
  tenantRoute('POST', '/keys', 'keys:create', createKey, { grows: true, bodyBytesMax: BODY_BYTES.key }),
  tenantRoute('GET', '/keys', 'keys:read', listKeys),
  tenantRoute('GET', '/keys/counts', 'keys:read', countKeys),
  tenantRoute('POST', '/keys/bulk', 'keys:create', createKeys, { grows: true, bodyBytesMax: BODY_BYTES.bulk }),
  tenantRoute('POST', '/keys/revoke', 'keys:revoke', revokeKeys, { bodyBytesMax: BODY_BYTES.key }),
  keyRoute('GET', '', 'keys:read', getKey),
  keyRoute('PATCH', '', 'keys:update', updateKey, { bodyBytesMax: BODY_BYTES.key }),
  keyRoute('DELETE', '', 'keys:delete', deleteKey),
  keyRoute('POST', '/rotate', 'keys:rotate', rotateKey, { grows: true, bodyBytesMax: BODY_BYTES.key }),
  keyRoute('POST', '/revoke', 'keys:revoke', revokeKey),
  keyRoute('POST', '/reveal', 'keys:reveal', revealKey),
];
