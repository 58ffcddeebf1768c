/** Audit logs and cleanup of a tenant, and the deployment's own audit log. */
import type { AuditEntry, AuditQuery } from '../../../durable-objects/audit-log.ts';
import type { Page } from '../../../durable-objects/sql/paging.ts';
import { type Answer, json } from '../../http/answer.ts';
import type { Call } from '../request-context.ts';
import { listAuditQuery, toAuditEntry, toCleanupReport } from './schemas.ts';
import { emptyBody } from '../fields.ts';
import type { ListDescription } from '../../crypto/cursor.ts';
import { marked, unwrap } from '../outcomes.ts';
import { BODY_BYTES, deploymentRoute, type Route, tenantRoute } from '../operation.ts';

async function listTenantAudit(call: Call, tenantId: string): Promise<Answer> {
  return auditResponse(call, { list: 'audit', tenantId }, async (query) =>
    unwrap(await call.objects.tenant(tenantId, (tenant, target) => tenant.listAudit(target, query))),
  );
}

async function listDeploymentAudit(call: Call): Promise<Answer> {
  return auditResponse(call, { list: 'deployment-audit' }, (query) =>
    call.objects.directory((directory) => directory.listAudit(query)),
  );
}

async function auditResponse(
  call: Call,
  base: ListDescription,
  read: (query: AuditQuery) => Promise<Page<AuditEntry>>,
): Promise<Answer> {
  const { limit, cursor, ...filter } = call.query(listAuditQuery);
  const list = { ...base, filter };
  const page = await read({ filter, limit, after: await call.position(cursor, list) });
  return call.listResponse(page.items.map(toAuditEntry), page, limit, list);
}

async function runCleanup(call: Call, tenantId: string): Promise<Answer> {
  await call.body(emptyBody);
  const report = await call.objects.changeTenant(
    tenantId,
    await call.command(tenantId),
    (tenant, target, command) => tenant.runCleanup(target, command),
  );
  return marked(json(toCleanupReport(unwrap(report))), report);
}

async function listCleanups(call: Call, tenantId: string): Promise<Answer> {
  const overview = unwrap(await call.objects.tenant(tenantId, (tenant, target) => tenant.listCleanups(target)));
  const nextAlarmAt = overview.nextAlarmAt === null ? null : new Date(overview.nextAlarmAt).toISOString();
  return json({ data: overview.reports.map(toCleanupReport), nextAlarmAt });
}

export const auditRoutes: readonly Route[] = [
  deploymentRoute('GET', '/audit', 'audit:read', listDeploymentAudit),
  tenantRoute('GET', '/audit', 'audit:read', listTenantAudit, { system: 'allowed' }),
  tenantRoute('GET', '/cleanup', 'maintenance:read', listCleanups, { system: 'allowed' }),
  tenantRoute('POST', '/cleanup', 'maintenance:run', runCleanup, { system: 'allowed', bodyBytesMax: BODY_BYTES.none }),
];
