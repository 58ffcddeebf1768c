/** Operations on keys: minting and sealing happen here, every decision in the tenant's object. */
import type { KeyView, NewAttributes } from '../../../domain/keys/record.ts';
import { refusalOf } from '../../../domain/rotations/rights.ts';
import { type ListedKeyView, OFFSET_REACH, type OffsetQuery } from '../../../durable-objects/tenant/keys/list.ts';
import { formatKeyString } from '../../crypto/key-string.ts';
import { LongList } from '../../http/long-list.ts';
import { validationFailed } from '../../http/problem.ts';
import { partsInTurns } from '../../http/turns.ts';
import { BODY_BYTES, type Operation, operation, PATH_OF } from '../operation.ts';
import { changed, changedVersion, isReplayed, page, unwrap } from '../outcomes.ts';
import { problem, wouldWiden } from '../problems.ts';
import type { RequestContext } from '../request-context.ts';
import { mintFor } from './minting.ts';
import {
  bulkKeys,
  createKeyBody,
  createKeysBody,
  keyCounts,
  keyResource,
  keyWithSecret,
  listedKeys,
  listKeysQuery,
  parseListed,
  revealedKey,
  revocationCount,
  revokeKeyBody,
  revokeKeysBody,
  rotateKeyBody,
  rotationResult,
  toKeyResource,
  toKeyWithSecret,
  updateKeyBody,
  type WantedKey,
} from './schemas.ts';

const KEYS = '/v1/tenants/:tenantId/keys';
const KEY = `${KEYS}/:keyId`;

/** Keys with up to 100 scopes each whose scopes are written in one turn. */
const WANTED_PER_TURN = 100;

const createKey = operation({
  id: 'keys.create',
  summary: 'Creates a key and returns its key string, this once',
  method: 'POST',
  path: KEYS,
  permission: 'keys:create',
  grows: true,
  request: { path: PATH_OF.tenant, body: createKeyBody, bodyBytesMax: BODY_BYTES.key },
  response: { status: 201, body: keyWithSecret, isSecret: true },
  errors: ['not_recoverable'],
  run: async (context, { tenantId, body }) => {
    const { result, secrets } = await make(context, tenantId, [body]);
    const [created] = unwrap(result);
    if (created === undefined) throw new Error('a creation without key');
    const key = toKeyWithSecret(tenantId, body, created, secrets[0] ?? '');
    return { value: key, version: key.version, replayed: isReplayed(result) };
  },
});

const createKeys = operation({
  id: 'keys.createMany',
  summary: 'Creates up to 500 keys: all, or none',
  method: 'POST',
  path: `${KEYS}/bulk`,
  permission: 'keys:create',
  grows: true,
  request: { path: PATH_OF.tenant, body: createKeysBody, bodyBytesMax: BODY_BYTES.bulk },
  response: { status: 201, body: bulkKeys, isSecret: true },
  errors: ['not_recoverable'],
  run: async (context, { tenantId, body: wanted }) => {
    const { result, secrets } = await make(context, tenantId, wanted);
    const created = unwrap(result, true);
    const value = new LongList(created.length, (i) => {
      const [attributes, key] = [wanted[i], created[i]];
      if (attributes === undefined || key === undefined) throw new Error('a key that nobody asked for');
      return toKeyWithSecret(tenantId, attributes, key, secrets[i] ?? '');
    });
    return { value, replayed: isReplayed(result) };
  },
});

/** Mints keys and has the object take them. */
async function make(context: RequestContext, tenantId: string, wanted: readonly WantedKey[]) {
  const stored: NewAttributes[] = [];
  for await (const part of partsInTurns(wanted, WANTED_PER_TURN)) {
    for (const { prefix: _, scopes, ...rest } of part) stored.push({ ...rest, scopes: JSON.stringify(scopes) });
  }
  const prefixes = wanted.map(({ prefix }) => prefix);
  return mintFor(context, tenantId, prefixes, (mints, template) => {
    const newKeys = stored.flatMap((attributes, i) => {
      const minted = mints[i];
      return minted === undefined ? [] : [{ minted, attributes, prefix: prefixes[i] }];
    });
    return context.objects.changeTenant(tenantId, template, (tenant, target, command) =>
      tenant.createKeys(target, newKeys, command),
    );
  });
}

const rotateKey = operation({
  id: 'keys.rotate',
  summary: 'Replaces a key by a successor; the key goes on working until its grace period ends',
  method: 'POST',
  path: `${KEY}/rotate`,
  permission: 'keys:rotate',
  grows: true,
  request: { path: PATH_OF.key, body: rotateKeyBody, bodyBytesMax: BODY_BYTES.key },
  response: { status: 201, body: rotationResult, isSecret: true },
  errors: ['key_not_active', 'key_already_rotating', 'precondition_failed', 'not_recoverable'],
  run: async (context, { tenantId, keyId, body }) => {
    const { gracePeriodSeconds, ...overrides } = body;
    const { permissions } = context.caller;
    const rights = { mayWiden: permissions.has('keys:update') || permissions.has('keys:create'), endsBy: null };
    const request = { overrides, rights, ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }) };
    const { result, secrets } = await mintFor(context, tenantId, [undefined], ([minted], template) => {
      if (minted === undefined) throw new Error('nothing was minted');
      return context.objects.changeTenant(tenantId, template, (tenant, target, command) =>
        tenant.rotateKey(target, keyId, minted, request, command),
      );
    });
    const { successor, predecessor } = unwrap(result);
    // A kept result was decided for the caller as it was then.
    if (refusalOf(predecessor, successor, rights) !== null) throw wouldWiden();
    const key = { ...toKeyResource(tenantId, successor), secret: secrets[0] ?? '' };
    return { value: { key, rotated: toKeyResource(tenantId, predecessor) }, replayed: isReplayed(result) };
  },
});

const listKeys = operation({
  id: 'keys.list',
  summary: 'Lists keys, filtered, by cursor or by offset',
  method: 'GET',
  path: KEYS,
  permission: 'keys:read',
  request: { path: PATH_OF.tenant, query: listKeysQuery },
  response: { body: listedKeys },
  errors: ['invalid_cursor'],
  run: async (context, { tenantId, query: { limit, cursor, offset, order, ...filter } }) => {
    if (offset !== undefined) return listKeysByOffset(context, tenantId, { filter, order, limit, offset });
    const list = { list: 'keys', tenantId, order, filter };
    const query = { filter, order, limit, after: await context.position(cursor, list) };
    const found = unwrap(await context.objects.tenant(tenantId, (tenant, target) => tenant.listKeys(target, query)));
    const data = parseListed(found.keys).map((key) => toKeyResource(tenantId, key));
    return page(context, data, found, limit, list);
  },
});

/** Steps that a page by offset takes at most, some 5 ms of the object each; it serves others in between. */
const OFFSET_STEPS_MAX = 20;

async function listKeysByOffset(
  context: RequestContext,
  tenantId: string,
  query: Omit<OffsetQuery, 'after' | 'matched'>,
) {
  const { limit, offset } = query;
  const items: ListedKeyView[] = [];
  let [matched, after, isDone]: [number, number | null, boolean] = [0, null, false];
  for (let steps = 0; steps < OFFSET_STEPS_MAX && !isDone; steps++) {
    // Calls alone do not let others in: results within one process come before what arrives from outside.
    if (steps > 0) await scheduler.wait(1);
    const from: OffsetQuery = { ...query, after, matched };
    const step = unwrap(
      await context.objects.tenant(tenantId, (tenant, target) => tenant.listKeysByOffset(target, from)),
    );
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
  const data = items.map((key) => toKeyResource(tenantId, key));
  return {
    value: { data, page: { limit, offset, total, totalIsExact, hasMore } },
    next: hasMore && isInReach ? { parameter: 'offset' as const, value: String(offset + limit) } : null,
  };
}

const countKeys = operation({
  id: 'keys.count',
  summary: 'Counts keys by status',
  method: 'GET',
  path: `${KEYS}/counts`,
  permission: 'keys:read',
  request: { path: PATH_OF.tenant },
  response: { body: keyCounts },
  run: async (context, { tenantId }) => {
    const counted = await context.objects.tenant(tenantId, (tenant, target) => tenant.countKeys(target));
    const { counts, total, exact } = unwrap(counted);
    return { value: { ...counts, total, exact } };
  },
});

const getKey = operation({
  id: 'keys.get',
  summary: 'Reads a key',
  method: 'GET',
  path: KEY,
  permission: 'keys:read',
  request: { path: PATH_OF.key },
  response: { body: keyResource },
  run: async (context, { tenantId, keyId }) => {
    const found = await context.objects.tenant(tenantId, (tenant, target) => tenant.getKey(target, keyId));
    return changedVersion(found, keyOf(tenantId));
  },
});

const updateKey = operation({
  id: 'keys.update',
  summary: 'Changes what is given of a key',
  method: 'PATCH',
  path: KEY,
  permission: 'keys:update',
  request: { path: PATH_OF.key, body: updateKeyBody, bodyBytesMax: BODY_BYTES.key },
  response: { body: keyResource },
  errors: ['key_not_active', 'precondition_failed', 'storage_full'],
  run: async (context, { tenantId, keyId, body: patch }) => {
    // To switch a key off ends something, and works where there is no room for more.
    const grows = !(patch.enabled === false && Object.keys(patch).length === 1);
    const updated = await context.change(
      tenantId,
      (tenant, target, command) => tenant.updateKey(target, keyId, patch, command),
      { grows },
    );
    return changedVersion(updated, keyOf(tenantId));
  },
});

const revokeKey = operation({
  id: 'keys.revoke',
  summary: 'Revokes a key for good, with its lineage if wanted',
  method: 'POST',
  path: `${KEY}/revoke`,
  permission: 'keys:revoke',
  request: { path: PATH_OF.key, body: revokeKeyBody },
  response: { body: keyResource },
  errors: ['precondition_failed'],
  run: async (context, { tenantId, keyId, body }) => {
    const revoked = await context.change(tenantId, (tenant, target, command) =>
      tenant.revokeKey(target, keyId, body, command),
    );
    return changedVersion(revoked, keyOf(tenantId));
  },
});

const revokeKeys = operation({
  id: 'keys.revokeMany',
  summary: 'Revokes up to 500 keys by id, or all keys of an owner: all, or none',
  method: 'POST',
  path: `${KEYS}/revoke`,
  permission: 'keys:revoke',
  request: { path: PATH_OF.tenant, body: revokeKeysBody, bodyBytesMax: BODY_BYTES.key },
  response: { body: revocationCount },
  errors: ['keys_not_found'],
  run: async (context, { tenantId, body: which }) => {
    const revoked = await context.change(tenantId, (tenant, target, command) =>
      tenant.revokeKeys(target, which, command),
    );
    return changed(revoked, (value) => value);
  },
});

const deleteKey = operation({
  id: 'keys.delete',
  summary: 'Deletes a key; the audit log keeps its entries',
  method: 'DELETE',
  path: KEY,
  permission: 'keys:delete',
  request: { path: PATH_OF.key },
  response: { status: 204, body: null },
  errors: ['precondition_failed'],
  run: async (context, { tenantId, keyId }) => {
    const deleted = await context.change(tenantId, (tenant, target, command) =>
      tenant.deleteKey(target, keyId, command),
    );
    return changed(deleted, () => null);
  },
});

/** The only response, besides those to creation and rotation, that holds a key string. */
const revealKey = operation({
  id: 'keys.reveal',
  summary: 'Returns the key string again, for tenants that allow it',
  method: 'POST',
  path: `${KEY}/reveal`,
  permission: 'keys:reveal',
  request: { path: PATH_OF.key },
  response: { body: revealedKey, isSecret: true },
  errors: ['not_recoverable', 'precondition_failed'],
  run: async (context, { tenantId, keyId }) => {
    const found = await context.change(
      tenantId,
      (tenant, target, command) => tenant.revealKey(target, keyId, command),
      { idempotent: false },
    );
    const revealed = unwrap(found);
    if (revealed === null) throw problem('not_recoverable');
    const opened = await context.runtime.sealer.open(revealed.envelope, { tenantId, record: keyId, purpose: 'key' });
    if (typeof opened === 'string') throw problem('not_recoverable');
    return { value: { secret: formatKeyString(revealed.prefix, opened) } };
  },
});

export const keyOf = (tenantId: string) => (key: KeyView) => toKeyResource(tenantId, key);

export const keyOperations: readonly Operation[] = [
  ...[createKey, listKeys, countKeys, createKeys, revokeKeys],
  ...[getKey, updateKey, deleteKey, rotateKey, revokeKey, revealKey],
];
