/**
 * A deployment whose object calls are all held at a gate, so that a history decides in which order calls and results
 * arrive, and which of them are lost. The gate holds the calls of the Worker's isolates and the calls between objects.
 * The objects and the Worker's code are the real ones. Waiting takes simulated time, which advances when the history
 * lets it.
 */
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { vi } from 'vitest';
import { SYSTEM_TENANT_ID } from '../../../domain/tenants/locator.ts';
import { Directory } from '../../../durable-objects/directory/directory.ts';
import { Tenant } from '../../../durable-objects/tenant/tenant.ts';
import type { Env } from '../../../src/env.ts';
import { START } from '../../support/clock.ts';
import { tenantObject } from '../../support/objects.ts';

/**
 * What happens to a call or its result. `retryable`: it is lost with an error that the platform marks as retryable.
 * `late`: the caller sees it as lost, but the call arrives later, when nobody waits for it any more.
 */
export type Passage = 'arrives' | 'lost' | 'retryable' | 'late';

type Held = { readonly from: string; readonly call: string; passage: Passage | null };

/** Checks, a few milliseconds apart, that find nothing to release. After these, something waits for ever. */
const IDLE_MAX = 300;

const realWait = scheduler.wait.bind(scheduler);

class Gate {
  isOpen = true;
  held: Held[] = [];
  /** The ends of the waits that are under way, in simulated time. */
  #ends: number[] = [];

  async pass(from: string, call: string): Promise<Passage> {
    if (this.isOpen) return 'arrives';
    const held: Held = { from, call, passage: null };
    this.held.push(held);
    // Each waiter polls for itself, because an object must not be woken by another object's promise.
    while (held.passage === null && !this.isOpen) await realWait(1);
    this.held = this.held.filter((other) => other !== held);
    return held.passage ?? 'arrives';
  }

  async wait(ms: number): Promise<void> {
    // The simulated clock has whole milliseconds only.
    const end = Math.ceil(Date.now() + ms);
    if (ms > 0) this.#ends.push(end);
    do await realWait(ms > 0 ? 1 : 0);
    while (Date.now() < end);
  }

  /**
   * Releases the next call or result that is held. If none is held, time goes on to the end of the next wait. Returns
   * whether there was anything to do.
   */
  release(pick: number, passage: Passage): boolean {
    const waiting = this.held.filter((held) => held.passage === null);
    const next = waiting[pick % Math.max(waiting.length, 1)];
    if (next === undefined) return this.passTime();
    next.passage = passage;
    return true;
  }

  passTime(): boolean {
    this.#ends = this.#ends.filter((end) => end > Date.now());
    if (this.#ends.length === 0) return false;
    vi.setSystemTime(Math.min(...this.#ends));
    return true;
  }

  /** The calls of an object that no longer exists. */
  forget(from: string): void {
    this.held = this.held.filter((held) => held.from !== from);
  }
}

export const gate = new Gate();

const lost = (passage: Passage) => Object.assign(new Error('the network went away'), { retryable: passage !== 'lost' });

type Namespace = { idFromName(name: string): DurableObjectId; get(id: DurableObjectId): object };

function gated(bindings: object, from: () => string): object {
  const wrap = (space: Namespace) => ({
    idFromName: (name: string) => space.idFromName(name),
    get: (id: DurableObjectId) =>
      new Proxy(space.get(id), {
        get: (stub, property) => {
          const call = String(property);
          return async (...args: unknown[]) => {
            const send = async (): Promise<unknown> => {
              const method: unknown = Reflect.get(stub, property);
              if (typeof method !== 'function') throw new TypeError(`no method ${call}`);
              return method(...args);
            };
            const passage = await gate.pass(from(), call);
            if (passage === 'late') {
              const arrived = gate.pass(from(), `${call} late`);
              void arrived.then((late) => (late === 'lost' ? undefined : send())).catch(() => {});
            }
            if (passage !== 'arrives') throw lost(passage);
            const result = await send();
            const back = await gate.pass(from(), `${call} answered`);
            if (back !== 'arrives') throw lost(back);
            return result;
          };
        },
      }),
  });
  return { ...bindings, TENANTS: wrap(env.TENANTS), DIRECTORY: wrap(env.DIRECTORY) };
}

/** Makes isolates of the Worker, each with its own memory of leases and tenants. */
export function makeIsolates(count: number): Env[] {
  return Array.from({ length: count }, (_, index) => ({
    ...env,
    ...gated(env, () => `isolate ${index}`),
  }));
}

/** The incarnations that objects were told to destroy, by the tenant's object. */
export const destroyed = new Map<string, Set<string>>();

type ObjectLike = { readonly ctx: DurableObjectState };

/** Puts the gate before the objects' own calls, and simulates time. `leaveWorld` undoes it. */
export function enterWorld(): void {
  vi.useFakeTimers({ toFake: ['Date'], now: START });
  // Expected failures would be logged hundreds of times.
  for (const method of ['log', 'error'] as const) vi.spyOn(console, method).mockImplementation(() => {});
  vi.spyOn(scheduler, 'wait').mockImplementation((ms) => gate.wait(ms));
  for (const { prototype } of [Directory, Tenant]) {
    const environments = new WeakMap<object, object>();
    // The platform sets `env` on each instance that it makes. This intercepts the assignment.
    Object.defineProperty(prototype, 'env', {
      configurable: true,
      set(this: ObjectLike, bindings: object) {
        environments.set(
          this,
          gated(bindings, () => this.ctx.id.toString()),
        );
      },
      get(this: ObjectLike) {
        return environments.get(this);
      },
    });
  }
  const { destroy } = Tenant.prototype;
  vi.spyOn(Tenant.prototype, 'destroy').mockImplementation(function (this: Tenant, incarnation) {
    const id = Reflect.get(this, 'ctx').id.toString();
    destroyed.set(id, (destroyed.get(id) ?? new Set()).add(incarnation));
    return destroy.call(this, incarnation);
  });
}

export function leaveWorld(): void {
  gate.isOpen = true;
  for (const { prototype } of [Directory, Tenant]) Reflect.deleteProperty(prototype, 'env');
  vi.restoreAllMocks();
  vi.useRealTimers();
}

/** Lets everything that was started run until it waits. */
export async function settle(): Promise<void> {
  await realWait(1);
}

/** Releases everything that is held, without faults, until the given work has ended. */
export async function letGo(work: Promise<unknown>): Promise<void> {
  let ended = false;
  const watched = work.finally(() => {
    ended = true;
  });
  for (let idle = 0; !ended; idle++) {
    if (gate.release(0, 'arrives')) idle = 0;
    await settle();
    if (idle > IDLE_MAX) throw new Error(`somebody waits for ever: ${JSON.stringify(gate.held)}`);
  }
  await watched;
}

export type ObjectName = 'tenant' | 'directory' | 'system';

export const directoryObject = () =>
  env.DIRECTORY.get(env.DIRECTORY.idFromName('directory')) as unknown as DurableObjectStub<Directory>;

const objectOf = async (name: ObjectName, tenantId: string) => {
  if (name === 'directory') return directoryObject();
  return await tenantObject(name === 'system' ? SYSTEM_TENANT_ID : tenantId);
};

/** Crashes the object, with its memory and everything it was doing. */
export async function crash(name: ObjectName, tenantId: string): Promise<void> {
  const object = await objectOf(name, tenantId);
  await runInDurableObject(object, (_, state) => state.abort('a crash')).catch(() => {});
  gate.forget(object.id.toString());
}

/** The time that the directory's alarm is set for, or null. */
export const directoryAlarmAt = () => runInDurableObject(directoryObject(), (_, { storage }) => storage.getAlarm());

export async function runDueDirectoryAlarm(): Promise<void> {
  const dueAt = await directoryAlarmAt();
  if (dueAt !== null && dueAt <= Date.now()) await runDurableObjectAlarm(directoryObject());
}

export async function directoryRows(
  query: string,
  ...bindings: SqlStorageValue[]
): Promise<Record<string, SqlStorageValue>[]> {
  return runInDurableObject(directoryObject(), (_, { storage }) => storage.sql.exec(query, ...bindings).toArray());
}
