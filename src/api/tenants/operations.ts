/**
 * Operations on tenants. Two objects take part: the tenant's own, which decides, and the directory, which lists. The
 * protocol between them is in domain/tenants/lifecycle.ts.
 */
import type { TenantRef } from '../../../domain/tenants/target.ts';
import { randomId } from '../../crypto/random-id.ts';
import { type Operation, operation, PATH_OF } from '../operation.ts';
import { changed, page } from '../outcomes.ts';
import { unwrap } from '../problems.ts';
import { describeTenant } from './read-tenant.ts';
import {
  createTenantBody,
  listTenantsQuery,
  type TenantResource,
  tenantList,
  tenantResource,
  toTenantResource,
  updateTenantBody,
} from './schemas.ts';

const TENANTS = '/v1/tenants';
const TENANT = `${TENANTS}/:tenantId`;

const createTenant = operation({
  id: 'tenants.create',
  summary: 'Creates a tenant',
  method: 'POST',
  path: TENANTS,
  permission: 'tenants:write',
  grows: true,
  request: { body: createTenantBody },
  response: { status: 201, body: tenantResource },
  errors: ['tenant_exists', 'tenant_not_found'],
  run: async (context, { body: { id = generatedTenantId(), name, settings = {} } }) => {
    const { objects } = context;
    const template = await context.command(id);
    const wanted = { tenantId: id, incarnation: randomId('inc') };
    // The directory first. If the next call never happens, lists leave out an entry without a tenant; a tenant
    // without an entry would never be found.
    const added = await objects.changeDirectory(template, (directory, command) => directory.add(wanted, command));
    const ref = unwrap(added);
    const create = () =>
      objects.createTenant(ref.tenantId, template, (tenant, command) =>
        tenant.create(ref, { name: name ?? ref.tenantId, settings }, command),
      );
    const created = await create();
    if (created.ok) return changed(created, toTenantResource);
    const { failure } = created;
    unwrap(await objects.changeDirectory(template, (directory, command) => directory.refuse(ref, failure, command)));
    // Another copy of this request has created the tenant after all, so this one gets the same result.
    return changed(await create(), toTenantResource);
  },
});

/** A tenant id with 80 random bits, in lower case since tenant ids must be. */
function generatedTenantId(): string {
  const digits = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => (byte & 31).toString(32));
  return `t-${digits.join('')}`;
}

/**
 * The directory lists the ids, and each tenant's own object describes the tenant. An entry without a tenant is left
 * out and removed from the directory. A tenant whose object cannot be reached is named in `unavailable`, so that it
 * does not hide the others.
 */
const listTenants = operation({
  id: 'tenants.list',
  summary: 'Lists tenants; a caller confined to a tenant sees only that one',
  method: 'GET',
  path: TENANTS,
  permission: 'tenants:read',
  confined: 'allowed',
  request: { query: listTenantsQuery },
  response: { body: tenantList },
  errors: ['invalid_cursor'],
  run: async (context, { query: { limit, cursor } }) => {
    const { objects, caller } = context;
    const list = { list: 'tenants' };
    if (caller.confinement !== null) {
      const own = await describeTenant(objects, caller.confinement.tenantId);
      return page(context, own.ok ? [toTenantResource(own.value)] : [], { next: null }, limit, list);
    }
    const after = await context.position(cursor, list);
    const entries = await objects.directory((directory) => directory.list(after, limit));
    const described = await Promise.allSettled(entries.items.map(({ tenantId }) => describeTenant(objects, tenantId)));
    const data: TenantResource[] = [];
    const missing: TenantRef[] = [];
    const unavailable: string[] = [];
    for (const [index, entry] of entries.items.entries()) {
      const found = described[index];
      if (found?.status !== 'fulfilled') unavailable.push(entry.tenantId);
      else if (found.value.ok && found.value.value.incarnation === entry.incarnation)
        data.push(toTenantResource(found.value.value));
      else missing.push(entry);
    }
    if (missing.length > 0) await objects.directory((directory) => directory.prune(missing));
    const { value, ...rest } = await page(context, data, entries, limit, list);
    return { value: unavailable.length === 0 ? value : { ...value, unavailable }, ...rest };
  },
});

const getTenant = operation({
  id: 'tenants.get',
  summary: 'Reads a tenant',
  method: 'GET',
  path: TENANT,
  permission: 'tenants:read',
  request: { path: PATH_OF.tenant },
  response: { body: tenantResource },
  run: async ({ objects }, { tenantId }) => ({
    value: toTenantResource(unwrap(await describeTenant(objects, tenantId))),
  }),
});

const updateTenant = operation({
  id: 'tenants.update',
  summary: 'Changes the given fields and settings of a tenant',
  method: 'PATCH',
  path: TENANT,
  permission: 'tenants:write',
  request: { path: PATH_OF.tenant, body: updateTenantBody },
  response: { body: tenantResource },
  errors: ['storage_full'],
  run: async (context, { tenantId, body: patch }) => {
    const isOperator = context.caller.confinement === null;
    // Disabling a tenant and trimming its audit log must be possible even when there is no room for more data.
    const { status = 'disabled', name, settings = {}, limits } = patch;
    const others = Object.keys(settings).filter((setting) => setting !== 'auditRetentionSeconds');
    const grows = status !== 'disabled' || name !== undefined || limits !== undefined || others.length > 0;
    const updated = await context.change(
      tenantId,
      (tenant, target, command) => tenant.update(target, patch, { isOperator }, command),
      { grows },
    );
    return changed(updated, toTenantResource);
  },
});

/** The directory decides and carries out the deletion. It goes on by itself if this request is cut off. */
const deleteTenant = operation({
  id: 'tenants.delete',
  summary: 'Deletes a tenant with everything in it',
  method: 'DELETE',
  path: TENANT,
  permission: 'tenants:write',
  // A deletion removes the audit log too, so only the operator may decide it.
  confined: 'refused',
  request: { path: PATH_OF.tenant },
  response: { status: 204, body: null },
  run: async (context, { tenantId }) => {
    const { objects } = context;
    const { bound } = objects.target(tenantId);
    const deleted = await objects.changeDirectory(await context.command(tenantId), (directory, command) =>
      directory.deleteTenant(tenantId, bound, command),
    );
    return changed(deleted, () => null);
  },
});

export const tenantOperations: readonly Operation[] = [
  ...[createTenant, listTenants],
  ...[getTenant, updateTenant, deleteTenant],
];
