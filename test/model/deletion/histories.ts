/**
 * Random histories of tenants with one id: concurrent requests, with their object calls in every order, and lost calls,
 * crashes and alarms in between.
 */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { Env } from '../../../src/env.ts';
import { advance } from '../../support/clock.ts';
import { apiWith } from '../../support/faults.ts';
import { sqlIn, tenantObject } from '../../support/objects.ts';
import { describeSeen, type Grant, type Issued, judge, type Seen, type What } from './judge.ts';
import * as world from './world.ts';

/** A request that a history wants to send. Grants and keys are chosen by position among those that exist. */
type Wish =
  | { readonly ask: 'create'; readonly key: string | null; readonly leaseSeconds: number }
  | { readonly ask: 'delete'; readonly key: string | null; readonly as: number | null }
  | { readonly ask: 'read' | 'issue'; readonly as: number | null }
  | { readonly ask: 'list' | 'grant' }
  | { readonly ask: 'reveal' | 'verify'; readonly issued: number; readonly as: number | null };

export type Step =
  | { readonly wish: Wish; readonly isolate: number }
  | { readonly releases: readonly (readonly [pick: number, passage: world.Passage])[] }
  | { readonly crash: world.ObjectName }
  | { readonly alarm: true }
  | { readonly advance: number };

const ISOLATES = 3;
const position = fc.nat({ max: 20 });
const idempotencyKey = fc.constantFrom(null, 'a', 'b');
const as = fc.oneof({ weight: 2, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: position });

function weighted<T>(...choices: readonly (readonly [weight: number, fc.Arbitrary<T>])[]): fc.Arbitrary<T> {
  return fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
}

const wish = weighted<Wish>(
  [5, fc.record({ ask: fc.constant('create'), key: idempotencyKey, leaseSeconds: fc.constantFrom(0, 1, 1, 10) })],
  [4, fc.record({ ask: fc.constant('delete'), key: idempotencyKey, as })],
  [3, fc.record({ ask: fc.constantFrom('read', 'read', 'issue'), as })],
  [2, fc.record({ ask: fc.constantFrom('list', 'grant', 'grant') })],
  [4, fc.record({ ask: fc.constantFrom('reveal', 'verify', 'verify', 'verify'), issued: position, as })],
);

const passage = weighted<world.Passage>(
  [24, fc.constant('arrives')],
  [1, fc.constant('lost')],
  [2, fc.constant('retryable')],
  [2, fc.constant('late')],
);

const step = weighted<Step>(
  [6, fc.record({ wish, isolate: fc.nat({ max: ISOLATES - 1 }) })],
  [10, fc.record({ releases: fc.array(fc.tuple(fc.nat({ max: 11 }), passage), { minLength: 1, maxLength: 7 }) })],
  [1, fc.record({ crash: fc.constantFrom('tenant', 'tenant', 'directory', 'system') })],
  [1, fc.constant({ alarm: true })],
  [1, fc.record({ advance: fc.constantFrom(500, 16_000) })],
);

export const history = fc.array(step, { minLength: 10, maxLength: 40, size: 'max' });

/** Concurrent requests. More would only be slower. */
const AT_ONCE_MAX = 4;

const LEASE_SECONDS_BY_KEY: Readonly<Record<string, number>> = { a: 1, b: 10 };

let runs = 0;

class Run {
  readonly tenantId: string;
  readonly seen: Seen[] = [];
  readonly #isolates: readonly Env[] = world.makeIsolates(ISOLATES);
  readonly #underWay = new Set<Promise<void>>();
  readonly #grants: Grant[] = [];
  readonly #issued: Issued[] = [];
  #moment = 0;
  #names = 0;

  constructor() {
    runs += 1;
    this.tenantId = `life-${runs}`;
  }

  get isBusy(): boolean {
    return this.#underWay.size >= AT_ONCE_MAX;
  }

  /** Sends the request for a wish. Does nothing when there is no such key or grant. */
  start(wanted: Wish, isolate: number): Promise<void> {
    const what = this.#whatOf(wanted);
    const sender = this.#isolates[isolate];
    if (what === null || sender === undefined) return Promise.resolve();
    // A repeated `Idempotency-Key` comes with the same body.
    const keyed = wanted.ask === 'create' && wanted.key !== null ? LEASE_SECONDS_BY_KEY[wanted.key] : undefined;
    const leaseSeconds = keyed ?? (wanted.ask === 'create' ? wanted.leaseSeconds : 0);
    const asked = this.#ask(what, sender, leaseSeconds).finally(() => this.#underWay.delete(asked));
    this.#underWay.add(asked);
    return asked;
  }

  all(): Promise<unknown> {
    return Promise.all(this.#underWay);
  }

  #whatOf(wanted: Wish): What | null {
    const pick = <T>(of: readonly T[], at: number) => of[at % Math.max(of.length, 1)];
    const caller = 'as' in wanted && wanted.as !== null ? pick(this.#grants, wanted.as) : null;
    if (caller === undefined) return null;
    switch (wanted.ask) {
      case 'create': {
        const name = wanted.key ?? `n${++this.#names}`;
        return { type: 'create', name, key: wanted.key };
      }
      case 'delete':
        return { type: 'delete', key: wanted.key, as: caller };
      case 'read':
      case 'issue':
        return { type: wanted.ask, as: caller };
      case 'list':
      case 'grant':
        return { type: wanted.ask };
      case 'reveal':
      case 'verify': {
        const issued = pick(this.#issued, wanted.issued);
        return issued === undefined ? null : { type: wanted.ask, issued, as: caller };
      }
    }
  }

  async #ask(what: What, sender: Env, leaseSeconds: number): Promise<void> {
    const seen: Seen = { what, startedAt: ++this.#moment, endedAt: Number.POSITIVE_INFINITY, status: 0, body: {} };
    this.seen.push(seen);
    const headers = {
      ...('as' in what && what.as !== null ? { Authorization: `Bearer ${what.as.secret}` } : {}),
      ...('key' in what && what.key !== null ? { 'Idempotency-Key': what.key } : {}),
    };
    const [method, path, body] = this.#requestOf(what, leaseSeconds);
    const response = await apiWith(sender, method, path, body, headers);
    seen.endedAt = ++this.#moment;
    seen.status = response.status;
    seen.body = { ...(response.body as object), requestId: undefined };
    if (response.status !== 201) return;
    const { id, secret } = response.body as { id: string; secret: string };
    if (what.type === 'grant') this.#grants.push({ secret, made: seen });
    if (what.type === 'issue') this.#issued.push({ id, secret, made: seen });
  }

  #requestOf(what: What, leaseSeconds: number): [method: string, path: string, body?: object] {
    const tenant = `/tenants/${this.tenantId}`;
    switch (what.type) {
      case 'create': {
        const settings = { leaseSeconds, allowReveal: true };
        return ['POST', '/tenants', { id: this.tenantId, name: what.name, settings }];
      }
      case 'delete':
        return ['DELETE', tenant];
      case 'read':
        return ['GET', tenant];
      case 'list':
        return ['GET', '/tenants?limit=100'];
      case 'grant':
        return ['POST', '/management-keys', { name: 'm', role: 'owner', tenantId: this.tenantId }];
      case 'issue':
        return ['POST', `${tenant}/keys`, { name: 'k' }];
      case 'reveal':
        return ['POST', `${tenant}/keys/${what.issued.id}/reveal`];
      case 'verify':
        return ['POST', '/keys/verify', { key: what.issued.secret }];
    }
  }

  /** Lets faults end, alarms run and time go on. After that everything exists completely or is gone. */
  async settleAll(): Promise<void> {
    await world.letGo(this.all());
    for (let turn = 0; turn < 4; turn++) {
      // Longer than any wait between two attempts.
      advance(11 * 60_000);
      await world.runDueDirectoryAlarm();
      await world.letGo(this.#afterBackground());
    }
    // The list drops entries whose tenants were never created.
    advance(60 * 60_000);
    for (let turn = 0; turn < 2; turn++) await world.letGo(this.start({ ask: 'list' }, 0));
  }

  /** The alarm's work goes on in the background. A response that waits for deletions comes after it. */
  #afterBackground(): Promise<void> {
    return this.start({ ask: 'read', as: null }, 0);
  }

  async checkEnd(): Promise<void> {
    const entries = await world.directoryRows('SELECT incarnation, deleting FROM tenants WHERE id = ?', this.tenantId);
    const living = await this.#living();
    expect(entries, 'the directory and the object disagree').toEqual(
      living.map((incarnation) => ({ incarnation, deleting: null })),
    );
    const object = await tenantObject(this.tenantId);
    const deletions = await world.directoryRows(
      "SELECT id FROM audit WHERE action = 'tenant.delete' AND changes = ?",
      JSON.stringify({ tenantId: this.tenantId }),
    );
    expect(deletions.length, 'audit entries').toBe(world.destroyed.get(object.id.toString())?.size ?? 0);
  }

  async #living(): Promise<SqlStorageValue[]> {
    const tables = await sqlIn(this.tenantId, "SELECT name FROM sqlite_master WHERE name = 'tenant'");
    if (tables.length === 0) return [];
    return (await sqlIn(this.tenantId, 'SELECT incarnation FROM tenant')).map(({ incarnation }) => incarnation ?? '');
  }
}

/** Runs a history and judges it. */
export async function checkHistory(steps: readonly Step[]): Promise<void> {
  const run = new Run();
  const { gate } = world;
  try {
    // Every history begins with a tenant, a key and a grant.
    for (const ask of ['create', 'issue', 'grant'] as const) {
      const wanted: Wish = ask === 'create' ? { ask, key: null, leaseSeconds: 1 } : { ask, as: null };
      await world.letGo(run.start(wanted, 0));
    }
    gate.isOpen = false;
    for (const next of steps) await take(run, next);
    await run.settleAll();
    judge(run.seen, run.tenantId);
    await run.checkEnd();
  } catch (error) {
    if (error instanceof Error) error.message += `\n${run.seen.map(describeSeen).join('\n')}`;
    throw error;
  } finally {
    gate.isOpen = true;
    // Each history lists its own tenant alone, however many came before: a page of the list has a hundred.
    await world.directoryRows('DELETE FROM tenants');
  }
}

async function take(run: Run, next: Step): Promise<void> {
  if ('wish' in next && !run.isBusy) void run.start(next.wish, next.isolate);
  if ('releases' in next) {
    for (const [pick, passage] of next.releases) {
      world.gate.release(pick, passage);
      await world.settle();
    }
  }
  if ('crash' in next) await world.crash(next.crash, run.tenantId);
  if ('alarm' in next) await world.runDueDirectoryAlarm();
  if ('advance' in next) advance(next.advance);
  await world.settle();
}
