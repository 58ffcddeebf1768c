/** Isolates of the Worker: each environment made here is one, with leases and memory of its own, on the same objects. */
import { env } from 'cloudflare:workers';
import type { Env } from '../../src/env.ts';

export type IsolateOptions = {
  /** How long answers to verifications take on their way back from the object (ms). */
  readonly answersTakeMs?: number;
  /** Whether verifications ask for a lease. Without one they leave nothing behind that a change would wait for. */
  readonly wantsLeases?: boolean;
};

export function isolate({ answersTakeMs = 0, wantsLeases = true }: IsolateOptions = {}): Env {
  if (answersTakeMs === 0 && wantsLeases) return { ...env };
  const { TENANTS } = env;
  const other: Env['TENANTS'] = {
    idFromName: (name) => TENANTS.idFromName(name),
    get: (id) => {
      const stub = TENANTS.get(id);
      return new Proxy(stub, {
        get(target, property, receiver) {
          if (property !== 'verifyKey') return Reflect.get(target, property, receiver);
          const verifyKey: typeof stub.verifyKey = async (keyId, digest, scopes, wantsLease) => {
            const answer = await target.verifyKey(keyId, digest, scopes, wantsLease && wantsLeases);
            await scheduler.wait(answersTakeMs);
            return answer;
          };
          return verifyKey;
        },
      });
    },
  };
  return { ...env, TENANTS: other };
}
