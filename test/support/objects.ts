/** The objects behind the Worker, for tests that look inside or advance time. */

import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import type { Command } from '../../domain/command.ts';
import { locatorOf, objectNameOf } from '../../domain/tenants/locator.ts';
import type { Tenant } from '../../durable-objects/tenant/tenant.ts';

/** The platform's stub of a tenant's object, as the test helpers need it. */
export async function tenantObject(tenantId: string): Promise<DurableObjectStub<Tenant>> {
  const id = env.TENANTS.idFromName(objectNameOf(await locatorOf(tenantId)));
  // The bindings' own type is narrower than the platform's stub, which the helpers of cloudflare:test need.
  return env.TENANTS.get(id) as unknown as DurableObjectStub<Tenant>;
}

/** Evicts the object from memory, as the platform may at any time. */
export async function evict(tenantId: string): Promise<void> {
  const object = await tenantObject(tenantId);
  // Only a running object can be evicted.
  await object.describe({ tenantId, bound: null });
  await evictDurableObject(object);
}

/** Runs the object's alarm if one is set, whatever its time. */
export const runAlarm = async (tenantId: string) => runDurableObjectAlarm(await tenantObject(tenantId));

/** Runs the object's alarm if it is due at the (possibly simulated) time. */
export async function runDueAlarm(tenantId: string): Promise<boolean> {
  const object = await tenantObject(tenantId);
  const alarmAt = await runInDurableObject(object, (_, state) => state.storage.getAlarm());
  return alarmAt !== null && alarmAt <= Date.now() && (await runDurableObjectAlarm(object));
}

/** Returns the rows of a query in the object's own database. */
export async function sqlIn(
  tenantId: string,
  query: string,
  ...bindings: SqlStorageValue[]
): Promise<Record<string, SqlStorageValue>[]> {
  return runInDurableObject(await tenantObject(tenantId), (_, state) =>
    state.storage.sql.exec(query, ...bindings).toArray(),
  );
}

/** A command of the administrator, for calls that a test makes directly to an object. */
export const command = (id: string, parts: Partial<Command> = {}): Command => ({
  id,
  actor: { type: 'admin_token', id: 'admin' },
  onBehalfOf: null,
  requestId: 'req_test',
  ip: null,
  retry: false,
  grows: true,
  idempotency: null,
  ifVersions: null,
  ...parts,
});
