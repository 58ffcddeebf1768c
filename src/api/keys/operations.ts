/** Operations on keys. Keys are minted and sealed here; every decision is made in the tenant's object. */

import { formatKeyString } from '../../../domain/key-string/key-string.ts';
import type { NewAttributes } from '../../../domain/keys/record.ts';
import { refusalOf } from '../../../domain/rotations/rights.ts';
import { type ListedKeyView, OFFSET_REACH, type OffsetQuery } from '../../../durable-objects/tenant/keys/list.ts';
import { LongList } from '../../http/long-list.ts';
import { validationFailed } from '../../http/problem.ts';
import { partsInTurns } from '../../http/turns.ts';
import { onlyDisables } from '../fields.ts';
import { BODY_BYTES, type Operation, operation, PATH_OF } from '../operation.ts';
import { changed, isReplayed, page } from '../outcomes.ts';
import { problem, unwrap, wouldWiden } from '../problems.ts';
import type { RequestContext } from '../request-context.ts';
import { changeKey } from './change.ts';
import { importKeys } from './import.ts';
import { mintMany, mintSuccessor } from './minting.ts';
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

/** Keys, with up to 100 scopes each, whose scopes are turned into JSON text in one turn of the event loop. */
const WANTED_PER_TURN = 100;

const createKey = operation({
  id: 'keys.create',
  summary: 'Creates a key and returns its key string, which is not shown again',
  method: 'POST',
  path: KEYS,
  permission: 'keys:create',
  grows: true,
  request: { path: PATH_OF.tenant, body: createKeyBody, bodyBytesMax: BODY_BYTES.key },
  response: { status: 201, body: keyWithSecret, isSecret: true },
  errors: ['not_recoverable'],
  run: async (context, { tenantId, body }) => {
    const { result, secrets } = await createWanted(context, tenantId, [body], [toStored(body)]);
    const [created] = unwrap(result);
    if (created === undefined) throw new Error('the object created no key');
    const key = toKeyWithSecret(tenantId, body, created, secrets[0] ?? '');
    return { value: key, version: key.version, replayed: isReplayed(result) };
  },
});

const createKeys = operation({
  id: 'keys.createMany',
  summary: 'Creates up to 500 keys: all of them or none',
  method: 'POST',
  path: `${KEYS}/bulk`,
  permission: 'keys:create',
  grows: true,
  request: { path: PATH_OF.tenant, body: createKeysBody, bodyBytesMax: BODY_BYTES.bulk },
  response: { status: 201, body: bulkKeys, isSecret: true },
  errors: ['not_recoverable'],
  run: async (context, { tenantId, body: wanted }) => {
    const stored: NewAttributes[] = [];
    for await (const part of partsInTurns(wanted, WANTED_PER_TURN)) stored.push(...part.map(toStored));
    const { result, secrets } = await createWanted(context, tenantId, wanted, stored);
    const created = unwrap(result, true);
    const value = new LongList(created.length, (i) => {
      const [attributes, key] = [wanted[i], created[i]];
      if (attributes === undefined || key === undefined)
        throw new Error('the object created another number of keys than was wanted');
      return toKeyWithSecret(tenantId, attributes, key, secrets[i] ?? '');
    });
    return { value, replayed: isReplayed(result) };
  },
});

/** The attributes of a wanted key as the object stores them. */
function toStored({ prefix: _, credits: __, scopes, ...rest }: WantedKey): NewAttributes {
  return { ...rest, scopes: JSON.stringify(scopes) };
}

/** Mints the wanted keys and has the object store them with these attributes. */
function createWanted(
  context: RequestContext,
  tenantId: string,
  wanted: readonly WantedKey[],
  stored: readonly NewAttributes[],
) {
  const prefixes = wanted.map(({ prefix }) => prefix);
  return mintMany(context, tenantId, prefixes, (mints, tenant, target, command) => {
    const newKeys = stored.flatMap((attributes, i) => {
      const minted = mints[i];
      const credits = wanted[i]?.credits ?? null;
      return minted === undefined ? [] : [{ minted, attributes, prefix: prefixes[i], credits }];
    });
    return tenant.createKeys(target, newKeys, command);
  });
}

const rotateKey = operation({
  id: 'keys.rotate',
  summary: 'Replaces a key by a successor; the key keeps working until its grace period ends',
  method: 'POST',
  path: `${KEY}/rotate`,
  permission: 'keys:rotate',
  grows: true,
  request: { path: PATH_OF.key, body: rotateKeyBody, bodyBytesMax: BODY_BYTES.key },
  response: { status: 201, body: rotationResult, isSecret: true },
  errors: ['key_not_active', 'key_already_rotating', 'precondition_failed', 'not_recoverable'],
  run: async (context, { tenantId, keyId, body }) => {
    const { permissions } = context.caller;
    const rights = { mayWiden: permissions.has('keys:update') || permissions.has('keys:create'), endsBy: null };
    const { result, secret } = await mintSuccessor(context, { tenantId, keyId }, body, rights);
    const { successor, predecessor } = unwrap(result);
    // The object decided a kept result by the rights that the caller had then. They may be fewer now.
    if (refusalOf(predecessor, successor, rights) !== null) throw wouldWiden();
    const key = { ...toKeyResource(tenantId, successor), secret };
    return { value: { key, rotated: toKeyResource(tenantId, predecessor) }, replayed: isReplayed(result) };
  },
});

const listKeys = operation({
  id: 'keys.list',
  summary: 'Lists keys, filtered, page by page: by cursor or by offset',
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
    const found = await context.read(tenantId, (tenant, target) => tenant.listKeys(target, query));
    const data = parseListed(found.keys).map((key) => toKeyResource(tenantId, key));
    return page(context, data, found, limit, list);
  },
});

/** Most steps for one page by offset. Each takes the object some 5 ms; between them it serves other requests. */
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
    // Without a timer nobody else would be served: within one process, results of calls come before requests from
    // outside.
    if (steps > 0) await scheduler.wait(1);
    const from: OffsetQuery = { ...query, after, matched };
    const step = await context.read(tenantId, (tenant, target) => tenant.listKeysByOffset(target, from));
    items.push(...parseListed(step.keys));
    ({ matched, next: after } = step);
    isDone = after === null;
  }
  // A short page would tell the caller that there are no more keys.
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
    const { counts, total, exact } = await context.read(tenantId, (tenant, target) => tenant.countKeys(target));
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
    const key = await context.read(tenantId, (tenant, target) => tenant.getKey(target, keyId));
    return { value: toKeyResource(tenantId, key), version: key.version };
  },
});

const updateKey = operation({
  id: 'keys.update',
  summary: 'Changes the given fields of a key',
  method: 'PATCH',
  path: KEY,
  permission: 'keys:update',
  request: { path: PATH_OF.key, body: updateKeyBody, bodyBytesMax: BODY_BYTES.key },
  response: { body: keyResource },
  errors: ['key_not_active', 'no_credits', 'precondition_failed', 'storage_full'],
  run: (context, { tenantId, keyId, body: patch }) => {
    return changeKey(context, tenantId, (tenant, target, command) => tenant.updateKey(target, keyId, patch, command), {
      grows: !onlyDisables(patch),
    });
  },
});

const revokeKey = operation({
  id: 'keys.revoke',
  summary: 'Revokes a key for good, on request with all keys of its lineage',
  method: 'POST',
  path: `${KEY}/revoke`,
  permission: 'keys:revoke',
  request: { path: PATH_OF.key, body: revokeKeyBody },
  response: { body: keyResource },
  errors: ['precondition_failed'],
  run: (context, { tenantId, keyId, body }) =>
    changeKey(context, tenantId, (tenant, target, command) => tenant.revokeKey(target, keyId, body, command)),
});

const revokeKeys = operation({
  id: 'keys.revokeMany',
  summary: 'Revokes up to 500 keys by id, or all keys of an owner: all of them or none',
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

/** Besides creation and rotation the only operation whose response holds a key string. */
const revealKey = operation({
  id: 'keys.reveal',
  summary: 'Returns the key string again, if the tenant allows it',
  method: 'POST',
  path: `${KEY}/reveal`,
  permission: 'keys:reveal',
  request: { path: PATH_OF.key },
  response: { body: revealedKey, isSecret: true },
  errors: ['not_recoverable', 'precondition_failed'],
  run: async (context, { tenantId, keyId }) => {
    const result = await context.change(
      tenantId,
      (tenant, target, command) => tenant.revealKey(target, keyId, command),
      { idempotent: false },
    );
    const revealed = unwrap(result);
    if (revealed === null) throw problem('not_recoverable');
    const opened = await context.runtime.sealer.open(revealed.envelope, { tenantId, record: keyId, purpose: 'key' });
    if (typeof opened === 'string') throw problem('not_recoverable');
    return { value: { secret: formatKeyString(revealed.prefix, opened) } };
  },
});

/** `…/keys/counts` comes before `…/keys/:keyId`, since the first path that matches is taken. */
export const keyOperations: readonly Operation[] = [
  ...[createKey, listKeys, countKeys, createKeys, importKeys, revokeKeys],
  ...[getKey, updateKey, deleteKey, rotateKey, revokeKey, revealKey],
];
