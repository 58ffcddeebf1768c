/** Management keys for tests: callers with fewer rights than the administrator. */

import * as v from 'valibot';
import { expect } from 'vitest';
import { managementKeyWithSecret } from '../../src/api/management-keys/schemas.ts';
import { type ApiResponse, api } from './api.ts';
import { advance } from './clock.ts';
import { evict, sqlIn } from './objects.ts';

export const as = (secret: string) => ({ Authorization: `Bearer ${secret}` });

/** Makes a management key, as the administrator unless `headers` say otherwise. */
export async function managementKey(input: object, headers: Readonly<Record<string, string>> = {}) {
  const { status, body } = await api('POST', '/management-keys', { name: 'caller', ...input }, headers);
  expect(status, JSON.stringify(body)).toBe(201);
  return v.parse(managementKeyWithSecret, body);
}

/**
 * Turns off leases on management keys, which no caller can do, so that their changes do not wait. Must be called before
 * any of them was used.
 */
export async function withoutLeasesOnManagementKeys(): Promise<void> {
  await managementKey({ role: 'verifier' });
  await sqlIn(
    '_system',
    "UPDATE tenant SET settings = json_set(settings, '$.leaseSeconds', 0), lease_seconds_in_force = 0",
  );
  await evict('_system');
}

/** Longer than any lease on a management key. For tests that simulate time. */
export const LEASES_OVER_MS = 2000;

/** Writes into the database of the management keys and makes every isolate see it. For tests that simulate time. */
export async function tamperWithManagementKeys(query: string, ...bindings: SqlStorageValue[]): Promise<void> {
  await sqlIn('_system', query, ...bindings);
  // The object stays in memory as long as leases are out.
  advance(LEASES_OVER_MS);
  await evict('_system');
}

/** Summarises a response: its status and, for a problem, code and permission. */
export function outcomeOf({ status, body }: ApiResponse): string {
  const { code, permission } = v.parse(
    v.object({ code: v.optional(v.string()), permission: v.optional(v.string()) }),
    body ?? {},
  );
  return [status, ...(status < 400 ? [] : [code, permission])].filter((part) => part !== undefined).join(' ');
}
