/**
 * A client that calls the Worker under test over HTTP, and typed shortcuts that parse responses with the API's schemas.
 */
import { env, exports } from 'cloudflare:workers';
import * as v from 'valibot';
import { expect } from 'vitest';
import { keyResource, keyWithSecret, rotationResult } from '../../src/api/keys/schemas.ts';
import { tenantResource } from '../../src/api/tenants/schemas.ts';
import { verification } from '../../src/api/verification/schemas.ts';
import type { Env } from '../../src/env.ts';
import { describedBody } from './described.ts';

declare global {
  namespace Cloudflare {
    interface Env extends KeysteadEnv {}
    interface GlobalProps {
      mainModule: typeof import('../../src/index.ts');
      durableNamespaces: 'Tenant' | 'Directory';
    }
  }
}
type KeysteadEnv = Env;

export type ApiResponse = { readonly status: number; readonly headers: Headers; readonly body: unknown };

/** Where a path leads: all but the metrics are below the version. */
const placeOf = (path: string) => (/^\/metrics(?:$|\?)/.test(path) ? path : `/v1${path}`);

/** Sends one request, as the administrator unless `headers` say otherwise. */
export async function api(
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<ApiResponse> {
  const response = await exports.default.fetch(`http://keystead.test${placeOf(path)}`, {
    method,
    headers: {
      Authorization: `Bearer ${env.ADMIN_TOKEN}`,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const described = await describedBody(method, placeOf(path), response, body);
  return { status: response.status, headers: response.headers, body: described };
}

async function expectResponse<const S extends v.GenericSchema>(
  status: number,
  schema: S,
  response: Promise<ApiResponse>,
): Promise<v.InferOutput<S>> {
  const { status: actual, body } = await response;
  expect(actual, JSON.stringify(body)).toBe(status);
  return v.parse(schema, body);
}

/** Returns the `code` of a response that must be a problem. */
export async function problemCode(response: Promise<ApiResponse>): Promise<string> {
  const { body } = await response;
  return v.parse(v.object({ code: v.string() }), body).code;
}

/** Creates a tenant without leases, so that its changes do not wait. Tests about leases pass `leaseSeconds`. */
export const createTenant = (id: string, input: { readonly name?: string; readonly settings?: object } = {}) =>
  expectResponse(
    201,
    tenantResource,
    api('POST', '/tenants', { id, ...input, settings: { leaseSeconds: 0, ...input.settings } }),
  );

export const createKey = (tenantId: string, input: object = {}) =>
  expectResponse(201, keyWithSecret, api('POST', `/tenants/${tenantId}/keys`, { name: 'a key', ...input }));

export const getKey = (tenantId: string, keyId: string) =>
  expectResponse(200, keyResource, api('GET', `/tenants/${tenantId}/keys/${keyId}`));

export const updateKey = (tenantId: string, keyId: string, patch: object) =>
  expectResponse(200, keyResource, api('PATCH', `/tenants/${tenantId}/keys/${keyId}`, patch));

export const rotateKey = (tenantId: string, keyId: string, input: object = {}) =>
  expectResponse(201, rotationResult, api('POST', `/tenants/${tenantId}/keys/${keyId}/rotate`, input));

export const revokeKey = (tenantId: string, keyId: string, input: object = {}) =>
  expectResponse(200, keyResource, api('POST', `/tenants/${tenantId}/keys/${keyId}/revoke`, input));

export const deleteKey = (tenantId: string, keyId: string) => api('DELETE', `/tenants/${tenantId}/keys/${keyId}`);

export const verify = (key: string, input: object = {}) =>
  expectResponse(200, verification, api('POST', '/keys/verify', { key, ...input }));

const anyList = v.object({
  data: v.array(v.record(v.string(), v.unknown())),
  page: v.object({ limit: v.number(), nextCursor: v.nullable(v.string()), hasMore: v.boolean() }),
});

/** Reads a list to its end by cursor. `path` may have a query. */
export async function walk(path: string): Promise<Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? '' : `${path.includes('?') ? '&' : '?'}cursor=${cursor}`;
    const page: v.InferOutput<typeof anyList> = await expectResponse(200, anyList, api('GET', `${path}${query}`));
    rows.push(...page.data);
    cursor = page.page.nextCursor;
  } while (cursor !== null);
  return rows;
}
