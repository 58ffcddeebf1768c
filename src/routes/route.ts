/** What a route is. The router and the tests both work from the one list in routes/index.ts. */
import type { Permission } from '../callers/principal.ts';
import type { Call } from '../http/call.ts';
import { Problem } from '../http/problem.ts';
import { TENANT_ID_PATTERN } from '../schemas/common.ts';
import { KEY_ID_PATTERN } from '../secrets/key-string.ts';

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';
/** Path parameters as they stand in the path, not decoded. */
export type PathParams = Readonly<Record<string, string | undefined>>;

export type Route = {
  readonly method: Method;
  readonly path: string;
  readonly permission: Permission;
  readonly handler: (call: Call, params: PathParams) => Promise<Response>;
};

/** A route of the whole deployment. */
export function deploymentRoute(
  method: Method,
  path: string,
  permission: Permission,
  handler: (call: Call) => Promise<Response>,
): Route {
  return { method, path: `/v1${path}`, permission, handler };
}

/** A route of one tenant; `path` goes on from the tenant. */
export function tenantRoute(
  method: Method,
  path: string,
  permission: Permission,
  handler: (call: Call, tenantId: string) => Promise<Response>,
): Route {
  return {
    method,
    path: `/v1/tenants/:tenantId${path}`,
    permission,
    handler: async (call, params) => handler(call, tenantIdOf(params)),
  };
}

/** A route of one key; `path` goes on from the key. */
export function keyRoute(
  method: Method,
  path: string,
  permission: Permission,
  handler: (call: Call, tenantId: string, keyId: string) => Promise<Response>,
): Route {
  return {
    method,
    path: `/v1/tenants/:tenantId/keys/:keyId${path}`,
    permission,
    handler: async (call, params) => handler(call, tenantIdOf(params), keyIdOf(params)),
  };
}

/** The tenant of a path. Something that cannot be a tenant id is a tenant that does not exist, and needs no object to say so. */
export function tenantIdOf({ tenantId }: PathParams): string {
  if (tenantId === undefined || !TENANT_ID_PATTERN.test(tenantId)) throw new Problem('tenant_not_found');
  return tenantId;
}

export function keyIdOf({ keyId }: PathParams): string {
  if (keyId === undefined || !KEY_ID_PATTERN.test(keyId)) throw new Problem('key_not_found');
  return keyId;
}
