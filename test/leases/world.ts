/**
 * A small world to test leases in: the object of one tenant, and several isolates. Each has a clock of its own that
 * drifts. Messages take their time, overtake one another and get lost.
 *
 * Both halves of the promise are what production runs: an isolate verifies by `verifySigned` with a `LeaseHolder`, and
 * the object is the class `Tenant` on a real database. A restart makes another instance of the class on the same
 * database. Only network, clocks and timers are pretended. Times named `t` are true time (ms), which nobody in the
 * world can read.
 */

import { vi } from 'vitest';
import type { Command } from '../../domain/command.ts';
import type { HeldKey } from '../../domain/keys/held-key.ts';
import type { MintedKey } from '../../domain/keys/record.ts';
import { LeaseHolder } from '../../domain/leases/holder.ts';
import { outlastMs } from '../../domain/leases/lease.ts';
import { BudgetHolder } from '../../domain/limits/budget-holder.ts';
import type { TenantPatch, TenantStatus } from '../../domain/tenants/record.ts';
import type { ObjectBindings } from '../../durable-objects/bindings.ts';
import { Tenant } from '../../durable-objects/tenant/tenant.ts';
import { PendingCalls } from '../../src/verify/pending-calls.ts';
import type { SignedKey } from '../../src/verify/signature-cache.ts';
import { type Verification, type VerificationObjects, verifySigned } from '../../src/verify/verify.ts';
import { START } from '../support/clock.ts';
import { command } from '../support/objects.ts';
import { Clock } from './clock.ts';
import type { Sabotage } from './sabotages.ts';

export const KEYS = 2;

/** Kinds of changes: of one key, of both in one step, of their owner, of the tenant. */
export const CHANGES = [
  ...['rename', 'suspend', 'give away', 'revoke', 'rotate', 'delete'],
  ...['revoke both', 'revoke the owner'],
  ...['describe the owner', 'disable the owner'],
  ...['disable the tenant', 'enable the tenant'],
] as const;
export type ChangeKind = (typeof CHANGES)[number];
export const READS = ['key', 'list', 'owner', 'tenant'] as const;

type Sent = {
  /** How long the message takes to the object (ms). */
  readonly there: number;
};

export type Event = { readonly at: number } & (
  | ({
      readonly type: 'verify';
      readonly key: number;
      readonly isolate: number;
      readonly fresh: boolean;
      /** How long the answer takes (ms), null for one that is lost. */
      readonly back: number | null;
    } & Sent)
  /** `again`: so much later (ms) the Worker repeats the call, since it got no answer; null for never. */
  | ({ readonly type: 'change'; readonly kind: ChangeKind; readonly key: number; readonly again: number | null } & Sent)
  | ({ readonly type: 'lease seconds'; readonly seconds: number } & Sent)
  | ({ readonly type: 'read'; readonly what: (typeof READS)[number]; readonly key: number } & Sent)
  /** The object is started anew, on a machine whose clock may show another time. */
  | { readonly type: 'restart'; readonly offset: number }
  | { readonly type: 'clock back'; readonly isolate: number; readonly by: number }
);

/** What versions are counted of: each key, the tenant's status, and the owner that all keys have at first. */
const STATUS = KEYS;
const OWNER_STATE = KEYS + 1;
/** Version of a key that was deleted. */
const GONE = Number.MAX_SAFE_INTEGER;

/** A verification as it was answered: when it was sent, and from what version of a subject at the latest. */
type Answer = { readonly startedAt: number; readonly subject: number; readonly version: number };

/** Somebody was told that a subject has this version: by the change that made it, or by whatever else tells. */
type Returned = { readonly t: number; readonly subject: number; readonly version: number };

type Isolate = {
  readonly clock: Clock;
  readonly leases: LeaseHolder<HeldKey>;
  readonly budgets: BudgetHolder;
  readonly pending: PendingCalls;
  lastNow: number;
};

export class World {
  readonly answers: Answer[] = [];
  readonly returned: Returned[] = [];

  readonly #sabotage: Sabotage;
  readonly #isolates: readonly Isolate[];
  readonly #queue: { readonly t: number; readonly run: () => void }[] = [];
  readonly #state: DurableObjectState;
  readonly #objectClock: Clock;
  #object: Tenant;
  #instance = 0;
  #t = 0;
  /** The tenant's status by its versions. */
  readonly #statuses: TenantStatus[] = ['active'];
  #commands = 0;

  constructor(state: DurableObjectState, rates: readonly number[], sabotage: Sabotage) {
    const [objectRate = 1, ...isolateRates] = rates;
    this.#sabotage = sabotage;
    this.#state = state;
    this.#objectClock = new Clock(START, objectRate);
    this.#isolates = isolateRates.map((rate, i) => {
      const clock = new Clock(5_000_000 * (i + 1), rate);
      return {
        clock,
        leases: new LeaseHolder<HeldKey>(),
        budgets: new BudgetHolder(),
        pending: new PendingCalls(),
        lastNow: 0,
      };
    });
    this.#object = new Tenant(state, ENV);
  }

  /** Lets these happen, and all that follows from them. Nothing of it takes real time. */
  async run(events: readonly Event[]): Promise<void> {
    this.#pretend();
    try {
      await this.#createTenant();
      for (const event of events) this.#later(event.at, () => this.#start(event));
      for (;;) {
        this.#queue.sort((a, b) => a.t - b.t);
        const next = this.#queue.shift();
        if (next === undefined) return;
        this.#t = next.t;
        next.run();
        await promisesSettled();
      }
    } finally {
      vi.unstubAllGlobals();
    }
  }

  /** A verification that started after a change had returned and yet saw the state from before it. */
  violation(): { readonly answer: Answer; readonly returned: Returned } | null {
    for (const answer of this.answers) {
      const returned = this.returned.find(
        ({ t, subject, version }) => subject === answer.subject && t <= answer.startedAt && version > answer.version,
      );
      if (returned !== undefined) return { answer, returned };
    }
    return null;
  }

  // ---- time ----

  /** The object's clock and timers are the world's. What an instance waits for when it dies never happens. */
  #pretend(): void {
    const world = this;
    const afterMs = (ms: number, run: () => void) => {
      const instance = this.#instance;
      this.#later(this.#t + ms / this.#objectClock.rate, () => {
        if (instance === this.#instance) run();
      });
    };
    vi.stubGlobal(
      'Date',
      class extends Date {
        static override now(): number {
          return world.#objectClock.now(world.#t);
        }
      },
    );
    vi.stubGlobal('setTimeout', (run: () => void, ms: number) => afterMs(ms, run));
    vi.stubGlobal('scheduler', {
      wait: (ms: number) => new Promise<void>((resolve) => afterMs(this.#sabotage === 'no wait' ? 0 : ms, resolve)),
    });
  }

  #later(t: number, run: () => void): void {
    this.#queue.push({ t, run });
  }

  // ---- the object ----

  async #createTenant(): Promise<void> {
    const { storage } = this.#state;
    const tables = storage.sql.exec<{ name: string }>(TABLES).toArray();
    for (const { name } of tables) storage.sql.exec(`DELETE FROM ${name}`);
    this.#object = new Tenant(this.#state, ENV);
    const ref = { tenantId: TARGET.tenantId, incarnation: 'inc_t' };
    await this.#object.create(ref, { name: 't', settings: { leaseSeconds: 1, storage: 'digest' } }, this.#command());
    await this.#object.createKeys(TARGET, NEW_KEYS, this.#command());
  }

  #command(id = this.#commands++, retry = false): Command {
    return command(`op_${id}`, { retry });
  }

  #restart(offset: number): void {
    this.#instance += 1;
    this.#objectClock.set(offset);
    if (this.#sabotage === 'flag never set') this.#state.storage.sql.exec('UPDATE tenant SET leases_out = 0');
    this.#object = new Tenant(this.#state, ENV);
  }

  /** The latest version of a subject, as committed. */
  #versionOf(subject: number): number {
    if (subject === STATUS) return this.#statuses.length - 1;
    if (subject === OWNER_STATE) {
      return ownerVersionOf(this.#state.storage.sql.exec<{ metadata: string | null }>(OWNER_ROW).one().metadata);
    }
    const [row] = this.#state.storage.sql.exec<Versioned>(VERSIONED, idOf(subject)).toArray();
    return row === undefined ? GONE : versionOf(row.name, row.revoked_at, row.rotated_at);
  }

  /**
   * Calls the object. Whatever it answers tells the state of these subjects as they are when the call has been decided,
   * which is before it waits for anything.
   */
  #call(subjects: readonly number[], send: () => unknown): void {
    const answer = (async () => send())();
    const told = subjects.map((subject) => ({ subject, version: this.#versionOf(subject) }));
    void answer.then(() => this.returned.push(...told.map((each) => ({ t: this.#t, ...each }))));
  }

  // ---- what happens ----

  #start(event: Event): void {
    switch (event.type) {
      case 'verify':
        this.#verify(event);
        return;
      case 'change': {
        const id = this.#commands++;
        const send = (retry: boolean) => this.#change(event.kind, event.key, this.#command(id, retry));
        this.#later(this.#t + event.there, () => send(false));
        if (event.again !== null) this.#later(this.#t + event.there + event.again, () => send(true));
        return;
      }
      case 'lease seconds': {
        const patch = { settings: { leaseSeconds: event.seconds } };
        this.#later(this.#t + event.there, () => this.#updateTenant(patch, this.#command()));
        return;
      }
      case 'read':
        this.#later(this.#t + event.there, () => this.#read(event.what, event.key));
        return;
      case 'restart':
        this.#restart(event.offset);
        return;
      case 'clock back':
        this.#setBack(event.isolate, event.by);
        return;
    }
  }

  #change(kind: ChangeKind, key: number, by: Command): void {
    const [id, object] = [idOf(key), this.#object];
    const name = `${this.#versionOf(key) + 1}`;
    const ofKey: Partial<Record<ChangeKind, () => unknown>> = {
      rename: () => object.updateKey(TARGET, id, { name }, by),
      suspend: () => object.updateKey(TARGET, id, { name, enabled: false }, by),
      'give away': () => object.updateKey(TARGET, id, { name, owner: `${OWNER} 2` }, by),
      revoke: () => object.revokeKey(TARGET, id, { reason: null, lineage: false }, by),
      rotate: () => object.rotateKey(TARGET, id, minted(`${id}_${by.id}`), AT_ONCE, by),
      delete: () => object.deleteKey(TARGET, id, by),
    };
    const ofBoth: Partial<Record<ChangeKind, () => unknown>> = {
      'revoke both': () => object.revokeKeys(TARGET, { ids: [idOf(0), idOf(1)] }, by),
      'revoke the owner': () => object.revokeKeys(TARGET, { owner: OWNER }, by),
    };
    const metadata = `{"version":${this.#versionOf(OWNER_STATE) + 1}}`;
    const ofOwner: Partial<Record<ChangeKind, () => unknown>> = {
      'describe the owner': () => object.updateOwner(TARGET, OWNER, { metadata, enabled: true }, by),
      'disable the owner': () => object.updateOwner(TARGET, OWNER, { metadata, enabled: false }, by),
    };
    if (ofKey[kind] !== undefined) this.#call([key], ofKey[kind]);
    else if (ofBoth[kind] !== undefined) this.#call([0, 1], ofBoth[kind]);
    else if (ofOwner[kind] !== undefined) this.#call([OWNER_STATE], ofOwner[kind]);
    else this.#updateTenant({ status: kind === 'disable the tenant' ? 'disabled' : 'active' }, by);
  }

  #updateTenant(patch: TenantPatch, by: Command): void {
    this.#call([STATUS], () => {
      const updated = this.#object.update(TARGET, patch, { isOperator: true }, by);
      const { status } = this.#state.storage.sql.exec<{ status: TenantStatus }>('SELECT status FROM tenant').one();
      if (status !== this.#statuses.at(-1)) this.#statuses.push(status);
      return updated;
    });
  }

  #read(what: (typeof READS)[number], key: number): void {
    if (what === 'key') this.#call([key], () => this.#object.getKey(TARGET, idOf(key)));
    else if (what === 'list') this.#call([0, 1], () => this.#object.countKeys(TARGET));
    else if (what === 'owner') this.#call([OWNER_STATE], () => this.#object.getOwner(TARGET, OWNER));
    else this.#call([STATUS], () => this.#object.describe(TARGET));
  }

  #verify({ key, isolate: index, fresh, there, back }: Event & { readonly type: 'verify' }): void {
    const isolate = this.#isolates[index];
    if (isolate === undefined) return;
    const startedAt = this.#t;
    const answered = <T>(send: () => T) =>
      new Promise<T>((resolve) => {
        this.#later(this.#t + there, () => {
          const answer = send();
          if (back !== null) this.#later(this.#t + back, () => resolve(answer));
        });
      });
    const objects: VerificationObjects = {
      placeOf: () => PLACE,
      verifyKey: (_name, keyId, digest, scopes, call) =>
        answered(() => this.#object.verifyKey(keyId, digest, scopes, call, true)),
      verifyForeignKey: () => Promise.reject(new Error('no key of this world was imported')),
      renewLease: (_name, call) => answered(() => this.#object.renewLease(call)),
      afterwards: (ms, work) => this.#later(this.#t + ms / isolate.clock.rate, () => void work()),
    };
    const { leases, budgets, pending } = isolate;
    const services = { leases, budgets, pending, now: () => this.#readClock(isolate) };
    const options = { scopes: [], within: [], system: false, fresh };
    const note = (verified: Verification) => this.#answered(verified, key, startedAt);
    const verified = verifySigned(signed(key), options, services, objects);
    if (verified instanceof Promise) void verified.then(note);
    else note(verified);
  }

  #answered(verified: Verification, key: number, startedAt: number): void {
    if (!('key' in verified)) {
      this.answers.push({ startedAt, subject: key, version: GONE });
      return;
    }
    const { name, owner, revokedAt, rotatedAt, ownerMetadata = null } = verified.key;
    if (owner === OWNER) this.answers.push({ startedAt, subject: OWNER_STATE, version: ownerVersionOf(ownerMetadata) });
    this.answers.push({ startedAt, subject: key, version: versionOf(name, revokedAt, rotatedAt) });
    const status: TenantStatus = verified.code === 'TENANT_DISABLED' ? 'disabled' : 'active';
    this.answers.push({ startedAt, subject: STATUS, version: this.#statuses.lastIndexOf(status) });
  }

  // ---- the clocks of isolates ----

  /**
   * Sets an isolate's clock back while it works: it looks at the clock just before and just after. One that sleeps
   * through a step back cannot know of it by any means that the platform gives; the documentation says so.
   */
  #setBack(index: number, by: number): void {
    const isolate = this.#isolates[index];
    if (isolate === undefined) return;
    isolate.leases.get(PLACE.objectName, 'another key', this.#readClock(isolate));
    isolate.clock.set(-by);
    isolate.leases.get(PLACE.objectName, 'another key', this.#readClock(isolate));
  }

  /** What an isolate reads off its clock. Sabotaged, it is shown one that stands still where the real one went back. */
  #readClock(isolate: Isolate): number {
    const now = isolate.clock.now(this.#t);
    isolate.lastNow = this.#sabotage === 'no clock rule' ? Math.max(isolate.lastNow, now) : now;
    return isolate.lastNow;
  }
}

/** Rates by which two clocks measure a lease of 10 s alike within the margin. */
export const RATE_MIN = 0.98;
export const RATE_MAX = 1.02;

/** Longest time that any lease lasts, for events to fall within it. */
export const LEASE_MS = outlastMs(1000);

const TARGET = { tenantId: 't', bound: null };
const OWNER = 'owner';
const DIGEST = new Uint8Array(20);
const PLACE = { locator: new Uint8Array(0), objectName: 'object' };
const AT_ONCE = { gracePeriodSeconds: 0, overrides: {}, rights: { mayWiden: true, endsBy: null } };

const TABLES =
  "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'schema_version' AND substr(name, 1, 1) <> '_'";
const VERSIONED = 'SELECT name, revoked_at, rotated_at FROM keys WHERE id = ?';
const OWNER_ROW = `SELECT metadata FROM owners WHERE id = 'owner'`;
type Versioned = { name: string; revoked_at: number | null; rotated_at: number | null };

/** Each change of a key makes a higher version: it gives the key its version as a name, or ends it in a further way. */
function versionOf(name: string, revokedAt: number | null, rotatedAt: number | null): number {
  return Number(name) + (revokedAt === null ? 0 : 1) + (rotatedAt === null ? 0 : 1);
}

/** Each change of the owner writes its version into the metadata. */
const ownerVersionOf = (metadata: string | null): number => (metadata === null ? 0 : JSON.parse(metadata).version);

const idOf = (key: number) => `key_${key}`;
const signed = (key: number): SignedKey => ({
  id: idOf(key),
  objectName: PLACE.objectName,
  system: false,
  digest: DIGEST,
});

function minted(id: string): MintedKey {
  const sealed = { envelope: new Uint8Array(0), sealingKeyId: 1 };
  return { id, prefix: 'ks', lastFour: 'abcd', digest: DIGEST, signingKeyId: 1, ...sealed };
}

const NEW_KEYS = Array.from({ length: KEYS }, (_, key) => ({
  minted: minted(idOf(key)),
  attributes: {
    ...{ name: '1', owner: OWNER, scopes: '[]', metadata: '{}', expiresAt: null, enabled: true },
    ...{ plan: null, rateLimits: '[]', quotas: '[]' },
  },
  prefix: undefined,
}));

/** The object asks the directory whether it may create its tenant, and nothing else. */
const ENV = {
  DIRECTORY: {
    idFromName: () => ({}),
    get: () => ({ confirm: async () => ({ allowed: true, earlierDeletion: false }) }),
  },
} as unknown as ObjectBindings;

/** Longer than any chain of promises in the code under test. */
const TURNS = 15;

/** Lets promises that are resolved lead to whatever follows from them. */
async function promisesSettled(): Promise<void> {
  for (let i = 0; i < TURNS; i++) await null;
}
