/**
 * Changes under load: keys are rotated, plans and keys get other limits, keys get other plans. Each is noted in the
 * history of the counters that it concerns, with the times at which it was sent and answered.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { demand, oneOf } from '../campaign.ts';
import type { Isolates } from './isolates.ts';
import { now } from './load.ts';
import {
  GRACE_SECONDS,
  OWN_LIMIT,
  OWN_WINDOW_SECONDS,
  PLAN_WINDOW_SECONDS,
  type Plan,
  rateLimit,
  type Subject,
  type Subjects,
} from './subjects.ts';

const PAUSE_MS = 100;

export type Changed = { readonly rotations: number; readonly limitChanges: number };

/** Changes keys and limits, one after the other each, until the time has come. */
export async function changeUntil(isTime: () => boolean, isolates: Isolates, subjects: Subjects): Promise<Changed> {
  const { all, plans, moved, own } = subjects;
  // Two keys of a lineage may have different limits, so keys that get limits of their own are not rotated.
  const rotated = all.filter((subject) => subject.arrivals === 'random' && subject !== moved && subject !== own);
  const changer = new LimitChanger(isolates, subjects, plans);
  const [rotations, limitChanges] = await Promise.all([
    repeat(isTime, () => rotate(isolates, oneOf(rotated))),
    repeat(isTime, () => changer.next()),
  ]);
  return { rotations, limitChanges };
}

async function repeat(isTime: () => boolean, change: () => Promise<void>): Promise<number> {
  for (let done = 0; ; done++) {
    if (isTime()) return done;
    await change();
    await sleep(PAUSE_MS);
  }
}

/** Rotates the newest key. From then on it and its successor are verified in turns. */
async function rotate(isolates: Isolates, subject: Subject): Promise<void> {
  const body = { gracePeriodSeconds: GRACE_SECONDS };
  const { key } = await isolates.any.rotateKey(subject.tenantId, subject.keyId, body);
  subject.keyId = key.id;
  subject.secrets = [...subject.secrets.slice(-1), key.secret];
}

/** Raises limits and lowers them again: that of a plan, of a key, and of a key by giving it another plan. */
class LimitChanger {
  readonly #isolates: Isolates;
  readonly #subjects: Subjects;
  readonly #plans: readonly [Plan, Plan];
  /** The plan of the key that is moved between plans. */
  #planOfMoved: Plan;
  #made = 0;

  constructor(isolates: Isolates, subjects: Subjects, plans: readonly [Plan, Plan]) {
    this.#isolates = isolates;
    this.#subjects = subjects;
    this.#plans = plans;
    this.#planOfMoved = plans[0];
  }

  async next(): Promise<void> {
    const kind = this.#made % 3;
    const isRaised = this.#made % 6 < 3;
    this.#made += 1;
    if (kind === 0) await this.#changePlan(isRaised);
    else if (kind === 1) await this.#move();
    else await this.#changeKey(isRaised);
  }

  async #changePlan(isRaised: boolean): Promise<void> {
    const [plan] = this.#plans;
    const { planned, moved } = this.#subjects;
    plan.limit = plan.usualLimit * (isRaised ? 3 : 1);
    const concerned = planned.filter((subject) => subject !== moved || this.#planOfMoved === plan);
    const body = { rateLimits: [rateLimit(plan.limit, PLAN_WINDOW_SECONDS)] };
    await this.#patch(`/tenants/${plan.tenantId}/plans/${plan.id}`, body, concerned, plan.limit);
  }

  async #move(): Promise<void> {
    const [first, second] = this.#plans;
    const { moved } = this.#subjects;
    this.#planOfMoved = this.#planOfMoved === first ? second : first;
    const { id, limit } = this.#planOfMoved;
    await this.#patch(`/tenants/${moved.tenantId}/keys/${moved.keyId}`, { plan: id }, [moved], limit);
  }

  async #changeKey(isRaised: boolean): Promise<void> {
    const { own } = this.#subjects;
    const limit = OWN_LIMIT * (isRaised ? 2 : 1);
    const body = { rateLimits: [rateLimit(limit, OWN_WINDOW_SECONDS)] };
    await this.#patch(`/tenants/${own.tenantId}/keys/${own.keyId}`, body, [own], limit);
  }

  /** Makes a change that gives the counters of these subjects another limit. */
  async #patch(path: string, body: object, concerned: readonly Subject[], limit: number): Promise<void> {
    const histories = concerned.flatMap(({ counters }) => counters.map(({ limits }) => limits));
    for (const history of histories) history.sent(limit, now());
    const { status } = await this.#isolates.any.send('PATCH', path, body);
    demand(status === 200, `${path} got status ${status}`);
    for (const history of histories) history.answered(now());
  }
}
