/**
 * Health checks, for load balancers and people. They need no caller, so they reveal nothing secret and are not in the
 * list of operations.
 */
import { SYSTEM_TENANT_ID } from '../../../domain/tenants/locator.ts';
import type { ConfigProblem } from '../../config/config.ts';
import type { Runtime } from '../../config/runtime.ts';
import { misconfigured } from '../../http/problem.ts';
import { json, type Reply } from '../../http/reply.ts';
import type { ObjectClient } from '../../object-client.ts';
import { VERSION } from '../../version.ts';
import { describeTenant } from '../tenants/read-tenant.ts';

export const HEALTH_PATHS = ['/healthz', '/readyz'] as const;
export type HealthPath = (typeof HEALTH_PATHS)[number];

/**
 * `/healthz`: the process responds; the reply names its version. `/readyz`: the configuration is valid, at least one
 * caller can authenticate, and storage takes a write. Throws a problem when that is not so.
 */
export async function health(
  path: HealthPath,
  runtime: Runtime | ConfigProblem[],
  objects: ObjectClient,
): Promise<Reply> {
  if (path === '/readyz') await checkReady(runtime, objects);
  const body = path === '/healthz' ? { status: 'ok', version: VERSION } : { status: 'ok' };
  return json(body, 200, { 'Cache-Control': 'no-store' });
}

async function checkReady(runtime: Runtime | ConfigProblem[], objects: ObjectClient): Promise<void> {
  if (Array.isArray(runtime)) throw misconfigured(runtime);
  await objects.requireRoom();
  await objects.directory((directory) => directory.probe());
  if (runtime.hasAdminToken) return;
  const system = await describeTenant(objects, SYSTEM_TENANT_ID);
  if (!system.ok) {
    throw misconfigured([{ variable: 'ADMIN_TOKEN', reason: 'is not set, and there is no management key' }]);
  }
}
