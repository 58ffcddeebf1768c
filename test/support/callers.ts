/** Management keys for tests: callers with less than everything. */

import * as v from 'valibot';
import { expect } from 'vitest';
import { managementKeyWithSecret } from '../../src/api/management-keys/schemas.ts';
import { type Answer, api } from './api.ts';
import { advance } from './clock.ts';
import { evict, sqlIn } from './objects.ts';

export const as = (secret: string) => ({ Authorization: `Bearer ${secret}` });

/** A management key, made by the administrator unless `headers` say otherwise. */
export async function managementKey(input: object, headers: Readonly<Record<string, string>> = {}) {
  const { status, body } = await api('POST', '/management-keys', { name: 'caller', ...input }, headers);
  expect(status, JSON.stringify(body)).toBe(201);
  return v.parse(managementKeyWithSecret, body);
}

/** Turns leases on management keys off, which no caller can: their changes wait for nothing then. Before any was used. */
export async function withoutLeasesOnManagementKeys(): Promise<void> {
  await managementKey({ role: 'verifier' });
  await sqlIn(
    '_system',
    "UPDATE tenant SET settings = json_set(settings, '$.leaseSeconds', 0), lease_seconds_in_force = 0",
  );
  await evict('_system');
}

/** Longer than any lease on a management key. For tests that pretend time. */
export const LEASES_OVER_MS = 2000;

/** Writes into the database of the management keys, and has everybody see it. For tests that pretend time. */
export async function tamperWithManagementKeys(query: string, ...bindings: SqlStorageValue[]): Promise<void> {
  await sqlIn('_system', query, ...bindings);
  // The object stays in memory as long as leases are out.
  advance(LEASES_OVER_MS);
  await evict('_system');
}

/** Status and, of a problem, code and permission. */
export function outcomeOf({ status, body }: Answer): string {
  const { code, permission } = v.parse(
    v.object({ code: v.optional(v.string()), permission: v.optional(v.string()) }),
    body ?? {},
  );
  return [status, ...(status < 400 ? [] : [code, permission])].filter((part) => part !== undefined).join(' ');
}
