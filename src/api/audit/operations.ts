/** Operations on audit logs: that of a tenant, and that of the deployment. */
import type { AuditEntry, AuditQuery } from '../../../durable-objects/audit-log.ts';
import type { Page } from '../../../durable-objects/sql/paging.ts';
import type { ListDescription } from '../../crypto/cursor.ts';
import { type Operation, operation, PATH_OF } from '../operation.ts';
import { page } from '../outcomes.ts';
import type { RequestContext } from '../request-context.ts';
import { auditList, type ListAuditQuery, listAuditQuery, toAuditEntry } from './schemas.ts';

const listDeploymentAudit = operation({
  id: 'audit.listOfDeployment',
  summary: 'Lists the audit log of the deployment: tenants created and deleted',
  method: 'GET',
  path: '/v1/audit',
  permission: 'audit:read',
  request: { query: listAuditQuery },
  response: { body: auditList },
  errors: ['invalid_cursor'],
  run: (context, { query }) =>
    auditPage(context, query, { list: 'deployment-audit' }, (wanted) =>
      context.objects.directory((directory) => directory.listAudit(wanted)),
    ),
});

const listTenantAudit = operation({
  id: 'audit.list',
  summary: 'Lists the audit log of a tenant, the newest entries first',
  method: 'GET',
  path: '/v1/tenants/:tenantId/audit',
  permission: 'audit:read',
  request: { path: PATH_OF.anyTenant, query: listAuditQuery },
  response: { body: auditList },
  errors: ['invalid_cursor'],
  run: (context, { tenantId, query }) =>
    auditPage(context, query, { list: 'audit', tenantId }, (wanted) =>
      context.read(tenantId, (tenant, target) => tenant.listAudit(target, wanted)),
    ),
});

/** One page of an audit log. `base` tells its cursors from those of other lists. */
async function auditPage(
  context: RequestContext,
  { limit, cursor, ...filter }: ListAuditQuery,
  base: ListDescription,
  read: (query: AuditQuery) => Promise<Page<AuditEntry>>,
) {
  const list = { ...base, filter };
  const entries = await read({ filter, limit, after: await context.position(cursor, list) });
  return page(context, entries.items.map(toAuditEntry), entries, limit, list);
}

export const auditOperations: readonly Operation[] = [listDeploymentAudit, listTenantAudit];
