/**
 * The Worker's way to the objects, and the one policy for calls that fail. Nothing else in src/ obtains a stub.
 *
 * - A call that fails with an error that the platform calls retryable is repeated, a few times, with jitter and with
 *   a fresh stub, since a broken stub stays broken.
 * - An overloaded object is not called again, since that would add to its load.
 * - Changes may be repeated too: each carries a command by whose id the object recognises it, and the repeated call
 *   says that it is one.
 * - A verification is repeated after any error but overload. The repeated call asks for no lease, so that it succeeds
 *   even when the object cannot write.
 */

import type { Command } from '../domain/command.ts';
import type { CallWithBudgets, RenewalWithBudgets } from '../domain/limits/call-with-budgets.ts';
import type { Spending } from '../domain/limits/named-limit.ts';
import {
  objectCallDurations,
  objectCallFailures,
  objectCallRetries,
  objectCalls,
} from '../domain/metrics/isolate-metrics.ts';
import { fail } from '../domain/outcome.ts';
import { SYSTEM_TENANT_ID } from '../domain/tenants/locator.ts';
import type { Confinement, TenantTarget } from '../domain/tenants/target.ts';
import type { UsageReport } from '../domain/usage/reports.ts';
import { directoryStub, type Remote, tenantStub } from '../durable-objects/bindings.ts';
import type { Directory } from '../durable-objects/directory/directory.ts';
import { logError } from '../durable-objects/log.ts';
import { NEWER_DATABASE } from '../durable-objects/sql/migrate.ts';
import type { Tenant, VerifyResult } from '../durable-objects/tenant/tenant.ts';
import { randomId } from './crypto/random-id.ts';
import type { Env } from './env.ts';
import { newerDatabase, Problem, storageFull, unavailable } from './http/problem.ts';
import { mayGrow } from './storage-reserve.ts';
import type { Place, TenantMemory } from './tenant-memory.ts';

/** Most attempts of one call. */
const ATTEMPTS = 3;
/** The wait before the second attempt. It doubles for each further one; half of it is random. */
const BACKOFF_MS = 100;
/**
 * A self-hosted server on a full disk gives up its reserve after a moment. A later attempt to end
 * something then fits.
 */
const ATTEMPTS_WHEN_FULL = 5;

/** A command for an object, except whether the call repeats an earlier one: the client fills that in. */
export type CommandTemplate = Omit<Command, 'retry'>;

/** Reads from the object of a tenant. */
export type TenantRead<T> = (tenant: Remote<Tenant>, target: TenantTarget) => Promise<T>;

/** Changes something in the object of a tenant. */
export type TenantChange<T> = (tenant: Remote<Tenant>, target: TenantTarget, command: Command) => Promise<T>;

/** Keeps work alive after the response: the execution context of the request. */
export type Background = { waitUntil(work: Promise<unknown>): void };

/** What the lines of the log about a request have in common. */
type RequestIds = { readonly requestId?: string; readonly traceId?: string | undefined };

type ObjectKind = 'tenant' | 'directory';

/** For calls that no request waits for. */
export const DETACHED: Background = { waitUntil: () => {} };

/** The result of a call to an object. Expected failures are data. */
export type ObjectResult = { readonly ok: true } | { readonly ok: false; readonly failure: { readonly code: string } };

/** The objects as one request reaches them. */
export class ObjectClient {
  readonly #env: Env;
  readonly #memory: TenantMemory;
  readonly #background: Background;
  #confinement: Confinement | null = null;
  #request: RequestIds = {};
  #calls = 0;

  constructor(env: Env, memory: TenantMemory, background: Background = DETACHED) {
    this.#env = env;
    this.#memory = memory;
    this.#background = background;
  }

  /** Object calls made so far for this request, repeated ones included. */
  get calls(): number {
    return this.#calls;
  }

  /** Says which request the calls are for. The log line of one that fails names it. */
  requestedBy(request: RequestIds): void {
    this.#request = request;
  }

  /**
   * Says to which tenant the caller is confined, null for none. Later calls carry that along for the object to check.
   */
  confineTo(confinement: Confinement | null): void {
    this.#confinement = confinement;
  }

  /** The target of a call: the tenant id and, if the caller is confined to it, the incarnation that the grant means. */
  target(tenantId: string): TenantTarget {
    const bound = this.#confinement?.tenantId === tenantId ? this.#confinement.bound : null;
    return { tenantId, bound };
  }

  placeOf(tenantId: string): Place | Promise<Place> {
    return this.#memory.placeOf(tenantId);
  }

  likelyPrefix(tenantId: string): string {
    return this.#memory.likelyPrefix(tenantId);
  }

  learnPrefix(tenantId: string, prefix: string): void {
    this.#memory.learnPrefix(tenantId, prefix);
  }

  /** Reads from the object of a tenant. Fails with `tenant_not_found` when there is no such tenant. */
  tenant<T extends ObjectResult>(tenantId: string, read: TenantRead<T>): Promise<T | ReturnType<typeof notFound>> {
    return this.#ofExisting(tenantId, (objectName) =>
      this.#call(() => read(tenantStub(this.#env, objectName), this.target(tenantId))),
    );
  }

  /** Changes something in the object of a tenant, once even when the call is repeated. Fails as `tenant` does. */
  changeTenant<T extends ObjectResult>(
    tenantId: string,
    template: CommandTemplate,
    change: TenantChange<T>,
  ): Promise<T | ReturnType<typeof notFound>> {
    return this.#ofExisting(tenantId, (objectName) =>
      this.#change(template, (command) => change(tenantStub(this.#env, objectName), this.target(tenantId), command)),
    );
  }

  /** Creates a tenant in its object. The directory must list it already, unless it is `_system`. */
  async createTenant<T extends ObjectResult>(
    tenantId: string,
    template: CommandTemplate,
    create: (tenant: Remote<Tenant>, command: Command) => Promise<T>,
  ): Promise<T> {
    const { objectName } = await this.placeOf(tenantId);
    const created = await this.#change(template, (command) => create(tenantStub(this.#env, objectName), command));
    if (created.ok) this.#memory.learn(tenantId);
    return created;
  }

  /**
   * Calls the object of a tenant that exists. A call makes an object, which on a self-hosted server leaves files on
   * the disk. So the directory is asked first whether the tenant may exist, unless this isolate knows it. A caller is
   * told that there is no such tenant only when no deletion of it is under way any more.
   */
  async #ofExisting<T extends ObjectResult>(tenantId: string, call: (objectName: string) => Promise<T>) {
    if (!(await this.mayExist(tenantId))) return notFound();
    const result = await call((await this.placeOf(tenantId)).objectName);
    if (result.ok || result.failure.code !== 'tenant_not_found') this.#memory.learn(tenantId);
    else if (tenantId !== SYSTEM_TENANT_ID) {
      this.#memory.forget(tenantId);
      await this.directory((directory) => directory.awaitDeletions(tenantId));
    }
    return result;
  }

  /**
   * Asks the object of this name to decide about a key. A repeated call wants no lease: the object has to write for
   * some leases, and a verification must succeed even when it cannot. It has the id of the first one,
   * so that credits are not spent twice.
   */
  async verifyKey(
    objectName: string,
    keyId: string,
    digest: Uint8Array,
    scopes: readonly string[],
    call: CallWithBudgets,
    spending?: Spending,
  ): Promise<VerifyResult> {
    const spendId = randomId('v');
    return this.#call(
      (retry) => tenantStub(this.#env, objectName).verifyKey(keyId, digest, scopes, call, !retry, spending, spendId),
      (error) => !isOverloaded(error),
    );
  }

  /**
   * The same about a key string that was issued elsewhere. `digests` has one for each entry of HMAC_SECRET; `likelyId`
   * is the id under which the key was last found, null when it was not.
   */
  async verifyForeignKey(
    objectName: string,
    { digests, keyId }: { readonly digests: readonly Uint8Array[]; readonly keyId: string | null },
    scopes: readonly string[],
    call: CallWithBudgets,
    spending?: Spending,
  ): Promise<VerifyResult> {
    const spendId = randomId('v');
    return this.#call(
      (retry) =>
        tenantStub(this.#env, objectName).verifyForeignKey(digests, keyId, scopes, call, !retry, spending, spendId),
      (error) => !isOverloaded(error),
    );
  }

  /** Renews this isolate's lease on the tenant in this object, and reports uses. Null when no lease is granted. */
  renewLease(objectName: string, call: CallWithBudgets): Promise<RenewalWithBudgets | null> {
    return this.#call(() => tenantStub(this.#env, objectName).renewLease(call));
  }

  /** Tells an object what a client has verified. Returns whether it has taken the report. */
  async reportUsage(objectName: string, usage: UsageReport): Promise<boolean> {
    try {
      await this.renewLease(objectName, { known: null, uses: [], usage });
      return true;
    } catch (error) {
      if (error instanceof Problem) return false;
      throw error;
    }
  }

  /** Whether there may be such a tenant. The directory is asked if this isolate does not know it. */
  async mayExist(tenantId: string): Promise<boolean> {
    return this.#memory.isKnown(tenantId) || (await this.directory((directory) => directory.mayExist(tenantId)));
  }

  /** Does this work some time (ms) after the response. Errors are dropped. */
  afterwards(ms: number, work: () => Promise<unknown>): void {
    const done = ms === 0 ? work() : scheduler.wait(ms).then(work);
    this.#background.waitUntil(done.catch(() => {}));
  }

  /** Reads from the directory, or makes a change there that is idempotent by itself. */
  directory<T>(call: (directory: Remote<Directory>) => Promise<T>): Promise<T> {
    return this.#call(() => call(directoryStub(this.#env)), isRetryable, 'directory');
  }

  /** Changes something in the directory, once even when the call is repeated. */
  changeDirectory<T>(
    template: CommandTemplate,
    change: (directory: Remote<Directory>, command: Command) => Promise<T>,
  ): Promise<T> {
    return this.#change(template, (command) => change(directoryStub(this.#env), command), 'directory');
  }

  /** Throws `storage_full` when storage may not grow (src/storage-reserve.ts). */
  async requireRoom(): Promise<void> {
    if (!(await mayGrow(this.#env, Date.now()))) throw storageFull();
  }

  #change<T>(
    template: CommandTemplate,
    send: (command: Command) => Promise<T>,
    object: ObjectKind = 'tenant',
  ): Promise<T> {
    return this.#call(
      async (retry) => {
        // Checked at each attempt, so that a change that grows does not use up room that was set free for others.
        if (template.grows) await this.requireRoom();
        return send({ ...template, retry });
      },
      (error) => isRetryable(error) || (isStorageFull(error) && !template.grows),
      object,
    );
  }

  /** Calls an object until it succeeds, the attempts are used up or `mayRepeat` says no. Throws a problem then. */
  async #call<T>(
    send: (retry: boolean) => Promise<T>,
    mayRepeat = isRetryable,
    object: ObjectKind = 'tenant',
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const startedAt = Date.now();
      try {
        this.#calls += 1;
        objectCalls.at(object).count += 1;
        if (attempt > 1) objectCallRetries.at(object).count += 1;
        const result = await send(attempt > 1);
        observe(object, startedAt);
        return result;
      } catch (error) {
        observe(object, startedAt);
        if (error instanceof Problem) throw error;
        if (isNewerDatabase(error)) {
          objectCallFailures.at(object, 'newer_database').count += 1;
          throw newerDatabase();
        }
        const isFull = isStorageFull(error);
        if (attempt >= (isFull ? ATTEMPTS_WHEN_FULL : ATTEMPTS) || !mayRepeat(error)) {
          const reason = isFull ? 'storage_full' : isOverloaded(error) ? 'overloaded' : 'unavailable';
          objectCallFailures.at(object, reason).count += 1;
          logError('object_call_failed', error, this.#idsOfRequest());
          throw isFull ? storageFull() : unavailable();
        }
        await scheduler.wait(BACKOFF_MS * 2 ** (attempt - 1) * (0.5 + Math.random() / 2));
      }
    }
  }

  #idsOfRequest(): Record<string, string> {
    const { requestId, traceId } = this.#request;
    return { ...(requestId === undefined ? {} : { requestId }), ...(traceId === undefined ? {} : { traceId }) };
  }
}

const observe = (object: ObjectKind, startedAt: number) =>
  objectCallDurations.at(object).observe((Date.now() - startedAt) / 1000);

const notFound = () => fail({ code: 'tenant_not_found' });

const isOverloaded = (error: unknown) => error instanceof Error && 'overloaded' in error && error.overloaded === true;

/**
 * The platform marks its errors so: https://developers.cloudflare.com/durable-objects/best-practices/error-handling/
 */
function isRetryable(error: unknown): boolean {
  return error instanceof Error && 'retryable' in error && error.retryable === true && !isOverloaded(error);
}

/** Whether a commit found no room on the disk. Nothing of it was applied. */
function isStorageFull(error: unknown): boolean {
  return error instanceof Error && error.message.includes('SQLITE_FULL');
}

/** Whether the database was written by a newer version of Keystead. The object has logged it. */
function isNewerDatabase(error: unknown): boolean {
  return error instanceof Error && error.message.includes(NEWER_DATABASE);
}
