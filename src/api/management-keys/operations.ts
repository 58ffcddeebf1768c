/** Management keys: who may call, kept as keys of the tenant `_system`. Nobody grants, or decides about, more than they hold. */
import type { KeyListQuery } from '../../../durable-objects/tenant/keys/list.ts';
import type { KeyView } from '../../../domain/keys/record.ts';
import { endsWithin } from '../../../domain/rotations/rights.ts';
import type { KeyFilter } from '../../../durable-objects/tenant/keys/scan.ts';
import { type Mutated, ok } from '../../../domain/outcome.ts';
import { grantOwner } from '../../../domain/tenants/lifecycle.ts';
import { SYSTEM_TENANT_ID } from '../../../domain/tenants/locator.ts';
import type { TenantRef } from '../../../domain/tenants/target.ts';
import {
  attributesOf,
  expiryWithin,
  grantOf,
  MANAGEMENT_KEY_PREFIX,
  ownerOf,
  requireHeld,
} from '../../auth/management-key.ts';
import { ROLES } from '../../auth/principal.ts';
import { type Answer, json } from '../../http/answer.ts';
import type { Call } from '../request-context.ts';
import { etag } from '../../http/conditions.ts';
import { outlivesCaller, Problem } from '../../http/problem.ts';
import { parseListed, revokeKeyBody } from '../keys/schemas.ts';
import {
  createManagementKeyBody,
  listManagementKeysQuery,
  rotateManagementKeyBody,
  toManagementKeyResource,
} from './schemas.ts';
import { marked, unwrap } from '../outcomes.ts';
import { isOf, ownersOf, tenantOf } from './confined.ts';
import { mintFor } from '../keys/minting.ts';
import { deploymentRoute, keyIdOf, type PathParams, type Route } from '../operation.ts';

const SYSTEM = SYSTEM_TENANT_ID;

async function createManagementKey(call: Call): Promise<Answer> {
  const { name, role = null, permissions, tenantId, expiresAt: wantedEnd } = await call.body(createManagementKeyBody);
  const granted = { role, permissions: permissions ?? (role === null ? [] : ROLES[role]) };
  requireHeld(call.caller, { ...granted, confinement: tenantId === null ? null : call.objects.target(tenantId) });
  const expiresAt = expiryWithin(call.caller, wantedEnd);
  const confinedTo = tenantId === null ? null : await existingTenant(call, tenantId);
  const attributes = { name, expiresAt, enabled: true, ...attributesOf(granted, confinedTo) };
  const stored = { ...attributes, scopes: JSON.stringify(attributes.scopes) };
  const create = () =>
    mintFor(call, SYSTEM, [MANAGEMENT_KEY_PREFIX], ([minted], command) => {
      if (minted === undefined) throw new Error('nothing was minted');
      const newKey = { minted, attributes: stored, prefix: MANAGEMENT_KEY_PREFIX };
      return call.objects.changeTenant(SYSTEM, command, (system, target, op) =>
        system.createWholeKey(target, newKey, op),
      );
    });
  let { result, secrets } = await create();
  if (!result.ok && result.failure.code === 'tenant_not_found') {
    await createSystemTenant(call);
    ({ result, secrets } = await create());
  }
  const [key] = unwrap(result);
  if (key === undefined) throw new Error('a creation without key');
  if (confinedTo !== null) await requireStill(call, confinedTo, key);
  return marked(withSecret({ ...toManagementKeyResource(key), secret: secrets[0] }), result);
}

/** The tenant that a management key is made for, as it exists now. */
async function existingTenant(call: Call, tenantId: string): Promise<TenantRef> {
  const described = await call.objects.tenant(tenantId, (tenant, target) => tenant.describe(target));
  const { incarnation } = unwrap(described);
  return { tenantId, incarnation };
}

/**
 * A tenant that was deleted while a key for it was made: the key opens nothing, being bound to that tenant, and is revoked so that nobody takes it for
 * a good one.
 */
async function requireStill(call: Call, { tenantId, incarnation }: TenantRef, key: KeyView): Promise<void> {
  const described = await call.objects.tenant(tenantId, (tenant, target) => tenant.describe(target));
  if (described.ok && described.value.incarnation === incarnation) return;
  const command = { ...(await call.command(SYSTEM)), idempotency: null, ifVersions: null };
  await call.objects.changeTenant(SYSTEM, command, (system, target, op) =>
    system.revokeKey(target, key.id, { reason: 'its tenant was deleted', lineage: false }, op),
  );
  throw new Problem('tenant_not_found');
}

/** The first management key brings its tenant along. Always the same incarnation, so that two first ones agree. */
async function createSystemTenant(call: Call): Promise<void> {
  const command = { ...(await call.command(SYSTEM)), idempotency: null };
  const input = { name: 'Management keys', settings: { keyPrefix: MANAGEMENT_KEY_PREFIX } };
  const ref = { tenantId: SYSTEM, incarnation: 'inc_system' };
  unwrap(
    await call.objects.createTenant(SYSTEM, command, (system, op) =>
      system.create(ref, input, { ...op, id: `${op.id}.system` }),
    ),
  );
}

async function listManagementKeys(call: Call): Promise<Answer> {
  const { limit, cursor, ...filters } = call.query(listManagementKeysQuery);
  const { confinement } = call.caller;
  const filter = confinement === null ? filters : { ...filters, owner: ownerOf(confinement) };
  const list = { list: 'management-keys', filter };
  const after = await call.position(cursor, list);
  const page =
    confinement === null
      ? await listed(call, { filter, limit, after })
      : await listedOf(call, confinement, filters, limit, after);
  return call.listResponse(page.keys.map(toManagementKeyResource), page, limit, list);
}

type ListedPage = { readonly keys: readonly KeyView[]; readonly next: number | null };

async function listed(call: Call, part: Omit<KeyListQuery, 'order'>): Promise<ListedPage> {
  const query = { ...part, order: 'desc' as const };
  const found = await call.objects.tenant(SYSTEM, (system, target) => system.listKeys(target, query));
  // Before the first management key there is no tenant to ask.
  if (!found.ok && found.failure.code === 'tenant_not_found') return { keys: [], next: null };
  const { keys, next } = unwrap(found);
  return { keys: parseListed(keys).map((key) => ({ ...key, metadata: JSON.stringify(key.metadata) })), next };
}

/** The keys of the caller's own tenant: of its owners one after the other, which is the order of creation. */
async function listedOf(
  call: Call,
  confinement: { readonly tenantId: string },
  filters: KeyFilter,
  limit: number,
  after: number | null,
): Promise<ListedPage> {
  const tenant = await tenantOf(call, confinement);
  if (tenant === null) return { keys: [], next: null };
  const found: KeyView[] = [];
  let next: number | null = null;
  for (const owner of ownersOf(tenant)) {
    const room = limit - found.length;
    const page = await listed(call, { filter: { ...filters, owner }, limit: Math.max(room, 1), after });
    if (room > 0) found.push(...page.keys);
    next = room === 0 && page.keys.length > 0 ? (found.at(-1)?.seq ?? null) : page.next;
    if (next !== null) break;
  }
  return { keys: found.filter((key) => isOf(tenant, key)), next };
}

async function getManagementKey(call: Call, params: PathParams): Promise<Answer> {
  return keyResponse(ok(await reachableKey(call, params)));
}

async function rotateManagementKey(call: Call, params: PathParams): Promise<Answer> {
  const { gracePeriodSeconds, ...overrides } = await call.body(rotateManagementKeyBody);
  const { id, ...replaced } = await managedKey(call, params);
  const owner = await ownerToday(call, replaced);
  // Whoever may make management keys may make one that ends later than another, but none that outlives the caller.
  const rights = { mayWiden: true, endsBy: call.caller.endsAt };
  const request = {
    overrides: { ...overrides, owner },
    rights,
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
  };
  const { result, secrets } = await mintFor(call, SYSTEM, [MANAGEMENT_KEY_PREFIX], ([minted], command) => {
    if (minted === undefined) throw new Error('nothing was minted');
    return call.objects.changeTenant(SYSTEM, command, (system, target, op) =>
      system.rotateKey(target, id, minted, request, op),
    );
  });
  const { successor, predecessor } = unwrap(result);
  // A kept answer was decided for the caller as it was then.
  if (!endsWithin(successor.expiresAt, rights.endsBy)) throw outlivesCaller();
  const key = { ...toManagementKeyResource(successor), secret: secrets[0] };
  return marked(withSecret({ key, rotated: toManagementKeyResource(predecessor) }), result);
}

/**
 * The owner that a successor gets. A grant from before incarnations were noted goes by its key's time, and the successor's would be a later one:
 * so it names the incarnation that the grant was made for.
 */
async function ownerToday(call: Call, key: Omit<KeyView, 'id'>): Promise<string | null> {
  const { confinement } = grantOf(key);
  if (confinement === null || 'incarnation' in confinement.bound) return key.owner;
  const { tenantId } = confinement;
  const described = await call.objects.tenant(tenantId, (tenant) => tenant.describe(confinement));
  return grantOwner({ tenantId, incarnation: unwrap(described).incarnation });
}

async function revokeManagementKey(call: Call, params: PathParams): Promise<Answer> {
  const input = await call.body(revokeKeyBody);
  const { id } = await managedKey(call, params);
  const revoked = await call.objects.changeTenant(SYSTEM, await call.command(SYSTEM), (system, target, command) =>
    system.revokeKey(target, id, input, command),
  );
  return keyResponse(revoked);
}

/** The key of a path, for a caller who may know of it. */
async function reachableKey(call: Call, params: PathParams): Promise<KeyView> {
  const id = keyIdOf(params, 'management_key_not_found');
  const found = await call.objects.tenant(SYSTEM, (system, target) => system.getKey(target, id));
  const { confinement } = call.caller;
  if (!found.ok) throw new Problem('management_key_not_found');
  if (confinement === null) return found.value;
  const tenant = await tenantOf(call, confinement);
  if (tenant === null) throw new Problem('tenant_not_found');
  if (!isOf(tenant, found.value)) throw new Problem('management_key_not_found');
  return found.value;
}

/** The key of a path, for a caller who may decide about it. A grant never changes, so this cannot be overtaken. */
async function managedKey(call: Call, params: PathParams): Promise<KeyView> {
  const key = await reachableKey(call, params);
  requireHeld(call.caller, grantOf(key));
  return key;
}

function keyResponse(result: Mutated<KeyView>): Answer {
  const key = toManagementKeyResource(unwrap(result));
  return marked(json(key, 200, { ETag: etag(key.version) }), result);
}

function withSecret(value: unknown): Answer {
  return json(value, 201, { 'Cache-Control': 'no-store' });
}

const KEYS = '/management-keys';
const OPEN = { confined: 'allowed' } as const;

export const managementKeyRoutes: readonly Route[] = [
  deploymentRoute('POST', KEYS, 'management:write', createManagementKey, { ...OPEN, grows: true }),
  deploymentRoute('GET', KEYS, 'management:read', listManagementKeys, OPEN),
  deploymentRoute('GET', `${KEYS}/:keyId`, 'management:read', getManagementKey, OPEN),
  deploymentRoute('POST', `${KEYS}/:keyId/rotate`, 'management:write', rotateManagementKey, { ...OPEN, grows: true }),
  deploymentRoute('POST', `${KEYS}/:keyId/revoke`, 'management:write', revokeManagementKey, OPEN),
];
