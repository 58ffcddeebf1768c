/**
 * A small world for the rules of leases (domain/leases): the object of one tenant with its storage, the directory that
 * has the tenant deleted, several holders, and clients to which these pass on what they hold. Each has a clock of its
 * own that drifts. Messages take their time,
 * overtake one another, arrive twice or get lost; the object is evicted and crashes.
 *
 * `TenantLeases`, `LeaseGranter` and `LeaseHolder` are those of production, and so are all waits. What is pretended is
 * the object around them, as far as it has to do with leases. (world.ts has the real object, and fewer histories.)
 * Times named `t` are true time (ms), which nobody in the world can read.
 */
import { LeaseGranter } from '../../domain/leases/granter.ts';
import { HandedOut } from '../../domain/leases/handed-out.ts';
import { type Asking, LeaseHolder } from '../../domain/leases/holder.ts';
import { type Concerned, LEASE_SECONDS_MAX } from '../../domain/leases/lease.ts';
import { TenantLeases } from '../../domain/leases/tenant-leases.ts';
import { MemoryBudget } from '../../domain/memory/budget.ts';
import { ENTRY_BYTES, LruCache } from '../../domain/memory/lru-cache.ts';
import { Clock } from './clock.ts';

export type ModelEvent = { readonly at: number } & (
  | {
      readonly type: 'verify';
      readonly key: number;
      readonly holder: number;
      readonly there: number;
      readonly back: number;
      /** So much later (ms) the same call arrives once more; null for never. */
      readonly again: number | null;
      /** Whether the first response gets lost. */
      readonly lost: boolean;
    }
  /** A call that only renews the lease. */
  | { readonly type: 'renew'; readonly holder: number; readonly there: number; readonly back: number }
  /** A client verifies (`key`) or only renews its lease (null), by way of a holder. */
  | {
      readonly type: 'client';
      readonly key: number | null;
      readonly client: number;
      readonly holder: number;
      /** How long the request takes to the holder, and its response (ms). */
      readonly out: number;
      readonly home: number;
      readonly there: number;
      readonly back: number;
    }
  | { readonly type: 'change'; readonly keys: readonly number[]; readonly there: number }
  | { readonly type: 'everything'; readonly there: number }
  | { readonly type: 'status'; readonly active: boolean; readonly there: number }
  | { readonly type: 'purge'; readonly key: number }
  | { readonly type: 'read'; readonly key: number; readonly there: number }
  | { readonly type: 'lease seconds'; readonly seconds: number; readonly there: number }
  | { readonly type: 'delete'; readonly there: number }
  | { readonly type: 'create'; readonly there: number }
  /** The object is started anew, on a machine whose clock may show another time. */
  | { readonly type: 'restart'; readonly offset: number }
  | { readonly type: 'clock back'; readonly holder: number; readonly by: number }
  | { readonly type: 'client clock back'; readonly client: number; readonly by: number }
  /** A holder, or a client, runs short of so many bytes, and forgets what it has not used for longest. */
  | { readonly type: 'short of memory'; readonly of: number; readonly bytes: number }
);

export type ModelSettings = {
  readonly keys: number;
  /** How many of the holders, the last ones, are clients. */
  readonly clients: number;
  /** Of the object's clock, then of the holders'. */
  readonly rates: readonly number[];
  /** Keys in the list of changes, and keys that are remembered as handed out. */
  readonly limits: { readonly changesMax: number; readonly keysMax: number };
};

/** What the world itself does wrong, to see that it would be noticed. */
export const WORLD_SABOTAGES = [
  'no wait',
  'granting and reading in two turns',
  'a clock that went back is believed',
  'instances share an epoch',
  'shorter leases are in force at once',
  'record and lease passed on in two turns',
  'clients that count from the answer',
] as const;
export type WorldSabotage = (typeof WORLD_SABOTAGES)[number] | null;

/** `at` counts what happened: of two things at the same time, one came first. */
type Told = { readonly at: number; readonly key: number; readonly version: number };
type State = readonly Omit<Told, 'at'>[];
type Holder = {
  readonly clock: Clock;
  readonly memory: MemoryBudget;
  readonly leases: LeaseHolder<number>;
  lastNow: number;
};

/** A request of a client. `at`: when it was sent; `version`: what has decided it. */
type Asked = {
  readonly at: number;
  readonly event: ModelEvent & { type: 'client' };
  readonly client: Holder;
  readonly holder: Holder;
  readonly asking: Asking;
  readonly version: number | null;
};

const TENANT = 'tenant';
const RECORD_BYTES = 100;
/** Of each holder. A budget takes no entry that is larger than a small share of it. */
const ROOM_BYTES = 2_000_000;
const FILLER_BYTES = ROOM_BYTES / 100;
const SETTLE_AFTER_MS = 700;
const DIRECTORY_REPEATS_AFTER_MS = 400;
const TWO_TURNS_MS = 30;
const idOf = (key: number) => `key_${key}`;

export class Model {
  /** Verifications: when each was sent, and the version of the key that it was decided by. */
  readonly verified: Told[] = [];
  /** What somebody was told: by a change that has returned, or by a read. */
  readonly told: Told[] = [];
  /** Verifications that were decided without a call, and those of them by clients. */
  fromMemory = 0;
  fromMemoryOfClients = 0;
  readonly #settings: ModelSettings;
  readonly #sabotage: WorldSabotage;
  readonly #holders: readonly Holder[];
  readonly #clients: readonly Holder[];
  readonly #queue: { readonly t: number; readonly run: (t: number) => void }[] = [];
  readonly #clock: Clock;
  #happened = 0;

  // What is stored.
  #exists = true;
  #incarnation = 0;
  #isActive = true;
  #seconds = 1;
  #inForceSeconds = 1;
  #settingChanges = 0;
  #flag = false;
  /** Each state that a key has had, the tenant's included, is a version. */
  readonly #versions: number[];

  // What the object has in memory.
  #instance = 0;
  #leases: TenantLeases;
  #isSettling = false;

  /** Incarnations whose deletion the directory has not seen finished. */
  readonly #deletions = new Set<number>();
  /** By deleted incarnation: what a return of its deletion tells. */
  readonly #deleted = new Map<number, State>();

  constructor(settings: ModelSettings, sabotage: WorldSabotage = null) {
    this.#settings = settings;
    this.#sabotage = sabotage;
    const [objectRate = 1, ...rates] = settings.rates;
    this.#clock = new Clock(1_000_000, objectRate);
    this.#versions = Array.from({ length: settings.keys }, () => 1);
    const holders = rates.map((rate, i) => {
      const memory = new MemoryBudget(ROOM_BYTES);
      const leases = new LeaseHolder<number>(memory);
      return { clock: new Clock(5_000_000 * (i + 1), rate), memory, leases, lastNow: 0 };
    });
    this.#holders = holders.slice(0, holders.length - settings.clients);
    this.#clients = holders.slice(this.#holders.length);
    this.#leases = this.#newLeases(0);
  }

  run(events: readonly ModelEvent[]): void {
    for (const event of events) this.#later(event.at, (t) => this.#start(event, t));
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) next.run(next.t);
  }

  /** A verification that started after somebody was told of a change, and yet was decided by what was before it. */
  violation(): { readonly verified: Told; readonly told: Told } | null {
    for (const verified of this.verified) {
      const told = this.told.find(
        ({ at, key, version }) => key === verified.key && at < verified.at && version > verified.version,
      );
      if (told !== undefined) return { verified, told };
    }
    return null;
  }

  #start(event: ModelEvent, t: number): void {
    if (event.type === 'verify') this.#verify(event, t);
    else if (event.type === 'renew') this.#renew(event, t);
    else if (event.type === 'client') this.#ofClient(event, t);
    else if (event.type === 'short of memory')
      this.#forget([...this.#holders, ...this.#clients][event.of], event.bytes);
    else if (event.type === 'clock back') this.#setBack(this.#holders[event.holder], event.by, t);
    else if (event.type === 'client clock back') this.#setBack(this.#clients[event.client], event.by, t);
    else if (event.type === 'restart') this.#restart(event.offset, t);
    else if (event.type === 'purge') this.#leases.removed([idOf(event.key)]);
    else this.#later(t + event.there, (then) => this.#arrive(event, then));
  }

  #arrive(event: ModelEvent & { readonly there: number }, t: number): void {
    const all = this.#versions.map((_, key) => key);
    if (event.type === 'read') this.#read(event.key, t);
    else if (event.type === 'create') this.#create(t);
    else if (event.type === 'delete') this.#delete(this.#incarnation, t);
    else if (event.type === 'lease seconds') this.#changeSetting(event.seconds, t);
    else if (event.type === 'change') this.#change(event.keys, event.keys.map(idOf), t);
    else {
      if (event.type === 'status') this.#isActive = event.active;
      this.#change(all, 'everything', t);
    }
  }

  // ---- holders ----

  #verify({ key, holder: index, there, back, again, lost }: ModelEvent & { type: 'verify' }, startedAt: number): void {
    const holder = this.#holders[index];
    if (holder === undefined) return;
    const held = holder.leases.get(TENANT, idOf(key), this.#readClock(holder, startedAt));
    this.#happened += 1;
    const startedWhen = this.#happened;
    if (held !== null) {
      this.fromMemory += 1;
      this.verified.push({ at: startedWhen, key, version: held });
      return;
    }
    const asking = holder.leases.ask(TENANT, this.#readClock(holder, startedAt));
    const arrive = (arrived: number, isLost: boolean) => {
      const version = this.#versions[key] ?? 0;
      const grant = (t: number) => {
        const renewal = this.#grant(asking.call.known, idOf(key), t);
        if (isLost) return;
        this.#later(t + back, (then) => {
          const now = this.#readClock(holder, then);
          const got = { keyId: idOf(key), record: version, bytes: RECORD_BYTES };
          if (renewal !== null) holder.leases.receive(TENANT, asking, renewal, got, now);
          this.verified.push({ at: startedWhen, key, version });
        });
      };
      if (this.#sabotage === 'granting and reading in two turns') this.#later(arrived + TWO_TURNS_MS, grant);
      else grant(arrived);
    };
    this.#later(startedAt + there, (t) => arrive(t, lost));
    if (again !== null) this.#later(startedAt + there + again, (t) => arrive(t, false));
  }

  #renew({ holder: index, there, back }: ModelEvent & { type: 'renew' }, startedAt: number): void {
    const holder = this.#holders[index];
    if (holder === undefined) return;
    const asking = holder.leases.ask(TENANT, this.#readClock(holder, startedAt));
    this.#later(startedAt + there, (t) => {
      const renewal = this.#grant(asking.call.known, null, t);
      if (renewal === null) return;
      this.#later(t + back, (then) =>
        holder.leases.receive(TENANT, asking, renewal, null, this.#readClock(holder, then)),
      );
    });
  }

  #forget(holder: Holder | undefined, bytes: number): void {
    if (holder === undefined) return;
    const filler = new LruCache<null>(holder.memory);
    const until = ROOM_BYTES - holder.memory.bytes + bytes;
    for (let filled = 0; filled < until; filled += FILLER_BYTES) {
      filler.set(`${filled}`, null, Math.min(FILLER_BYTES, until - filled) - ENTRY_BYTES);
    }
    filler.clear();
  }

  // ---- clients ----

  #ofClient(event: ModelEvent & { type: 'client' }, startedAt: number): void {
    const { key, client: index, holder: through, out, there, back } = event;
    const client = this.#clients[index];
    const holder = this.#holders[through];
    if (client === undefined || holder === undefined) return;
    const held = key === null ? null : client.leases.get(TENANT, idOf(key), this.#readClock(client, startedAt));
    this.#happened += 1;
    const sent = { at: this.#happened, event, client, holder };
    if (held !== null && key !== null) {
      this.fromMemory += 1;
      this.fromMemoryOfClients += 1;
      this.verified.push({ at: this.#happened, key, version: held });
      return;
    }
    const asking = client.leases.ask(TENANT, this.#readClock(client, startedAt));
    this.#later(startedAt + out, (t) => {
      const now = this.#readClock(holder, t);
      const known = key === null ? null : holder.leases.get(TENANT, idOf(key), now);
      const isFresh = holder.leases.isWorthPassingOn(TENANT, now);
      if (isFresh && (key === null || known !== null)) {
        this.#passOn({ ...sent, asking, version: known }, t);
        return;
      }
      const asked = holder.leases.ask(TENANT, now, asking.call.known);
      this.#later(t + there, (arrived) => {
        const version = key === null ? null : (this.#versions[key] ?? 0);
        const renewal = this.#grant(asked.call.known, key === null ? null : idOf(key), arrived);
        this.#later(arrived + back, (then) => {
          const got = key === null ? null : { keyId: idOf(key), record: version ?? 0, bytes: RECORD_BYTES };
          if (renewal !== null) holder.leases.receive(TENANT, asked, renewal, got, this.#readClock(holder, then));
          this.#passOn({ ...sent, asking, version }, then);
        });
      });
    });
  }

  /** A holder answers a client: with the version that has decided its verification, and with what it may keep. */
  #passOn({ at, event, client, holder, asking, version }: Asked, t: number): void {
    const keyId = event.key === null ? null : idOf(event.key);
    const passOn = (then: number) =>
      holder.leases.passOn(TENANT, keyId, asking.call.known, this.#readClock(holder, then));
    const isTorn = this.#sabotage === 'record and lease passed on in two turns';
    const early = isTorn ? passOn(t)?.record : undefined;
    this.#later(isTorn ? t + TWO_TURNS_MS : t, (then) => {
      const passed = passOn(then);
      this.#later(then + event.home, (home) => {
        const now = this.#readClock(client, home);
        const counted = this.#sabotage === 'clients that count from the answer' ? { ...asking, at: now } : asking;
        const record = early ?? passed?.record ?? null;
        const got = keyId === null || record === null ? null : { keyId, record, bytes: RECORD_BYTES };
        if (passed !== null) client.leases.receive(TENANT, counted, passed.renewal, got, now);
        if (event.key !== null && version !== null) this.verified.push({ at, key: event.key, version });
      });
    });
  }

  /**
   * The holder looks at its clock just before and just after it is set back. One that sleeps through that cannot know
   * of it by any means that the platform gives; the documentation says so.
   */
  #setBack(holder: Holder | undefined, by: number, t: number): void {
    if (holder === undefined) return;
    holder.leases.get(TENANT, 'another', this.#readClock(holder, t));
    holder.clock.set(-by);
    holder.leases.get(TENANT, 'another', this.#readClock(holder, t));
  }

  /** What a holder reads off its clock. Sabotaged, it is shown one that stands still where the real one went back. */
  #readClock(holder: Holder, t: number): number {
    const now = holder.clock.now(t);
    holder.lastNow = this.#sabotage === 'a clock that went back is believed' ? Math.max(holder.lastNow, now) : now;
    return holder.lastNow;
  }

  // ---- the object ----

  #newLeases(t: number): TenantLeases {
    const { changesMax, keysMax } = this.#settings.limits;
    const handedOut = new HandedOut({ budget: new MemoryBudget(10_000_000), keysMax });
    const surroundings = {
      secondsInForce: () => (this.#exists ? this.#inForceSeconds : null),
      writeFlag: (areOut: boolean) => {
        this.#flag = areOut;
      },
    };
    const name = this.#sabotage === 'instances share an epoch' ? 'instance' : `instance ${this.#instance}`;
    const granter = new LeaseGranter(name, { changesMax, handedOut });
    return new TenantLeases(granter, surroundings, this.#clock.now(t));
  }

  #restart(offset: number, t: number): void {
    this.#instance += 1;
    this.#clock.set(offset);
    this.#leases = this.#newLeases(t);
    this.#isSettling = false;
    if (!this.#exists) return;
    this.#leases.resume(this.#flag);
    if (this.#flag) this.#settleLater(t);
  }

  #grant(known: Parameters<TenantLeases['grant']>[0], keyId: string | null, t: number) {
    if (!this.#exists || !this.#isActive) return null;
    const renewal = this.#leases.grant(known, keyId, this.#seconds, this.#clock.now(t));
    if (renewal !== null) this.#settleLater(t);
    return renewal;
  }

  #settleLater(t: number): void {
    if (this.#isSettling) return;
    this.#isSettling = true;
    this.#whileAlive(t + SETTLE_AFTER_MS, (then) => {
      this.#isSettling = false;
      if (!this.#exists) return;
      const now = this.#clock.now(then);
      if (this.#leases.isOver(now)) this.#leases.note(false);
      this.#leases.sweep(now);
      if (this.#leases.areOut) this.#settleLater(then);
    });
  }

  #change(keys: readonly number[], concerned: Concerned, t: number): void {
    if (!this.#exists) {
      this.#read(keys[0] ?? 0, t);
      return;
    }
    for (const key of keys) this.#bump(key);
    this.#tell(this.#stateOf(keys), this.#leases.beforeResult(concerned, concerned, this.#clock.now(t)), t);
  }

  #read(key: number, t: number): void {
    const now = this.#clock.now(t);
    const told = this.#stateOf([key]);
    if (this.#exists) this.#tell(told, this.#leases.beforeTelling([idOf(key)], now), t);
    else this.#tell([], this.#leases.beforeMissing(now), t, (end) => this.#tellWhenDeleted(told, end));
  }

  /** That there is no such tenant is told only when the directory knows of no deletion under way. */
  #tellWhenDeleted(told: State, t: number): void {
    if (this.#deletions.size === 0) this.#tell(told, 0, t);
    else this.#later(t + DIRECTORY_REPEATS_AFTER_MS, (then) => this.#tellWhenDeleted(told, then));
  }

  #changeSetting(seconds: number, t: number): void {
    if (!this.#exists) return;
    this.#inForceSeconds = Math.max(this.#inForceSeconds, seconds);
    this.#seconds = seconds;
    const waitMs = this.#leases.beforeResult('everything', 'everything', this.#clock.now(t));
    this.#settingChanges += 1;
    this.#settleSetting(this.#sabotage === 'shorter leases are in force at once' ? 0 : waitMs, t);
  }

  #settleSetting(waitMs: number, t: number): void {
    const [setting, incarnation] = [this.#settingChanges, this.#incarnation];
    this.#tell([], waitMs, t, () => {
      if (this.#settingChanges === setting && this.#incarnation === incarnation) this.#inForceSeconds = this.#seconds;
    });
  }

  // ---- deletion and creation ----

  #delete(incarnation: number, t: number): void {
    this.#deletions.add(incarnation);
    const now = this.#clock.now(t);
    const isHere = this.#exists && this.#incarnation === incarnation;
    const waitMs = isHere
      ? this.#leases.beforeDestroyed(now)
      : this.#leases.beforeDestroyedAgain(`${incarnation}`, now);
    if (isHere) {
      this.#exists = false;
      this.#flag = false;
      for (const key of this.#versions.keys()) this.#bump(key);
      this.#leases.destroyed(`${incarnation}`);
      this.#deleted.set(incarnation, this.#stateOf([...this.#versions.keys()]));
    }
    this.#tell(this.#deleted.get(incarnation) ?? [], waitMs, t, () => this.#deletions.delete(incarnation));
    // The directory repeats a deletion until one has returned.
    this.#later(t + waitMs / this.#clock.rate + DIRECTORY_REPEATS_AFTER_MS, (then) => {
      if (this.#deletions.has(incarnation)) this.#delete(incarnation, then);
    });
  }

  #create(t: number): void {
    if (this.#exists) return;
    const now = this.#clock.now(t);
    const waitMs = this.#leases.beforeCreation(this.#deletions.size > 0, now);
    this.#exists = true;
    this.#isActive = true;
    this.#incarnation += 1;
    this.#settingChanges += 1;
    this.#seconds = 1;
    this.#inForceSeconds = waitMs === 0 ? 1 : LEASE_SECONDS_MAX;
    for (const key of this.#versions.keys()) this.#bump(key);
    if (waitMs > 0) {
      this.#leases.note(true);
      this.#leases.created(waitMs, now);
      this.#settleLater(t);
    }
    this.#tell(this.#stateOf([...this.#versions.keys()]), waitMs, t);
    this.#settleSetting(waitMs, t);
  }

  // ---- shared ----

  #bump(key: number): void {
    this.#versions[key] = (this.#versions[key] ?? 0) + 1;
  }

  #stateOf(keys: readonly number[]): State {
    return keys.map((key) => ({ key, version: this.#versions[key] ?? 0 }));
  }

  /** Tells this after a wait. Whoever waits for an object that dies is told nothing. */
  #tell(told: State, waitMs: number, t: number, then: (t: number) => void = () => {}): void {
    const wait = this.#sabotage === 'no wait' ? 0 : waitMs;
    this.#whileAlive(t + wait / this.#clock.rate, (end) => {
      this.#happened += 1;
      for (const each of told) this.told.push({ at: this.#happened, ...each });
      then(end);
    });
  }

  #whileAlive(t: number, run: (t: number) => void): void {
    const instance = this.#instance;
    this.#later(t, (then) => {
      if (instance === this.#instance) run(then);
    });
  }

  #later(t: number, run: (t: number) => void): void {
    let i = this.#queue.length;
    while (i > 0 && (this.#queue[i - 1]?.t ?? 0) > t) i -= 1;
    this.#queue.splice(i, 0, { t, run });
  }
}
