/** Delays or loses calls between objects, through the environments of the directory and the tenants. */
import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import type { Directory } from '../../durable-objects/directory/directory.ts';

export const directoryObject = () =>
  // The bindings' own type is narrower than the platform's stub, which the helpers of cloudflare:test need.
  env.DIRECTORY.get(env.DIRECTORY.idFromName('directory')) as unknown as DurableObjectStub<Directory>;

/** Runs code around a call. Throwing before `send` loses the call; throwing after it loses the result. */
export type Around = (method: string, send: () => Promise<unknown>, args: readonly unknown[]) => Promise<unknown>;

/**
 * Wraps the calls that an object makes to tenants and to the directory, until the object is evicted or `undo` is
 * called.
 */
export async function aroundCallsOf(object: DurableObjectStub, around: Around): Promise<() => Promise<void>> {
  type Namespace = { idFromName(name: string): DurableObjectId; get(id: DurableObjectId): object };
  const wrap = (space: Namespace) => ({
    idFromName: (name: string) => space.idFromName(name),
    get: (id: DurableObjectId) =>
      new Proxy(space.get(id), {
        get:
          (stub, property) =>
          (...args: unknown[]) =>
            around(
              String(property),
              async () => {
                const send: unknown = Reflect.get(stub, property);
                if (typeof send !== 'function') throw new TypeError(`no method ${String(property)}`);
                return send(...args);
              },
              args,
            ),
      }),
  });
  let before: unknown;
  await runInDurableObject(object, (instance) => {
    before = Reflect.get(instance, 'env');
    Reflect.set(instance, 'env', { ...env, TENANTS: wrap(env.TENANTS), DIRECTORY: wrap(env.DIRECTORY) });
  });
  return () => runInDurableObject(object, (instance) => void Reflect.set(instance, 'env', before));
}

/** Returns the rows of a query in the directory's database. */
export const sqlInDirectory = (query: string, ...bindings: SqlStorageValue[]) =>
  runInDurableObject(directoryObject(), (_, { storage }) => storage.sql.exec(query, ...bindings).toArray());

export const directoryAlarmAt = () => runInDurableObject(directoryObject(), (_, { storage }) => storage.getAlarm());

/** Restarts an object as after a crash: its memory is lost. */
export const restart = (object: DurableObjectStub) =>
  runInDurableObject(object, (_, state) => state.abort('a crash')).catch(() => {});
