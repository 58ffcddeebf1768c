/**
 * Isolates of the Worker. Each environment made here is one, with its own leases and memory, and all use the same
 * objects.
 */
import { env } from 'cloudflare:workers';
import type { Env } from '../../src/env.ts';

export type IsolateOptions = {
  /** How long results of verifications take on their way back from the object (ms). */
  readonly resultsTakeMs?: number;
  /** Whether verifications ask for a lease. Without one they leave nothing behind that a change would wait for. */
  readonly wantsLeases?: boolean;
};

/** Makes an isolate. */
export function isolate({ resultsTakeMs = 0, wantsLeases = true }: IsolateOptions = {}): Env {
  if (resultsTakeMs === 0 && wantsLeases) return { ...env };
  const { TENANTS } = env;
  const other: Env['TENANTS'] = {
    idFromName: (name) => TENANTS.idFromName(name),
    get: (id) => {
      const stub = TENANTS.get(id);
      return new Proxy(stub, {
        get(target, property, receiver) {
          const verifyKey: typeof stub.verifyKey = async (keyId, digest, scopes, call, wantsLease, ...rest) => {
            const result = await target.verifyKey(keyId, digest, scopes, call, wantsLease && wantsLeases, ...rest);
            await scheduler.wait(resultsTakeMs);
            return result;
          };
          const verifyForeignKey: typeof stub.verifyForeignKey = async (
            digests,
            id,
            scopes,
            call,
            wantsLease,
            ...rest
          ) => {
            const wants = wantsLease && wantsLeases;
            const result = await target.verifyForeignKey(digests, id, scopes, call, wants, ...rest);
            await scheduler.wait(resultsTakeMs);
            return result;
          };
          if (property === 'verifyKey') return verifyKey;
          return property === 'verifyForeignKey' ? verifyForeignKey : Reflect.get(target, property, receiver);
        },
      });
    },
  };
  return { ...env, TENANTS: other };
}
