/** Operations on owners, the customers of a tenant. An owner also comes into being with the first key that names it. */
import { onlyDisables } from '../fields.ts';
import { BODY_BYTES, type Operation, operation, PATH_OF } from '../operation.ts';
import { changed, changedVersion, page } from '../outcomes.ts';
import {
  createOwnerBody,
  listOwnersQuery,
  ownerList,
  ownerResource,
  toOwnerResource,
  updateOwnerBody,
} from './schemas.ts';

const OWNERS = '/v1/tenants/:tenantId/owners';
const OWNER = `${OWNERS}/:ownerId`;

const createOwner = operation({
  id: 'owners.create',
  summary: 'Creates an owner before its first key',
  method: 'POST',
  path: OWNERS,
  permission: 'owners:write',
  grows: true,
  request: { path: PATH_OF.tenant, body: createOwnerBody, bodyBytesMax: BODY_BYTES.key },
  response: { status: 201, body: ownerResource },
  errors: ['owner_exists'],
  run: async (context, { tenantId, body: { id, credits, ...attributes } }) => {
    const created = await context.change(tenantId, (tenant, target, command) =>
      tenant.createOwner(target, id, attributes, credits, command),
    );
    return changedVersion(created, (owner) => toOwnerResource(tenantId, owner));
  },
});

const listOwners = operation({
  id: 'owners.list',
  summary: 'Lists owners, filtered, page by page',
  method: 'GET',
  path: OWNERS,
  permission: 'owners:read',
  request: { path: PATH_OF.tenant, query: listOwnersQuery },
  response: { body: ownerList },
  errors: ['invalid_cursor'],
  run: async (context, { tenantId, query: { limit, cursor, order, ...filter } }) => {
    const list = { list: 'owners', tenantId, order, filter };
    const query = { filter, order, limit, after: await context.position(cursor, list) };
    const found = await context.read(tenantId, (tenant, target) => tenant.listOwners(target, query));
    const data = found.items.map((owner) => toOwnerResource(tenantId, owner));
    return page(context, data, found, limit, list);
  },
});

const getOwner = operation({
  id: 'owners.get',
  summary: 'Reads an owner',
  method: 'GET',
  path: OWNER,
  permission: 'owners:read',
  request: { path: PATH_OF.owner },
  response: { body: ownerResource },
  run: async (context, { tenantId, ownerId }) => {
    const owner = await context.read(tenantId, (tenant, target) => tenant.getOwner(target, ownerId));
    return { value: toOwnerResource(tenantId, owner), version: owner.version };
  },
});

const updateOwner = operation({
  id: 'owners.update',
  summary: 'Changes the given fields of an owner; disabling it stops all its keys at once',
  method: 'PATCH',
  path: OWNER,
  permission: 'owners:write',
  request: { path: PATH_OF.owner, body: updateOwnerBody, bodyBytesMax: BODY_BYTES.key },
  response: { body: ownerResource },
  errors: ['no_credits', 'precondition_failed', 'storage_full'],
  run: async (context, { tenantId, ownerId, body: patch }) => {
    const updated = await context.change(
      tenantId,
      (tenant, target, command) => tenant.updateOwner(target, ownerId, patch, command),
      { grows: !onlyDisables(patch) },
    );
    return changedVersion(updated, (owner) => toOwnerResource(tenantId, owner));
  },
});

const deleteOwner = operation({
  id: 'owners.delete',
  summary: 'Deletes an owner whose keys have all ended',
  method: 'DELETE',
  path: OWNER,
  permission: 'owners:write',
  request: { path: PATH_OF.owner },
  response: { status: 204, body: null },
  errors: ['owner_has_keys', 'precondition_failed'],
  run: async (context, { tenantId, ownerId }) => {
    const deleted = await context.change(tenantId, (tenant, target, command) =>
      tenant.deleteOwner(target, ownerId, command),
    );
    return changed(deleted, () => null);
  },
});

export const ownerOperations: readonly Operation[] = [createOwner, listOwners, getOwner, updateOwner, deleteOwner];
