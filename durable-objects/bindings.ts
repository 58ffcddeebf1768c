/** The object namespaces, and the one way from a tenant's place to its object. */
import type { DurableObject } from 'cloudflare:workers';
import { LruCache } from '../domain/memory/lru-cache.ts';
import type { Directory } from './directory/directory.ts';
import type { Tenant } from './tenant/tenant.ts';

/**
 * An object as seen from outside: its public methods, each answering with a promise of plain data. The platform's own stub type says the
 * same, but spreads every union of results over the promise, where it can no longer be narrowed.
 */
export type Remote<T> = {
  readonly [K in Exclude<keyof T, keyof DurableObject>]: T[K] extends (...args: infer A) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : never;
};

type ObjectNamespace<T> = {
  idFromName(name: string): DurableObjectId;
  get(id: DurableObjectId): Remote<T>;
};

export type ObjectBindings = {
  readonly TENANTS: ObjectNamespace<Tenant>;
  readonly DIRECTORY: ObjectNamespace<Directory>;
};

/**
 * A fresh stub for the object that holds a tenant. `objectName` comes from `objectNameOf` in the Worker, which derives it alike from a
 * tenant id and from a key string.
 */
export function tenantStub(env: ObjectBindings, objectName: string): Remote<Tenant> {
  return env.TENANTS.get(tenantIds.getOrMake(objectName, ID_BYTES, () => env.TENANTS.idFromName(objectName)));
}

/** Ids by name: making one takes a hash and a wrapped object. An id may be used in any request, a stub may not. */
const tenantIds = new LruCache<DurableObjectId>();
/** An id with its name: most of it is outside of the heap. */
const ID_BYTES = 1000;

/** A fresh stub for the directory. */
export function directoryStub(env: ObjectBindings): Remote<Directory> {
  return env.DIRECTORY.get(env.DIRECTORY.idFromName('directory'));
}
