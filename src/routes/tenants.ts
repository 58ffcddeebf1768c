/** Tenants: two objects are concerned, the tenant's own, which decides, and the directory, which lists. */
import { type Call, json } from '../http/call.ts';
import { randomId } from '../http/request-id.ts';
import { createTenantBody, listTenantsQuery, toTenantResource, updateTenantBody } from '../schemas/tenants.ts';
import { locatorOf, objectNameOf } from '../secrets/key-string.ts';
import { deploymentRoute, type Route, tenantRoute } from './route.ts';
import { unwrap } from './unwrap.ts';

async function createTenant(call: Call): Promise<Response> {
  const { id = generatedTenantId(), name = id, settings = {} } = await call.body(createTenantBody);
  const ref = { tenantId: id, incarnation: randomId('inc') };
  // Listed first: if the next call never happens, an entry without a tenant is passed over; a tenant without an entry would be lost.
  await call.objects.directory((directory) => directory.add(ref));
  const created = await call.objects.changeTenant(id, call.operation(), (tenant, operation) =>
    tenant.create(id, ref.incarnation, { name, settings }, operation),
  );
  if (!created.ok) await call.objects.directory((directory) => directory.remove(ref));
  return json(toTenantResource(unwrap(created)), 201);
}

/** 80 random bits: lower-case, since a tenant id is. */
function generatedTenantId(): string {
  const digits = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => (byte & 31).toString(32));
  return `t-${digits.join('')}`;
}

/** The directory tells which tenants there may be, their own objects what they are. One that does not exist is passed over. */
async function listTenants(call: Call): Promise<Response> {
  const { limit, cursor } = call.query(listTenantsQuery);
  const list = { list: 'tenants' };
  const after = await call.position(cursor, list);
  const page = await call.objects.directory((directory) => directory.list(after, limit));
  const found = await Promise.all(
    page.items.map(async (entry) => {
      const described = await call.objects.tenant(entry.tenantId, (tenant) => tenant.describe(entry.tenantId));
      return {
        entry,
        tenant: described.ok && described.value.incarnation === entry.incarnation ? described.value : null,
      };
    }),
  );
  const missing = found.filter(({ tenant }) => tenant === null).map(({ entry }) => entry);
  if (missing.length > 0) await call.objects.directory((directory) => directory.prune(missing));
  const data = found.flatMap(({ tenant }) => (tenant === null ? [] : [toTenantResource(tenant)]));
  return call.listResponse(data, page, limit, list);
}

async function getTenant(call: Call, tenantId: string): Promise<Response> {
  return json(toTenantResource(unwrap(await call.objects.tenant(tenantId, (tenant) => tenant.describe(tenantId)))));
}

async function updateTenant(call: Call, tenantId: string): Promise<Response> {
  const patch = await call.body(updateTenantBody);
  const updated = await call.objects.changeTenant(tenantId, call.operation(), (tenant, operation) =>
    tenant.update(tenantId, patch, operation),
  );
  return json(toTenantResource(unwrap(updated)));
}

/** Decided in the directory, carried out on the tenant's object; if this stops in between, the directory's alarm goes on. */
async function deleteTenant(call: Call, tenantId: string): Promise<Response> {
  const { incarnation } = unwrap(await call.objects.tenant(tenantId, (tenant) => tenant.describe(tenantId)));
  const ref = { tenantId, incarnation };
  const objectName = objectNameOf(await locatorOf(tenantId));
  const operation = { ...call.operation(), retry: false };
  await call.objects.directory((directory) => directory.beginDeletion(ref, objectName, operation));
  await call.objects.tenant(tenantId, (tenant) => tenant.destroy(incarnation));
  await call.objects.directory((directory) => directory.remove(ref));
  return new Response(null, { status: 204 });
}

export const tenantRoutes: readonly Route[] = [
  deploymentRoute('POST', '/tenants', 'tenants:write', createTenant),
  deploymentRoute('GET', '/tenants', 'tenants:read', listTenants),
  tenantRoute('GET', '', 'tenants:read', getTenant),
  tenantRoute('PATCH', '', 'tenants:write', updateTenant),
  tenantRoute('DELETE', '', 'tenants:write', deleteTenant),
];
