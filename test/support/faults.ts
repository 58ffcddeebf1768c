/**
 * Object calls that fail: before they reach the object (nothing happened), or after it has committed (only the result
 * is lost). The Worker under test gets an environment whose stubs fail as specified. The objects behind them are the
 * real ones.
 */
import { env } from 'cloudflare:workers';
import type { Env } from '../../src/env.ts';
import { handle } from '../../src/router.ts';
import type { ApiResponse } from './api.ts';
import { describedBody } from './described.ts';

export type Fault = {
  /** Name of the object's method. */
  readonly method: string;
  /** How many of its first calls fail. */
  readonly times: number;
  readonly when: 'before' | 'after';
  /** Whether the platform marks the error as retryable. */
  readonly retryable?: boolean;
  readonly overloaded?: boolean;
  /** The error's message, if it matters. */
  readonly message?: string;
};

type Namespace<T> = { idFromName(name: string): DurableObjectId; get(id: DurableObjectId): T };

/** Returns an environment with these faults, and the calls that its Worker makes. */
export function faultyEnv(...faults: readonly Fault[]): { readonly env: Env; readonly calls: string[] } {
  const calls: string[] = [];
  const left = new Map(faults.map((fault) => [fault, fault.times]));
  const wrap = <T extends object>(space: Namespace<T>): Namespace<T> => ({
    idFromName: (name) => space.idFromName(name),
    get: (id) => misbehaving(space.get(id)),
  });
  const misbehaving = <T extends object>(stub: T): T =>
    new Proxy(stub, {
      get:
        (target, property) =>
        async (...args: unknown[]) => {
          const method = String(property);
          calls.push(method);
          const fault = faults.find((candidate) => candidate.method === method && (left.get(candidate) ?? 0) > 0);
          const call = (): unknown => {
            const send: unknown = Reflect.get(target, property);
            if (typeof send !== 'function') throw new TypeError(`no method ${method}`);
            return send(...args);
          };
          if (fault === undefined) return call();
          left.set(fault, (left.get(fault) ?? 0) - 1);
          if (fault.when === 'after') await call();
          throw Object.assign(new Error(fault.message ?? 'the network went away'), {
            retryable: fault.retryable ?? false,
            overloaded: fault.overloaded ?? false,
          });
        },
    });
  return { env: { ...env, TENANTS: wrap(env.TENANTS), DIRECTORY: wrap(env.DIRECTORY) }, calls };
}

/** Sends one request as the administrator to a Worker with this environment. */
export async function apiWith(
  faulty: Env,
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<ApiResponse> {
  const response = await handle(
    new Request(`http://keystead.test/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${env.ADMIN_TOKEN}`, 'Content-Type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
    faulty,
  );
  const described = await describedBody(method, `/v1${path}`, response, body);
  return { status: response.status, headers: response.headers, body: described };
}
