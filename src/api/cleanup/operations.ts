/** Operations on the cleanup of a tenant, which its object's alarm does by itself. */
import { emptyBody } from '../fields.ts';
import { BODY_BYTES, type Operation, operation, PATH_OF } from '../operation.ts';
import { changed, unwrap } from '../outcomes.ts';
import { cleanupList, cleanupReport, toCleanupList, toCleanupReport } from './schemas.ts';

const CLEANUP = '/v1/tenants/:tenantId/cleanup';

const listCleanups = operation({
  id: 'cleanup.list',
  summary: 'Lists what recent cleanup passes did, and when the next is due',
  method: 'GET',
  path: CLEANUP,
  permission: 'maintenance:read',
  request: { path: PATH_OF.anyTenant },
  response: { body: cleanupList },
  run: async (context, { tenantId }) => {
    const overview = await context.objects.tenant(tenantId, (tenant, target) => tenant.listCleanups(target));
    return { value: toCleanupList(unwrap(overview)) };
  },
});

const runCleanup = operation({
  id: 'cleanup.run',
  summary: 'Runs a cleanup pass now and reports what it did',
  method: 'POST',
  path: CLEANUP,
  permission: 'maintenance:run',
  request: { path: PATH_OF.anyTenant, body: emptyBody, bodyBytesMax: BODY_BYTES.none },
  response: { body: cleanupReport },
  run: async (context, { tenantId }) => {
    const report = await context.change(tenantId, (tenant, target, command) => tenant.runCleanup(target, command));
    return changed(report, toCleanupReport);
  },
});

export const cleanupOperations: readonly Operation[] = [listCleanups, runCleanup];
