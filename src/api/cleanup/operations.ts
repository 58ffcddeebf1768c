/** Operations on the cleanup of a tenant, which the alarm of its object also runs by itself. */
import { EMPTY_BODY, type Operation, operation, PATH_OF } from '../operation.ts';
import { changed } from '../outcomes.ts';
import { cleanupList, cleanupReport, toCleanupList, toCleanupReport } from './schemas.ts';

const CLEANUP = '/v1/tenants/:tenantId/cleanup';

const listCleanups = operation({
  id: 'cleanup.list',
  summary: 'Lists the reports of recent cleanup passes, and when the next one is due',
  method: 'GET',
  path: CLEANUP,
  permission: 'maintenance:read',
  request: { path: PATH_OF.anyTenant },
  response: { body: cleanupList },
  run: async (context, { tenantId }) => {
    const overview = await context.read(tenantId, (tenant, target) => tenant.listCleanups(target));
    return { value: toCleanupList(overview) };
  },
});

const runCleanup = operation({
  id: 'cleanup.run',
  summary: 'Runs a cleanup pass now and reports what it did',
  method: 'POST',
  path: CLEANUP,
  permission: 'maintenance:run',
  request: { path: PATH_OF.anyTenant, ...EMPTY_BODY },
  response: { body: cleanupReport },
  run: async (context, { tenantId }) => {
    const report = await context.change(tenantId, (tenant, target, command) => tenant.runCleanup(target, command));
    return changed(report, toCleanupReport);
  },
});

export const cleanupOperations: readonly Operation[] = [listCleanups, runCleanup];
