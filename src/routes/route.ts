/** What a route is. The router and the tests both work from the one list in routes/index.ts. */

import { SYSTEM_TENANT_ID } from '../../durable-objects/tenants/locator.ts';
import type { Permission } from '../callers/principal.ts';
import type { Answer } from '../http/answer.ts';
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
  /** Whether callers confined to a tenant may use it. One that is not of one tenant shows them only their own. */
  readonly confined: 'allowed' | 'refused';
  /** Whether the route is also there for `_system`, the tenant of the management keys. */
  readonly system: 'allowed' | 'refused';
  /** Whether it adds data, so that it is refused where room runs out, and what ends something goes on. */
  readonly grows: boolean;
  readonly handler: (call: Call, params: PathParams) => Promise<Answer>;
};

/** A route of the whole deployment. */
export function deploymentRoute(
  method: Method,
  path: string,
  permission: Permission,
  handler: (call: Call, params: PathParams) => Promise<Answer>,
  { confined = 'refused', grows = false }: Partial<Pick<Route, 'confined' | 'grows'>> = {},
): Route {
  return { method, path: `/v1${path}`, permission, confined, system: 'refused', grows, handler };
}

/** A route of one tenant; `path` goes on from the tenant. */
export function tenantRoute(
  method: Method,
  path: string,
  permission: Permission,
  handler: (call: Call, tenantId: string) => Promise<Answer>,
  {
    confined = 'allowed',
    system = 'refused',
    grows = false,
  }: Partial<Pick<Route, 'confined' | 'system' | 'grows'>> = {},
): Route {
  return {
    method,
    path: `/v1/tenants/:tenantId${path}`,
    permission,
    confined,
    system,
    grows,
    handler: async (call, params) => handler(call, tenantIdOf(params, system)),
  };
}

/** A route of one key; `path` goes on from the key. */
export function keyRoute(
  method: Method,
  path: string,
  permission: Permission,
  handler: (call: Call, tenantId: string, keyId: string) => Promise<Answer>,
  { grows = false }: Partial<Pick<Route, 'grows'>> = {},
): Route {
  return {
    method,
    path: `/v1/tenants/:tenantId/keys/:keyId${path}`,
    permission,
    confined: 'allowed',
    system: 'refused',
    grows,
    handler: async (call, params) => handler(call, tenantIdOf(params, 'refused'), keyIdOf(params, 'key_not_found')),
  };
}

/** The tenant of a path. Something that cannot be a tenant id is a tenant that does not exist, and needs no object to say so. */
function tenantIdOf({ tenantId }: PathParams, system: Route['system']): string {
  if (tenantId === SYSTEM_TENANT_ID && system === 'allowed') return tenantId;
  if (tenantId === undefined || !TENANT_ID_PATTERN.test(tenantId)) throw new Problem('tenant_not_found');
  return tenantId;
}

/** The key of a path, likewise. */
export function keyIdOf({ keyId }: PathParams, otherwise: 'key_not_found' | 'management_key_not_found'): string {
  if (keyId === undefined || !KEY_ID_PATTERN.test(keyId)) throw new Problem(otherwise);
  return keyId;
}
