/**
 * Keys with limits and quotas, in tenants with and without leases: what the campaign hammers, and how each is judged.
 */
import { demand, type Progress, range } from '../campaign.ts';
import type { Client } from '../client.ts';
import type { Admission, Rule } from './judge.ts';
import { LimitHistory } from './limit-history.ts';

/** How many times its limit each counter is asked for. */
export const OVERLOAD = 3;
/** Older keys of a lineage are in their grace period for longer than any campaign (s). */
export const GRACE_SECONDS = 86_400;

/** One counter: of a lineage or an owner. */
export class Counter {
  /** Counters of the same name are alike, and are compared with the exact log together. */
  readonly name: string;
  readonly rule: Rule;
  readonly limits: LimitHistory;
  readonly admissions: Admission[] = [];
  /** Units that may be lost after a kill, from when on. */
  #lost = { units: 0, since: Number.POSITIVE_INFINITY };

  constructor(name: string, rule: Rule, limit: number) {
    this.name = name;
    this.rule = rule;
    this.limits = new LimitHistory(limit);
  }

  /** The limit for the exact log. */
  readonly limitAt = (at: number): number =>
    this.limits.least(at) - (at >= this.#lost.since ? Math.min(this.#lost.units, this.limits.least(at)) : 0);

  killed(at: number): void {
    this.#lost = { units: lostUnits(this.limits.least(at)), since: at };
  }
}

/**
 * What a crash may lose: a block that the object has written off to itself, a 20th of the limit, and what isolates
 * hold, a tenth.
 */
const lostUnits = (limit: number) => Math.max(1, Math.floor(limit / 20)) + Math.ceil(limit / 10);

/** How requests come: at random, or not at all except for a burst now and then. */
export type Arrivals = 'random' | 'rare bursts';

/** A lineage of keys, the counters that a verification charges, and its load. */
export type Subject = {
  readonly tenantId: string;
  readonly counters: readonly Counter[];
  readonly arrivals: Arrivals;
  /** Verifications a second. In rare bursts: of one burst. */
  readonly rate: number;
  /** Costs are from 1 to twice this, less 1. */
  readonly meanCost: number;
  /** The newest key, and the secrets of it and of the one before. */
  keyId: string;
  secrets: readonly string[];
};

export type Plan = { readonly tenantId: string; readonly id: string; readonly usualLimit: number; limit: number };

export type Subjects = {
  readonly all: readonly Subject[];
  /** Subjects whose limit comes from a plan, all from the first one in the beginning, and two plans. */
  readonly planned: readonly Subject[];
  readonly plans: readonly [Plan, Plan];
  /** The one of them that is moved from plan to plan. */
  readonly moved: Subject;
  /** A subject whose own limit is changed. */
  readonly own: Subject;
};

const window = (seconds: number): Rule => ({ kind: 'window', ms: seconds * 1000 });
export const HOUR: Rule = { kind: 'period', ms: 3_600_000 };

/** The name that all rate limits have. A counter belongs to a name. */
const RATE = 'calls';
/** Of both plans, so that keys that change between them have one counter. */
export const PLAN_WINDOW_SECONDS = 1;
const PLAN_LIMIT = 50;
/** Of the key whose own limit is changed. */
export const OWN_LIMIT = 10;
export const OWN_WINDOW_SECONDS = 2;

export const rateLimit = (limit: number, windowSeconds: number, per: 'key' | 'owner' = 'key', name = RATE) => ({
  name,
  limit,
  windowSeconds,
  per,
});

/** Requests a second of all subjects, about. Slower clients make the campaign longer, and no easier. */
export const REQUESTS_PER_SECOND = 435;

/** Creates all tenants, plans and keys for a load of so many seconds. */
export async function createSubjects(client: Client, seconds: number, progress: Progress): Promise<Subjects> {
  const short = new TenantOf(client, 'leased-1');
  const long = new TenantOf(client, 'leased-5');
  const strict = new TenantOf(client, 'strict');
  const rare = new TenantOf(client, 'rare');
  await Promise.all([short.create(1), long.create(5), strict.create(0), rare.create(1)]);
  const plans = [await short.plan('low', PLAN_LIMIT), await short.plan('high', 2 * PLAN_LIMIT)] as const;
  const moved = await short.planned('low');
  const planned = [moved, await short.planned('low')];
  const own = await strict.limited(OWN_LIMIT, OWN_WINDOW_SECONDS);
  const all = [
    await short.limited(5, 1),
    await short.limited(60, 2, 2),
    await short.limited(300, 2, 10),
    await short.limited(1000, 3, 20),
    ...(await short.owned(20, 10, 2)),
    ...planned,
    await short.quota(Math.ceil((20 * seconds * 3) / OVERLOAD), 3, 20),
    await long.limited(5, 1),
    await long.limited(20, 3),
    await long.limited(100, 1, 10),
    own,
    await strict.limited(1000, 1, 50),
    await rare.rare(10, 20),
  ];
  progress(`${all.length} lineages of keys`);
  return { all, planned, plans, moved, own };
}

class TenantOf {
  readonly #client: Client;
  readonly #id: string;

  constructor(client: Client, id: string) {
    this.#client = client;
    this.#id = id;
  }

  async create(leaseSeconds: number): Promise<void> {
    await this.#client.createTenant(this.#id, { leaseSeconds });
  }

  async plan(id: string, limit: number): Promise<Plan> {
    const body = { id, rateLimits: [rateLimit(limit, PLAN_WINDOW_SECONDS)] };
    const { status } = await this.#client.send('POST', `/tenants/${this.#id}/plans`, body);
    demand(status === 201, `a plan got status ${status}`);
    return { tenantId: this.#id, id, usualLimit: limit, limit };
  }

  /** A key with a rate limit of its own. */
  limited(limit: number, windowSeconds: number, meanCost = 1): Promise<Subject> {
    const counter = new Counter(`${limit} in ${windowSeconds} s`, window(windowSeconds), limit);
    const rate = (OVERLOAD * limit) / windowSeconds / meanCost;
    return this.#subject({ rateLimits: [rateLimit(limit, windowSeconds)] }, [counter], rate, meanCost);
  }

  /** A key that is used in bursts, with pauses in which the object is removed from memory. */
  async rare(limit: number, windowSeconds: number): Promise<Subject> {
    const counter = new Counter(`${limit} in ${windowSeconds} s, rare`, window(windowSeconds), limit);
    const rateLimits = [rateLimit(limit, windowSeconds)];
    return { ...(await this.#subject({ rateLimits }, [counter], OVERLOAD * limit, 1)), arrivals: 'rare bursts' };
  }

  /** Keys of one owner, with a limit for each of them, and one for all together that these exceed. */
  async owned(ofOwner: number, ofKey: number, windowSeconds: number): Promise<Subject[]> {
    const owner = new Counter(`${ofOwner} in ${windowSeconds} s of an owner`, window(windowSeconds), ofOwner);
    const rateLimits = [rateLimit(ofKey, windowSeconds), rateLimit(ofOwner, windowSeconds, 'owner', 'together')];
    const rate = (OVERLOAD * ofKey) / windowSeconds;
    const of = () => new Counter(`${ofKey} in ${windowSeconds} s beside an owner`, window(windowSeconds), ofKey);
    return Promise.all(range(4).map(() => this.#subject({ owner: 'o', rateLimits }, [of(), owner], rate, 1)));
  }

  quota(limit: number, meanCost: number, rate: number): Promise<Subject> {
    const quotas = [{ name: 'hourly', limit, period: 'hour' }];
    return this.#subject({ quotas }, [new Counter('an hour', HOUR, limit)], rate, meanCost);
  }

  planned(plan: string): Promise<Subject> {
    const counter = new Counter('by plan', window(PLAN_WINDOW_SECONDS), PLAN_LIMIT);
    return this.#subject({ plan }, [counter], 30, (OVERLOAD * PLAN_LIMIT) / 30);
  }

  async #subject(attributes: object, counters: readonly Counter[], rate: number, meanCost: number): Promise<Subject> {
    const { id, secret } = await this.#client.createKey(this.#id, { ...attributes });
    return {
      tenantId: this.#id,
      counters,
      arrivals: 'random',
      rate,
      meanCost,
      keyId: id,
      secrets: [secret],
    };
  }
}
