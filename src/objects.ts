/**
 * The Worker's way to the objects, and the one policy for calls that fail. Stubs are obtained nowhere else.
 *
 * A call that the platform reports as retryable is repeated, few times and with jitter, with a fresh stub (a broken one stays broken). An overloaded object
 * is never called again: that would only add to its load. Mutations may be repeated too, since each carries an operation that the
 * object recognises; the second call is told that it is one.
 */
import { directoryStub, type Remote, tenantStub } from '../durable-objects/bindings.ts';
import { type Directory, destroyTenant, type TenantRef } from '../durable-objects/directory.ts';
import type { Operation } from '../durable-objects/operation.ts';
import type { Tenant } from '../durable-objects/tenant.ts';
import { locatorOf, objectNameOf } from '../durable-objects/tenants/locator.ts';
import type { Env } from './env.ts';
import { logError } from './http/log.ts';
import { unavailable } from './http/problem.ts';

const ATTEMPTS = 3;
/** First wait before a repetition; doubled each time, and between half and all of it is waited. */
const BACKOFF_MS = 100;

type OperationTemplate = Omit<Operation, 'retry'>;

/** Where work goes on after the answer: the execution context of the request. */
export type Background = { waitUntil(work: Promise<unknown>): void };

/** For calls that answer nobody. */
export const DETACHED: Background = { waitUntil: () => {} };

export class Objects {
  readonly #env: Env;
  readonly #background: Background;
  #calls = 0;

  constructor(env: Env, background: Background = DETACHED) {
    this.#env = env;
    this.#background = background;
  }

  /** Object calls made so far for this request. */
  get calls(): number {
    return this.#calls;
  }

  /** Asks the object of a tenant id. */
  async tenant<T>(tenantId: string, ask: (tenant: Remote<Tenant>) => Promise<T>): Promise<T> {
    return this.tenantAt(objectNameOf(await locatorOf(tenantId)), ask);
  }

  /** Asks the object of this name (see `objectNameOf`). */
  tenantAt<T>(objectName: string, ask: (tenant: Remote<Tenant>) => Promise<T>): Promise<T> {
    return this.#call(() => ask(tenantStub(this.#env, objectName)));
  }

  /** Has the object of a tenant id change something, once even when the call is repeated. */
  async changeTenant<T>(
    tenantId: string,
    operation: OperationTemplate,
    change: (tenant: Remote<Tenant>, operation: Operation) => Promise<T>,
  ): Promise<T> {
    const objectName = objectNameOf(await locatorOf(tenantId));
    return this.#call((retry) => change(tenantStub(this.#env, objectName), { ...operation, retry }));
  }

  /** Tells the object of a use that it did not see, because the key was leased, after the answer. A use that cannot be told is lost. */
  noteLeasedUse(objectName: string, keyId: string): void {
    this.#background.waitUntil(
      tenantStub(this.#env, objectName)
        .noteLeasedUse(keyId)
        .catch(() => {}),
    );
  }

  /** Asks the directory, or has it change something that is idempotent by itself. */
  directory<T>(ask: (directory: Remote<Directory>) => Promise<T>): Promise<T> {
    return this.#call(() => ask(directoryStub(this.#env)));
  }

  /** Carries out the decided deletion of a tenant. */
  destroyTenant(ref: TenantRef, operation: Operation): Promise<void> {
    return this.#call(() => destroyTenant(this.#env, ref, operation));
  }

  async #call<T>(send: (retry: boolean) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#calls += 1;
        return await send(attempt > 1);
      } catch (error) {
        if (attempt === ATTEMPTS || !mayRepeat(error)) {
          logError('object_call_failed', error);
          throw unavailable();
        }
        await scheduler.wait(BACKOFF_MS * 2 ** (attempt - 1) * (0.5 + Math.random() / 2));
      }
    }
  }
}

/** As the platform marks its errors: https://developers.cloudflare.com/durable-objects/best-practices/error-handling/ */
function mayRepeat(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return 'retryable' in error && error.retryable === true && !('overloaded' in error && error.overloaded === true);
}
