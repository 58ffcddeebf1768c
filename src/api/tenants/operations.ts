/** Tenants: two objects are concerned, the tenant's own, which decides, and the directory, which lists. */

import type { TenantRef } from '../../../domain/tenants/target.ts';
import { type Answer, json, noContent } from '../../http/answer.ts';
import type { Call } from '../request-context.ts';
import { randomId } from '../../http/request-id.ts';
import {
  createTenantBody,
  listTenantsQuery,
  type TenantResource,
  toTenantResource,
  updateTenantBody,
} from './schemas.ts';
import { marked, unwrap } from '../outcomes.ts';
import { deploymentRoute, type Route, tenantRoute } from '../operation.ts';

async function createTenant(call: Call): Promise<Answer> {
  const { id = generatedTenantId(), name, settings = {} } = await call.body(createTenantBody);
  const command = await call.command(id);
  const wanted = { tenantId: id, incarnation: randomId('inc') };
  // Listed first: if the next call never happens, an entry without a tenant is passed over; a tenant without an entry would be lost.
  const ref = unwrap(await call.objects.changeDirectory(command, (directory, op) => directory.add(wanted, op)));
  const created = await call.objects.createTenant(ref.tenantId, command, (tenant, op) =>
    tenant.create(ref, { name: name ?? ref.tenantId, settings }, op),
  );
  if (!created.ok) {
    const { failure } = created;
    unwrap(await call.objects.changeDirectory(command, (directory, op) => directory.refuse(ref, failure, op)));
  }
  return marked(json(toTenantResource(unwrap(created)), 201), created);
}

/** 80 random bits: lower-case, since a tenant id is. */
function generatedTenantId(): string {
  const digits = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => (byte & 31).toString(32));
  return `t-${digits.join('')}`;
}

/**
 * The directory tells which tenants there may be, their own objects what they are. One that does not exist is passed over; one whose object does not
 * answer is named apart, so that it does not hide the others.
 */
async function listTenants(call: Call): Promise<Answer> {
  const { limit, cursor } = call.query(listTenantsQuery);
  const list = { list: 'tenants' };
  const { confinement } = call.caller;
  if (confinement !== null) {
    const own = await describeTenant(call, confinement.tenantId);
    return call.listResponse(own.ok ? [toTenantResource(own.value)] : [], { next: null }, limit, list);
  }
  const after = await call.position(cursor, list);
  const page = await call.objects.directory((directory) => directory.list(after, limit));
  const described = await Promise.allSettled(page.items.map(({ tenantId }) => describeTenant(call, tenantId)));
  const data: TenantResource[] = [];
  const missing: TenantRef[] = [];
  const unavailable: string[] = [];
  for (const [index, entry] of page.items.entries()) {
    const found = described[index];
    if (found?.status !== 'fulfilled') unavailable.push(entry.tenantId);
    else if (found.value.ok && found.value.value.incarnation === entry.incarnation)
      data.push(toTenantResource(found.value.value));
    else missing.push(entry);
  }
  if (missing.length > 0) await call.objects.directory((directory) => directory.prune(missing));
  const more = unavailable.length === 0 ? {} : { unavailable };
  return call.listResponse(data, page, limit, list, more);
}

const describeTenant = (call: Call, tenantId: string) =>
  call.objects.tenant(tenantId, (tenant, target) => tenant.describe(target));

async function getTenant(call: Call, tenantId: string): Promise<Answer> {
  return json(toTenantResource(unwrap(await describeTenant(call, tenantId))));
}

async function updateTenant(call: Call, tenantId: string): Promise<Answer> {
  const patch = await call.body(updateTenantBody);
  const isOperator = call.caller.confinement === null;
  // To disable a tenant or to trim its audit log works where there is no room for more.
  const { status = 'disabled', name, settings = {} } = patch;
  const others = Object.keys(settings).filter((setting) => setting !== 'auditRetentionSeconds');
  const grows = status !== 'disabled' || name !== undefined || others.length > 0;
  const updated = await call.objects.changeTenant(
    tenantId,
    { ...(await call.command(tenantId)), grows },
    (tenant, target, command) => tenant.update(target, patch, { isOperator }, command),
  );
  return marked(json(toTenantResource(unwrap(updated))), updated);
}

/** Decided and finished by the directory, which goes on by itself should this request be cut off. */
async function deleteTenant(call: Call, tenantId: string): Promise<Answer> {
  const { bound } = call.objects.target(tenantId);
  const deleted = await call.objects.changeDirectory(await call.command(tenantId), (directory, command) =>
    directory.deleteTenant(tenantId, bound, command),
  );
  unwrap(deleted);
  return marked(noContent(), deleted);
}

export const tenantRoutes: readonly Route[] = [
  deploymentRoute('POST', '/tenants', 'tenants:write', createTenant, { grows: true }),
  deploymentRoute('GET', '/tenants', 'tenants:read', listTenants, { confined: 'allowed' }),
  tenantRoute('GET', '', 'tenants:read', getTenant),
  tenantRoute('PATCH', '', 'tenants:write', updateTenant),
  // The audit log goes with the tenant, so that is the operator's to decide.
  tenantRoute('DELETE', '', 'tenants:write', deleteTenant, { confined: 'refused' }),
];
