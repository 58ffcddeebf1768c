/**
 * Operations on management keys: the keys of Keystead's own callers, stored as keys of the tenant `_system`. A caller
 * may neither grant permissions that it does not have, nor rotate or revoke a key that has them.
 */
import type { KeyView } from '../../../domain/keys/record.ts';
import { NO_LIMITS } from '../../../domain/limits/named-limit.ts';
import { endsWithin } from '../../../domain/rotations/rights.ts';
import { grantOwner } from '../../../domain/tenants/lifecycle.ts';
import { SYSTEM_TENANT_ID } from '../../../domain/tenants/locator.ts';
import type { TenantRef } from '../../../domain/tenants/target.ts';
import type { KeyListQuery } from '../../../durable-objects/tenant/keys/list.ts';
import type { KeyFilter } from '../../../durable-objects/tenant/keys/scan.ts';
import {
  attributesOf,
  expiryWithin,
  grantOf,
  MANAGEMENT_KEY_PREFIX,
  outlivesCaller,
  ownerOf,
  requireHeld,
} from '../../auth/management-key.ts';
import { ROLES } from '../../auth/principal.ts';
import { mintOne, mintSuccessor } from '../keys/minting.ts';
import { parseListed, revokeKeyBody } from '../keys/schemas.ts';
import { type Operation, operation, PATH_OF } from '../operation.ts';
import { changedVersion, isReplayed, page } from '../outcomes.ts';
import { problem, unwrap } from '../problems.ts';
import type { RequestContext } from '../request-context.ts';
import { describeTenant } from '../tenants/read-tenant.ts';
import { confinedTenant, isConfinedTo, ownersOf } from './confined.ts';
import {
  createManagementKeyBody,
  listManagementKeysQuery,
  managementKeyList,
  managementKeyResource,
  managementKeyWithSecret,
  managementRotationResult,
  rotateManagementKeyBody,
  toManagementKeyResource,
} from './schemas.ts';

const SYSTEM = SYSTEM_TENANT_ID;
const KEYS = '/v1/management-keys';
const KEY = `${KEYS}/:keyId`;

const createManagementKey = operation({
  id: 'managementKeys.create',
  summary: 'Creates a management key and returns its key string, which is not shown again',
  method: 'POST',
  path: KEYS,
  permission: 'management:write',
  confined: 'allowed',
  grows: true,
  request: { body: createManagementKeyBody },
  response: { status: 201, body: managementKeyWithSecret, isSecret: true },
  errors: ['tenant_not_found', 'not_recoverable'],
  run: async (context, { body }) => {
    const { name, role = null, permissions, tenantId, expiresAt: wantedEnd } = body;
    const { caller, objects } = context;
    const granted = { role, permissions: permissions ?? (role === null ? [] : ROLES[role]) };
    requireHeld(caller, { ...granted, confinement: tenantId === null ? null : objects.target(tenantId) });
    const expiresAt = expiryWithin(caller, wantedEnd);
    const confinedTo = tenantId === null ? null : await existingTenant(context, tenantId);
    const attributes = { name, expiresAt, enabled: true, ...attributesOf(granted, confinedTo) };
    const stored = {
      ...attributes,
      scopes: JSON.stringify(attributes.scopes),
      plan: null,
      rateLimits: NO_LIMITS,
      quotas: NO_LIMITS,
    };
    const create = () =>
      mintOne(context, SYSTEM, MANAGEMENT_KEY_PREFIX, (minted, system, target, command) =>
        system.createWholeKey(target, { minted, attributes: stored, prefix: MANAGEMENT_KEY_PREFIX }, command),
      );
    let { result, secret } = await create();
    if (!result.ok && result.failure.code === 'tenant_not_found') {
      await createSystemTenant(context);
      ({ result, secret } = await create());
    }
    const [key] = unwrap(result);
    if (key === undefined) throw new Error('the object created no key');
    if (confinedTo !== null) await requireExisting(context, confinedTo, key);
    return { value: { ...toManagementKeyResource(key), secret }, version: key.version, replayed: isReplayed(result) };
  },
});

/** The incarnation that a tenant has now. Throws `tenant_not_found`. */
async function existingTenant({ objects }: RequestContext, tenantId: string): Promise<TenantRef> {
  const { incarnation } = unwrap(await describeTenant(objects, tenantId));
  return { tenantId, incarnation };
}

/**
 * Throws `tenant_not_found` if the tenant was deleted while the key was made. The key gives access to nothing, since
 * it is bound to that incarnation. It is revoked all the same, so that no list shows it as active.
 */
async function requireExisting(context: RequestContext, tenant: TenantRef, key: KeyView): Promise<void> {
  const described = await describeTenant(context.objects, tenant.tenantId);
  if (described.ok && described.value.incarnation === tenant.incarnation) return;
  await context.change(
    SYSTEM,
    (system, target, command) =>
      system.revokeKey(target, key.id, { reason: 'its tenant was deleted', lineage: false }, command),
    { idempotent: false, conditional: false },
  );
  throw problem('tenant_not_found');
}

/**
 * Creates the tenant of the management keys, which the first one needs. The incarnation is always the same, so that two
 * concurrent first requests create the same tenant.
 */
async function createSystemTenant(context: RequestContext): Promise<void> {
  const template = await context.command(SYSTEM, { idempotent: false });
  const input = { name: 'Management keys', settings: { keyPrefix: MANAGEMENT_KEY_PREFIX } };
  const ref = { tenantId: SYSTEM, incarnation: 'inc_system' };
  unwrap(
    await context.objects.createTenant(SYSTEM, template, (system, command) =>
      system.create(ref, input, { ...command, id: `${command.id}.system` }),
    ),
  );
}

const listManagementKeys = operation({
  id: 'managementKeys.list',
  summary: 'Lists management keys; a caller confined to a tenant sees only those confined to it',
  method: 'GET',
  path: KEYS,
  permission: 'management:read',
  confined: 'allowed',
  request: { query: listManagementKeysQuery },
  response: { body: managementKeyList },
  errors: ['invalid_cursor'],
  run: async (context, { query: { limit, cursor, ...filters } }) => {
    const { confinement } = context.caller;
    const filter = confinement === null ? filters : { ...filters, owner: ownerOf(confinement) };
    const list = { list: 'management-keys', filter };
    const after = await context.position(cursor, list);
    const found =
      confinement === null
        ? await readPage(context, { filter, limit, after })
        : await readConfinedPage(context, confinement, filters, limit, after);
    return page(context, found.keys.map(toManagementKeyResource), found, limit, list);
  },
});

type KeyPage = { readonly keys: readonly KeyView[]; readonly next: number | null };

/** One page of the management keys that match. */
async function readPage({ objects }: RequestContext, query: Omit<KeyListQuery, 'order'>): Promise<KeyPage> {
  const found = await objects.tenant(SYSTEM, (system, target) => system.listKeys(target, { ...query, order: 'desc' }));
  // The tenant exists only once there is a management key.
  if (!found.ok && found.failure.code === 'tenant_not_found') return { keys: [], next: null };
  const { keys, next } = unwrap(found);
  return { keys: parseListed(keys).map((key) => ({ ...key, metadata: JSON.stringify(key.metadata) })), next };
}

/**
 * One page of the keys that are confined to the caller's own tenant. It reads one owner after the other: since the
 * first owner's keys are all newer, the keys come newest first.
 */
async function readConfinedPage(
  context: RequestContext,
  confinement: { readonly tenantId: string },
  filters: KeyFilter,
  limit: number,
  after: number | null,
): Promise<KeyPage> {
  const tenant = await confinedTenant(context.objects, confinement);
  if (tenant === null) return { keys: [], next: null };
  const found: KeyView[] = [];
  let next: number | null = null;
  for (const owner of ownersOf(tenant)) {
    const room = limit - found.length;
    const part = await readPage(context, { filter: { ...filters, owner }, limit: Math.max(room, 1), after });
    if (room > 0) found.push(...part.keys);
    next = room === 0 && part.keys.length > 0 ? (found.at(-1)?.seq ?? null) : part.next;
    if (next !== null) break;
  }
  return { keys: found.filter((key) => isConfinedTo(tenant, key)), next };
}

const getManagementKey = operation({
  id: 'managementKeys.get',
  summary: 'Reads a management key',
  method: 'GET',
  path: KEY,
  permission: 'management:read',
  confined: 'allowed',
  request: { path: PATH_OF.managementKey },
  response: { body: managementKeyResource },
  errors: ['tenant_not_found'],
  run: async (context, { keyId }) => {
    const key = toManagementKeyResource(await reachableKey(context, keyId));
    return { value: key, version: key.version };
  },
});

const rotateManagementKey = operation({
  id: 'managementKeys.rotate',
  summary: 'Replaces a management key by a successor; the key keeps working until its grace period ends',
  method: 'POST',
  path: `${KEY}/rotate`,
  permission: 'management:write',
  confined: 'allowed',
  grows: true,
  request: { path: PATH_OF.managementKey, body: rotateManagementKeyBody },
  response: { status: 201, body: managementRotationResult, isSecret: true },
  errors: ['key_not_active', 'key_already_rotating', 'precondition_failed', 'tenant_not_found', 'not_recoverable'],
  run: async (context, { keyId, body }) => {
    const owner = await successorOwner(context, await manageableKey(context, keyId));
    // A caller with management:write could create a key that ends later than this one, but none that outlives the
    // caller.
    const rights = { mayWiden: true, endsBy: context.caller.endsAt };
    const key = { tenantId: SYSTEM, keyId, prefix: MANAGEMENT_KEY_PREFIX };
    const { result, secret } = await mintSuccessor(context, key, { ...body, owner }, rights);
    const { successor, predecessor } = unwrap(result);
    // The object decided a kept result by the end that the caller's key had then. It may end sooner now.
    if (!endsWithin(successor.expiresAt, rights.endsBy)) throw outlivesCaller();
    return {
      value: {
        key: { ...toManagementKeyResource(successor), secret },
        rotated: toManagementKeyResource(predecessor),
      },
      replayed: isReplayed(result),
    };
  },
});

/**
 * The owner that a successor gets. The grant of an older key names no incarnation; it means the tenant that existed
 * when the key was created. The successor is created later, so its owner must name the incarnation instead.
 */
async function successorOwner({ objects }: RequestContext, key: KeyView): Promise<string | null> {
  const { confinement } = grantOf(key);
  if (confinement === null || 'incarnation' in confinement.bound) return key.owner;
  const { tenantId } = confinement;
  const described = await objects.tenant(tenantId, (tenant) => tenant.describe(confinement));
  return grantOwner({ tenantId, incarnation: unwrap(described).incarnation });
}

const revokeManagementKey = operation({
  id: 'managementKeys.revoke',
  summary: 'Revokes a management key for good',
  method: 'POST',
  path: `${KEY}/revoke`,
  permission: 'management:write',
  confined: 'allowed',
  request: { path: PATH_OF.managementKey, body: revokeKeyBody },
  response: { body: managementKeyResource },
  errors: ['precondition_failed', 'tenant_not_found'],
  run: async (context, { keyId, body }) => {
    await manageableKey(context, keyId);
    const revoked = await context.change(SYSTEM, (system, target, command) =>
      system.revokeKey(target, keyId, body, command),
    );
    return changedVersion(revoked, toManagementKeyResource);
  },
});

/** The key with this id. Throws `management_key_not_found` when there is none that the caller may see. */
async function reachableKey({ caller, objects }: RequestContext, keyId: string): Promise<KeyView> {
  const found = await objects.tenant(SYSTEM, (system, target) => system.getKey(target, keyId));
  if (!found.ok) throw problem('management_key_not_found');
  if (caller.confinement === null) return found.value;
  const tenant = await confinedTenant(objects, caller.confinement);
  if (tenant === null) throw problem('tenant_not_found');
  if (!isConfinedTo(tenant, found.value)) throw problem('management_key_not_found');
  return found.value;
}

/**
 * The key with this id. Throws a problem unless the caller may rotate and revoke it. The grant of a key never
 * changes, so what is checked here still holds when the object acts.
 */
async function manageableKey(context: RequestContext, keyId: string): Promise<KeyView> {
  const key = await reachableKey(context, keyId);
  requireHeld(context.caller, grantOf(key));
  return key;
}

export const managementKeyOperations: readonly Operation[] = [
  ...[createManagementKey, listManagementKeys, getManagementKey],
  ...[rotateManagementKey, revokeManagementKey],
];
