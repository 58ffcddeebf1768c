/** What a route is. The router and the tests both work from the one list in routes/index.ts. */

import { SYSTEM_TENANT_ID } from '../../domain/tenants/locator.ts';
import type { Permission } from '../auth/principal.ts';
import type { Answer } from '../http/answer.ts';
import type { Call } from './request-context.ts';
import { Problem } from '../http/problem.ts';
import type { PathParams } from '../http/route-table.ts';
import { TENANT_ID_PATTERN } from './fields.ts';
import { KEY_ID_PATTERN } from '../crypto/key-string.ts';

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';
export type { PathParams };

/**
 * Largest bodies (bytes), by what they hold. A body may write any character of a text as `\uXXXX`, six bytes for one, and all of a body at its largest
 * written so must fit, but for a verification and in bulk, where that would take 61 KiB and 42 MiB; no program writes scopes so.
 */
export const BODY_BYTES = {
  /** An empty object at most. */
  none: 1024,
  /** A verification: 117 characters of key, 100 scopes of 100. A tenant, a management key, a reason: 4 KiB at most. */
  small: 16 * 1024,
  /** One key: 100 scopes of 100 characters, 4,096 bytes of metadata, name and owner, six bytes each: 87 KiB. Or 500 ids. */
  key: 96 * 1024,
  /** 500 keys of some 8 KiB each. */
  bulk: 4 * 1024 * 1024,
} as const;

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
  /** Largest body that is read. A route that reads none leaves it as it is. */
  readonly bodyBytesMax: number;
  readonly handler: (call: Call, params: PathParams) => Promise<Answer>;
};

type Options<K extends keyof Route> = Partial<Pick<Route, 'grows' | 'bodyBytesMax' | K>>;

/** A route of the whole deployment. */
export function deploymentRoute(
  method: Method,
  path: string,
  permission: Permission,
  handler: (call: Call, params: PathParams) => Promise<Answer>,
  { confined = 'refused', grows = false, bodyBytesMax = BODY_BYTES.small }: Options<'confined'> = {},
): Route {
  return { method, path: `/v1${path}`, permission, confined, system: 'refused', grows, bodyBytesMax, handler };
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
    bodyBytesMax = BODY_BYTES.small,
  }: Options<'confined' | 'system'> = {},
): Route {
  return {
    method,
    path: `/v1/tenants/:tenantId${path}`,
    permission,
    confined,
    system,
    grows,
    bodyBytesMax,
    handler: async (call, params) => handler(call, tenantIdOf(params, system)),
  };
}

/** A route of one key; `path` goes on from the key. */
export function keyRoute(
  method: Method,
  path: string,
  permission: Permission,
  handler: (call: Call, tenantId: string, keyId: string) => Promise<Answer>,
  { grows = false, bodyBytesMax = BODY_BYTES.small }: Options<never> = {},
): Route {
  return {
    method,
    path: `/v1/tenants/:tenantId/keys/:keyId${path}`,
    permission,
    confined: 'allowed',
    system: 'refused',
    grows,
    bodyBytesMax,
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
