/**
 * Operations on management keys: the keys of callers, kept as keys of the tenant `_system`. Nobody grants, or decides about, more
 * than they hold.
 */
import type { KeyView } from '../../../domain/keys/record.ts';
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
  OUTLIVES_CALLER,
  ownerOf,
  requireHeld,
} from '../../auth/management-key.ts';
import { ROLES } from '../../auth/principal.ts';
import { forbidden } from '../../http/problem.ts';
import { mintFor } from '../keys/minting.ts';
import { parseListed, revokeKeyBody } from '../keys/schemas.ts';
import { type Operation, operation, PATH_OF } from '../operation.ts';
import { changedVersion, isReplayed, page, unwrap } from '../outcomes.ts';
import { problem } from '../problems.ts';
import type { RequestContext } from '../request-context.ts';
import { describeTenant } from '../tenants/describe.ts';
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
  summary: 'Creates a management key and returns its key string, this once',
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
    const stored = { ...attributes, scopes: JSON.stringify(attributes.scopes) };
    const create = () =>
      mintFor(context, SYSTEM, [MANAGEMENT_KEY_PREFIX], ([minted], template) => {
        if (minted === undefined) throw new Error('nothing was minted');
        const newKey = { minted, attributes: stored, prefix: MANAGEMENT_KEY_PREFIX };
        return objects.changeTenant(SYSTEM, template, (system, target, command) =>
          system.createWholeKey(target, newKey, command),
        );
      });
    let { result, secrets } = await create();
    if (!result.ok && result.failure.code === 'tenant_not_found') {
      await createSystemTenant(context);
      ({ result, secrets } = await create());
    }
    const [key] = unwrap(result);
    if (key === undefined) throw new Error('a creation without key');
    if (confinedTo !== null) await requireStill(context, confinedTo, key);
    return {
      value: { ...toManagementKeyResource(key), secret: secrets[0] ?? '' },
      replayed: isReplayed(result),
    };
  },
});

/** The tenant that a management key is made for, as it exists now. */
async function existingTenant({ objects }: RequestContext, tenantId: string): Promise<TenantRef> {
  const { incarnation } = unwrap(await describeTenant(objects, tenantId));
  return { tenantId, incarnation };
}

/**
 * Refuses a key whose tenant was deleted while the key was made. It opens nothing, being bound to that tenant. It is revoked, so
 * that nobody takes it for a good one.
 */
async function requireStill(context: RequestContext, tenant: TenantRef, key: KeyView): Promise<void> {
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

/** The first management key brings its tenant along. Always the same incarnation, so that two first ones agree. */
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
  summary: 'Lists management keys; a caller confined to a tenant sees those confined to it',
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
        ? await listed(context, { filter, limit, after })
        : await listedOf(context, confinement, filters, limit, after);
    return page(context, found.keys.map(toManagementKeyResource), found, limit, list);
  },
});

type ListedPage = { readonly keys: readonly KeyView[]; readonly next: number | null };

async function listed({ objects }: RequestContext, part: Omit<KeyListQuery, 'order'>): Promise<ListedPage> {
  const query = { ...part, order: 'desc' as const };
  const found = await objects.tenant(SYSTEM, (system, target) => system.listKeys(target, query));
  // Before the first management key there is no tenant to ask.
  if (!found.ok && found.failure.code === 'tenant_not_found') return { keys: [], next: null };
  const { keys, next } = unwrap(found);
  return { keys: parseListed(keys).map((key) => ({ ...key, metadata: JSON.stringify(key.metadata) })), next };
}

/** The keys of the caller's own tenant: of its owners one after the other, which is the order of creation. */
async function listedOf(
  context: RequestContext,
  confinement: { readonly tenantId: string },
  filters: KeyFilter,
  limit: number,
  after: number | null,
): Promise<ListedPage> {
  const tenant = await confinedTenant(context.objects, confinement);
  if (tenant === null) return { keys: [], next: null };
  const found: KeyView[] = [];
  let next: number | null = null;
  for (const owner of ownersOf(tenant)) {
    const room = limit - found.length;
    const part = await listed(context, { filter: { ...filters, owner }, limit: Math.max(room, 1), after });
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
  summary: 'Replaces a management key by a successor; the key goes on working until its grace period ends',
  method: 'POST',
  path: `${KEY}/rotate`,
  permission: 'management:write',
  confined: 'allowed',
  grows: true,
  request: { path: PATH_OF.managementKey, body: rotateManagementKeyBody },
  response: { status: 201, body: managementRotationResult, isSecret: true },
  errors: ['key_not_active', 'key_already_rotating', 'precondition_failed', 'tenant_not_found', 'not_recoverable'],
  run: async (context, { keyId, body }) => {
    const { gracePeriodSeconds, ...overrides } = body;
    const { id, ...replaced } = await managedKey(context, keyId);
    const owner = await ownerToday(context, replaced);
    // Whoever may make management keys may make one that ends later than another, but none that outlives the caller.
    const rights = { mayWiden: true, endsBy: context.caller.endsAt };
    const request = {
      overrides: { ...overrides, owner },
      rights,
      ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    };
    const { result, secrets } = await mintFor(context, SYSTEM, [MANAGEMENT_KEY_PREFIX], ([minted], template) => {
      if (minted === undefined) throw new Error('nothing was minted');
      return context.objects.changeTenant(SYSTEM, template, (system, target, command) =>
        system.rotateKey(target, id, minted, request, command),
      );
    });
    const { successor, predecessor } = unwrap(result);
    // A kept result was decided for the caller as it was then.
    if (!endsWithin(successor.expiresAt, rights.endsBy)) throw forbidden(OUTLIVES_CALLER);
    const key = { ...toManagementKeyResource(successor), secret: secrets[0] ?? '' };
    return { value: { key, rotated: toManagementKeyResource(predecessor) }, replayed: isReplayed(result) };
  },
});

/**
 * The owner that a successor gets. A grant from before incarnations were noted goes by its key's time, and the successor's would be
 * a later one. So the successor's owner names the incarnation that the grant was made for.
 */
async function ownerToday({ objects }: RequestContext, key: Omit<KeyView, 'id'>): Promise<string | null> {
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
    const { id } = await managedKey(context, keyId);
    const revoked = await context.change(SYSTEM, (system, target, command) =>
      system.revokeKey(target, id, body, command),
    );
    return changedVersion(revoked, toManagementKeyResource);
  },
});

/** The key of a path, for a caller who may know of it. */
async function reachableKey({ caller, objects }: RequestContext, keyId: string): Promise<KeyView> {
  const found = await objects.tenant(SYSTEM, (system, target) => system.getKey(target, keyId));
  if (!found.ok) throw problem('management_key_not_found');
  if (caller.confinement === null) return found.value;
  const tenant = await confinedTenant(objects, caller.confinement);
  if (tenant === null) throw problem('tenant_not_found');
  if (!isConfinedTo(tenant, found.value)) throw problem('management_key_not_found');
  return found.value;
}

/** The key of a path, for a caller who may decide about it. A grant never changes, so this cannot be overtaken. */
async function managedKey(context: RequestContext, keyId: string): Promise<KeyView> {
  const key = await reachableKey(context, keyId);
  requireHeld(context.caller, grantOf(key));
  return key;
}

export const managementKeyOperations: readonly Operation[] = [
  ...[createManagementKey, listManagementKeys, getManagementKey],
  ...[rotateManagementKey, revokeManagementKey],
];
