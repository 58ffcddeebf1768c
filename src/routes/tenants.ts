/** Tenants: two objects are concerned, the tenant's own, which decides, and the directory, which lists. */
import { type Answer, json, noContent } from '../http/answer.ts';
import type { Call, OperationTemplate } from '../http/call.ts';
import { randomId } from '../http/request-id.ts';
import { createTenantBody, listTenantsQuery, toTenantResource, updateTenantBody } from '../schemas/tenants.ts';
import { marked, unwrap } from './answers.ts';
import { deploymentRoute, type Route, tenantRoute } from './route.ts';

async function createTenant(call: Call): Promise<Answer> {
  const { id = generatedTenantId(), name, settings = {} } = await call.body(createTenantBody);
  const operation = await call.operation(id);
  const wanted = { tenantId: id, incarnation: randomId('inc') };
  // Listed first: if the next call never happens, an entry without a tenant is passed over; a tenant without an entry would be lost.
  const ref = unwrap(await call.objects.directory((directory) => directory.add(wanted, operation.idempotency)));
  const { tenantId, incarnation } = ref;
  const created = await call.objects.changeTenant(tenantId, operation, (tenant, op) =>
    tenant.create(tenantId, incarnation, { name: name ?? tenantId, settings }, op),
  );
  if (!created.ok) await call.objects.directory((directory) => directory.refuse(ref, operation.idempotency));
  return marked(json(toTenantResource(unwrap(created)), 201), created);
}

/** 80 random bits: lower-case, since a tenant id is. */
function generatedTenantId(): string {
  const digits = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => (byte & 31).toString(32));
  return `t-${digits.join('')}`;
}

/** The directory tells which tenants there may be, their own objects what they are. One that does not exist is passed over. */
async function listTenants(call: Call): Promise<Answer> {
  const { limit, cursor } = call.query(listTenantsQuery);
  const list = { list: 'tenants' };
  if (call.caller.tenantId !== null) {
    const own = await call.objects.tenant(call.caller.tenantId, (tenant) =>
      tenant.describe(call.caller.tenantId ?? ''),
    );
    return call.listResponse(own.ok ? [toTenantResource(own.value)] : [], { next: null }, limit, list);
  }
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

async function getTenant(call: Call, tenantId: string): Promise<Answer> {
  return json(toTenantResource(unwrap(await call.objects.tenant(tenantId, (tenant) => tenant.describe(tenantId)))));
}

async function updateTenant(call: Call, tenantId: string): Promise<Answer> {
  const patch = await call.body(updateTenantBody);
  const updated = await call.objects.changeTenant(tenantId, await call.operation(tenantId), (tenant, operation) =>
    tenant.update(tenantId, patch, operation),
  );
  return marked(json(toTenantResource(unwrap(updated))), updated);
}

/** Decided in the directory, carried out on the tenant's object; if this stops in between, the directory's alarm goes on. */
async function deleteTenant(call: Call, tenantId: string): Promise<Answer> {
  const template = await call.operation(tenantId);
  const operation = { ...template, retry: false };
  if (await wasDeletedBefore(call, template)) return replayedDeletion();
  const described = await call.objects.tenant(tenantId, (tenant) => tenant.describe(tenantId));
  // Another copy of this request may have been faster.
  if (!described.ok && (await wasDeletedBefore(call, template))) return replayedDeletion();
  const { incarnation } = unwrap(described);
  const ref = { tenantId, incarnation };
  await call.objects.directory((directory) => directory.beginDeletion(ref, operation));
  await call.objects.destroyTenant(ref, { ...operation, idempotency: null });
  await call.objects.directory((directory) => directory.remove(ref));
  return noContent();
}

async function wasDeletedBefore(call: Call, { idempotency }: OperationTemplate): Promise<boolean> {
  if (idempotency === null) return false;
  return unwrap(await call.objects.directory((directory) => directory.hasDeleted(idempotency)));
}

const replayedDeletion = () => marked(noContent(), { ok: true, value: null, replay: { sealedSecrets: null } });

export const tenantRoutes: readonly Route[] = [
  deploymentRoute('POST', '/tenants', 'tenants:write', createTenant),
  deploymentRoute('GET', '/tenants', 'tenants:read', listTenants, { confined: 'allowed' }),
  tenantRoute('GET', '', 'tenants:read', getTenant),
  tenantRoute('PATCH', '', 'tenants:write', updateTenant),
  tenantRoute('DELETE', '', 'tenants:write', deleteTenant),
];
