/**
 * The Worker's way to the objects, and the one policy for calls that fail. Stubs are obtained nowhere else.
 *
 * A call that the platform reports as retryable is repeated, few times and with jitter, with a fresh stub (a broken one stays broken). An overloaded object
 * is never called again: that would only add to its load. Mutations may be repeated too, since each carries an command that the
 * object recognises; the second call is told that it is one. Verifications are repeated whatever went wrong, and then ask for nothing that the
 * object would have to write.
 */

import type { Command } from '../domain/command.ts';
import { LruCache } from '../domain/memory/lru-cache.ts';
import { fail } from '../domain/outcome.ts';
import { locatorOf, objectNameOf, SYSTEM_TENANT_ID } from '../domain/tenants/locator.ts';
import { DEFAULT_SETTINGS } from '../domain/tenants/record.ts';
import type { Confinement, TenantTarget } from '../domain/tenants/target.ts';
import { directoryStub, type Remote, tenantStub } from '../durable-objects/bindings.ts';
import type { Directory } from '../durable-objects/directory/directory.ts';
import { logError } from '../durable-objects/log.ts';
import { NEWER_DATABASE } from '../durable-objects/sql/migrations.ts';
import type { Tenant, VerifyResult } from '../durable-objects/tenant/tenant.ts';
import type { Env } from './env.ts';
import { newerDatabase, Problem, storageFull, unavailable } from './http/problem.ts';
import { mayGrow } from './storage-reserve.ts';

/** Attempts of a call, and the first wait before a repetition; doubled each time, and between half and all of it is waited. */
const ATTEMPTS = 3;
const BACKOFF_MS = 100;
/** Where the disk is full a self-hosted server gives up its reserve within a moment: what ends something then goes through. */
const ATTEMPTS_WHEN_FULL = 5;
/** What an isolate remembers of a tenant beside its id (bytes): that it exists; its locator and the name of its object. */
const EXISTING_BYTES = 0;
const PLACE_BYTES = 400;
const PREFIX_BYTES = 200;

export type CommandTemplate = Omit<Command, 'retry'>;

/** Where work goes on after the answer: the execution context of the request. */
export type Background = { waitUntil(work: Promise<unknown>): void };

/** For calls that answer nobody. */
export const DETACHED: Background = { waitUntil: () => {} };

/** What an isolate remembers of tenants. Nothing here is ever wrong for long: an object that holds no such tenant says so. */
export class TenantMemory {
  readonly #existing = new LruCache<true>();
  readonly #places = new LruCache<Place>();
  readonly #prefixes = new LruCache<string>();

  isKnown(tenantId: string): boolean {
    return tenantId === SYSTEM_TENANT_ID || this.#existing.get(tenantId) === true;
  }

  learn(tenantId: string): void {
    this.#existing.set(tenantId, true, EXISTING_BYTES);
  }

  forget(tenantId: string): void {
    this.#existing.delete(tenantId);
  }

  /** The prefix that keys of a tenant had last, or the default one. Only the tenant's object knows the true one, and checks. */
  likelyPrefix(tenantId: string): string {
    return this.#prefixes.get(tenantId) ?? DEFAULT_SETTINGS.keyPrefix;
  }

  learnPrefix(tenantId: string, prefix: string): void {
    this.#prefixes.set(tenantId, prefix, PREFIX_BYTES);
  }

  /** Where a tenant id lives: a function of the id, computed once. */
  placeOf(tenantId: string): Place | Promise<Place> {
    return this.#places.get(tenantId) ?? this.#compute(tenantId);
  }

  async #compute(tenantId: string): Promise<Place> {
    const locator = await locatorOf(tenantId);
    const place = { locator, objectName: objectNameOf(locator) };
    this.#places.set(tenantId, place, PLACE_BYTES);
    return place;
  }
}

/** A tenant's locator, and the name of its object. */
export type Place = { readonly locator: Uint8Array; readonly objectName: string };

/** What a call to an object resolves to: expected failures are data. */
export type ObjectResult = { readonly ok: true } | { readonly ok: false; readonly failure: { readonly code: string } };

export class ObjectClient {
  readonly #env: Env;
  readonly #memory: TenantMemory;
  readonly #background: Background;
  #confinement: Confinement | null = null;
  #calls = 0;

  constructor(env: Env, memory: TenantMemory, background: Background = DETACHED) {
    this.#env = env;
    this.#memory = memory;
    this.#background = background;
  }

  /** Object calls made so far for this request. */
  get calls(): number {
    return this.#calls;
  }

  /** From here on calls are a caller's who is confined to this tenant. */
  confineTo(confinement: Confinement | null): void {
    this.#confinement = confinement;
  }

  /** A tenant id as this request's caller means it. */
  target(tenantId: string): TenantTarget {
    const bound = this.#confinement?.tenantId === tenantId ? this.#confinement.bound : null;
    return { tenantId, bound };
  }

  /** Where a tenant id lives. */
  placeOf(tenantId: string): Place | Promise<Place> {
    return this.#memory.placeOf(tenantId);
  }

  likelyPrefix(tenantId: string): string {
    return this.#memory.likelyPrefix(tenantId);
  }

  learnPrefix(tenantId: string, prefix: string): void {
    this.#memory.learnPrefix(tenantId, prefix);
  }

  /** Asks the object of a tenant, if the directory knows of the tenant. */
  tenant<T extends ObjectResult>(
    tenantId: string,
    ask: (tenant: Remote<Tenant>, target: TenantTarget) => Promise<T>,
  ): Promise<T | ReturnType<typeof notFound>> {
    return this.#ofExisting(tenantId, (objectName) =>
      this.#call(() => ask(tenantStub(this.#env, objectName), this.target(tenantId))),
    );
  }

  /** Has the object of a tenant change something, once even when the call is repeated. */
  changeTenant<T extends ObjectResult>(
    tenantId: string,
    command: CommandTemplate,
    change: (tenant: Remote<Tenant>, target: TenantTarget, command: Command) => Promise<T>,
  ): Promise<T | ReturnType<typeof notFound>> {
    return this.#ofExisting(tenantId, (objectName) =>
      this.#change(command, (op) => change(tenantStub(this.#env, objectName), this.target(tenantId), op)),
    );
  }

  /** Has the object of a tenant id create the tenant, which the directory has listed. */
  async createTenant<T extends ObjectResult>(
    tenantId: string,
    command: CommandTemplate,
    create: (tenant: Remote<Tenant>, command: Command) => Promise<T>,
  ): Promise<T> {
    const { objectName } = await this.placeOf(tenantId);
    const created = await this.#change(command, (op) => create(tenantStub(this.#env, objectName), op));
    if (created.ok) this.#memory.learn(tenantId);
    return created;
  }

  /**
   * An object that was never asked leaves nothing behind, so the directory is asked first whether there is such a tenant; where this isolate knows
   * that there is, that costs nothing. Who learns that there is none learns it when a deletion under way has come to its end.
   */
  async #ofExisting<T extends ObjectResult>(tenantId: string, ask: (objectName: string) => Promise<T>) {
    if (!this.#memory.isKnown(tenantId) && !(await this.#mayExist(tenantId))) return notFound();
    const result = await ask((await this.placeOf(tenantId)).objectName);
    if (result.ok || result.failure.code !== 'tenant_not_found') this.#memory.learn(tenantId);
    else if (tenantId !== SYSTEM_TENANT_ID) {
      this.#memory.forget(tenantId);
      await this.directory((directory) => directory.awaitDeletions(tenantId));
    }
    return result;
  }

  #mayExist(tenantId: string): Promise<boolean> {
    return this.directory((directory) => directory.mayExist(tenantId));
  }

  /**
   * Asks the object of this name to decide about a key. A repetition wants no lease, for which the object has to write at times: so a verification
   * never needs a write to succeed.
   */
  async verifyKey(
    objectName: string,
    keyId: string,
    digest: Uint8Array,
    scopes: readonly string[],
  ): Promise<VerifyResult> {
    return this.#call(
      (retry) => tenantStub(this.#env, objectName).verifyKey(keyId, digest, scopes, !retry),
      (error) => !isOverloaded(error),
    );
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

  /** Has the directory change something, once even when the call is repeated. */
  changeDirectory<T>(
    command: CommandTemplate,
    change: (directory: Remote<Directory>, command: Command) => Promise<T>,
  ): Promise<T> {
    return this.#change(command, (op) => change(directoryStub(this.#env), op));
  }

  /** Refuses what adds data where there is room only for what ends something. */
  async requireRoom(): Promise<void> {
    if (!(await mayGrow(this.#env, Date.now()))) throw storageFull();
  }

  /** Has an object change something. */
  #change<T>(command: CommandTemplate, send: (command: Command) => Promise<T>): Promise<T> {
    return this.#call(
      async (retry) => {
        // At each attempt, so that it does not use up what was set free for others.
        if (command.grows) await this.requireRoom();
        return send({ ...command, retry });
      },
      (error) => isRetryable(error) || (isStorageFull(error) && !command.grows),
    );
  }

  async #call<T>(send: (retry: boolean) => Promise<T>, mayRepeat = isRetryable): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#calls += 1;
        return await send(attempt > 1);
      } catch (error) {
        if (error instanceof Problem) throw error;
        if (isNewerDatabase(error)) throw newerDatabase();
        const isFull = isStorageFull(error);
        if (attempt >= (isFull ? ATTEMPTS_WHEN_FULL : ATTEMPTS) || !mayRepeat(error)) {
          logError('object_call_failed', error);
          throw isFull ? storageFull() : unavailable();
        }
        await scheduler.wait(BACKOFF_MS * 2 ** (attempt - 1) * (0.5 + Math.random() / 2));
      }
    }
  }
}

const notFound = () => fail({ code: 'tenant_not_found' });

const isOverloaded = (error: unknown) => error instanceof Error && 'overloaded' in error && error.overloaded === true;

/** As the platform marks its errors: https://developers.cloudflare.com/durable-objects/best-practices/error-handling/ */
function isRetryable(error: unknown): boolean {
  return error instanceof Error && 'retryable' in error && error.retryable === true && !isOverloaded(error);
}

/** A commit that found no room. Nothing of it was applied. */
function isStorageFull(error: unknown): boolean {
  return error instanceof Error && error.message.includes('SQLITE_FULL');
}

/** The object has logged it. */
function isNewerDatabase(error: unknown): boolean {
  return error instanceof Error && error.message.includes(NEWER_DATABASE);
}
