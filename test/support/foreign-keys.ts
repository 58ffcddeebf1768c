/** Keys that were issued elsewhere, and their import. */
import * as v from 'valibot';
import { expect } from 'vitest';
import { importedKeys } from '../../src/api/keys/import-schemas.ts';
import type { KeyResource } from '../../src/api/keys/schemas.ts';
import { api } from './api.ts';

/** SHA-256 of a key string, as imports take it. */
export async function hashOf(text: string, encoding: 'hex' | 'base64' | 'base64url' = 'hex') {
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  const base64 = btoa(String.fromCharCode(...bytes));
  const values = {
    hex: Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(''),
    base64,
    base64url: base64.replaceAll('+', '-').replaceAll('/', '_').replace('=', ''),
  };
  return { algorithm: 'sha256', value: values[encoding], encoding };
}

export const importInto = (tenantId: string, keys: readonly object[], headers: Readonly<Record<string, string>> = {}) =>
  api('POST', `/tenants/${tenantId}/keys/import`, { keys }, headers);

/** Imports a key string and returns the key. */
export async function importKey(tenantId: string, text: string, input: object = {}): Promise<KeyResource> {
  const { status, body } = await importInto(tenantId, [{ name: 'foreign', hash: await hashOf(text), ...input }]);
  expect(status, JSON.stringify(body)).toBe(201);
  const [key] = v.parse(importedKeys, body).data;
  if (key === undefined) throw new Error('nothing was imported');
  return key;
}
