/** The object namespaces, and the one way from a tenant's place to its object. */
import type { DurableObject } from 'cloudflare:workers';
import type { Command } from '../domain/command.ts';
import { LruCache } from '../domain/memory/lru-cache.ts';
import type { Result } from '../domain/outcome.ts';
import type { Confirmation } from '../domain/tenants/lifecycle.ts';
import type { TenantRecord } from '../domain/tenants/record.ts';
import type { TenantRef, TenantTarget } from '../domain/tenants/target.ts';

/**
 * An object as its callers see it: its public methods, each resolving to plain data. The platform's own stub type
 * distributes a union of results over promises, and the union can then no longer be narrowed.
 */
export type Remote<T> = {
  readonly [K in Exclude<keyof T, keyof DurableObject>]: T[K] extends (...args: infer A) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : never;
};

type ObjectNamespace<T> = {
  idFromName(name: string): DurableObjectId;
  get(id: DurableObjectId): T;
};

/** The bindings of the object namespaces. `T` and `D` are the types that the caller sees the objects as. */
export type ObjectBindings<T = TenantPeer, D = DirectoryPeer> = {
  readonly TENANTS: ObjectNamespace<T>;
  readonly DIRECTORY: ObjectNamespace<D>;
};

/** What the directory calls on a tenant's object (domain/tenants/lifecycle.ts). */
export type TenantPeer = {
  describe(target: TenantTarget): Promise<Result<TenantRecord>>;
  cancelCreation(incarnation: string): Promise<boolean>;
  destroy(incarnation: string): Promise<void>;
  revokeKeys(target: TenantTarget, which: { readonly owner: string }, command: Command): Promise<Result<unknown>>;
};

/** What a tenant's object calls on the directory. */
export type DirectoryPeer = {
  confirm(ref: TenantRef): Promise<Confirmation>;
};

/**
 * A new stub for the object that holds a tenant. `objectName` comes from `objectNameOf` (domain/tenants/locator.ts),
 * which gives the same name for a tenant id and for a key string of that tenant.
 */
export function tenantStub<T>(env: Pick<ObjectBindings<T, unknown>, 'TENANTS'>, objectName: string): T {
  return env.TENANTS.get(tenantIds.getOrMake(objectName, ID_BYTES, () => env.TENANTS.idFromName(objectName)));
}

/** Ids by name. Making an id costs a hash and a wrapped object. An id may be used in any request, a stub may not. */
const tenantIds = new LruCache<DurableObjectId>();
/** An id with its name (bytes). Most of it is outside of the heap. */
const ID_BYTES = 1000;

/** A new stub for the directory. */
export function directoryStub<D>(env: Pick<ObjectBindings<unknown, D>, 'DIRECTORY'>): D {
  return env.DIRECTORY.get(env.DIRECTORY.idFromName('directory'));
}
