/**
 * Isolates of the Worker. Each environment made here is one, with its own leases and memory, and all use the same
 * objects.
 */
import { env } from 'cloudflare:workers';
import type { Env } from '../../src/env.ts';

/** Makes an isolate whose verification results take this long (ms) on their way back from the object. */
export function isolate(resultsTakeMs = 0): Env {
  if (resultsTakeMs === 0) return { ...env };
  const { TENANTS } = env;
  const slow: Env['TENANTS'] = {
    idFromName: (name) => TENANTS.idFromName(name),
    get: (id) => {
      const stub = TENANTS.get(id);
      return new Proxy(stub, {
        get(target, property, receiver) {
          if (property !== 'verifyKey') return Reflect.get(target, property, receiver);
          const verifyKey: typeof stub.verifyKey = async (...args) => {
            const result = await target.verifyKey(...args);
            await scheduler.wait(resultsTakeMs);
            return result;
          };
          return verifyKey;
        },
      });
    },
  };
  return { ...env, TENANTS: slow };
}
