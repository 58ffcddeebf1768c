/**
 * Operations on tenants. Two objects are concerned: the tenant's own, which decides, and the directory, which lists.
 * The protocol between them is in domain/tenants/lifecycle.ts.
 */
import type { TenantRef } from '../../../domain/tenants/target.ts';
import { randomId } from '../../crypto/random-id.ts';
import { type Operation, operation, PATH_OF } from '../operation.ts';
import { changed, page, unwrap } from '../outcomes.ts';
import { describeTenant } from './describe.ts';
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
    // Listed first: an entry without a tenant is passed over if the next call never happens; a tenant without an entry would be lost.
    const added = await objects.changeDirectory(template, (directory, command) => directory.add(wanted, command));
    const ref = unwrap(added);
    const created = await objects.createTenant(ref.tenantId, template, (tenant, command) =>
      tenant.create(ref, { name: name ?? ref.tenantId, settings }, command),
    );
    if (!created.ok) {
      const { failure } = created;
      unwrap(await objects.changeDirectory(template, (directory, command) => directory.refuse(ref, failure, command)));
    }
    return changed(created, toTenantResource);
  },
});

/** 80 random bits, in lower case as tenant ids are. */
function generatedTenantId(): string {
  const digits = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => (byte & 31).toString(32));
  return `t-${digits.join('')}`;
}

/**
 * The directory tells which tenants there may be, their own objects what they are. A tenant that does not exist is left out. One
 * whose object does not answer is named apart, so that it does not hide the others.
 */
const listTenants = operation({
  id: 'tenants.list',
  summary: 'Lists tenants; a caller confined to one sees that one',
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
  summary: 'Changes what is given of a tenant and its settings',
  method: 'PATCH',
  path: TENANT,
  permission: 'tenants:write',
  request: { path: PATH_OF.tenant, body: updateTenantBody },
  response: { body: tenantResource },
  errors: ['storage_full'],
  run: async (context, { tenantId, body: patch }) => {
    const isOperator = context.caller.confinement === null;
    // To disable a tenant or to trim its audit log works where there is no room for more.
    const { status = 'disabled', name, settings = {} } = patch;
    const others = Object.keys(settings).filter((setting) => setting !== 'auditRetentionSeconds');
    const grows = status !== 'disabled' || name !== undefined || others.length > 0;
    const updated = await context.change(
      tenantId,
      (tenant, target, command) => tenant.update(target, patch, { isOperator }, command),
      { grows },
    );
    return changed(updated, toTenantResource);
  },
});

/** Decided and finished by the directory, which goes on by itself should this request be cut off. */
const deleteTenant = operation({
  id: 'tenants.delete',
  summary: 'Deletes a tenant with everything in it',
  // The audit log goes with the tenant, so that is the operator's to decide.
  method: 'DELETE',
  path: TENANT,
  permission: 'tenants:write',
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
