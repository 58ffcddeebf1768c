/**
 * The load: when which key is verified for how many units, planned beforehand, and sent at those times through all
 * isolates. What each request was charged and when is what the judge and the exact log get.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { demand, oneOf } from '../campaign.ts';
import type { Verification } from '../client.ts';
import type { Arrival } from './exact-log.ts';
import type { Isolates } from './isolates.ts';
import type { Counter, Subject } from './subjects.ts';

/** Requests under way at most. More would only wait for the machine, and their times would say less. */
const AT_ONCE = 100;
const ROOM_AFTER_MS = 2;
/** A load that is so much behind its plan (ms) goes on later, as it was planned, instead of catching up. */
const BEHIND_MAX_MS = 100;
/** All requests of a key that come in such a time (ms) come at once in a part of the load, to one isolate. */
const BUNCH_MS = 500;
/** Pause between rare bursts (ms). Objects are removed from memory after ten seconds. */
const RARE_MS = 12_500;

/** Now (ms since the epoch), by a clock that never goes back. */
export const now = () => performance.timeOrigin + performance.now();

type Planned = { readonly at: number; readonly subject: Subject; readonly units: number; readonly isolate: number };

/** A request that was answered. */
export type Answered = Arrival<Counter> & { readonly receivedAt: number; readonly isAdmitted: boolean };

/** Plans a load of so many ms. From `bunchedFrom` to `bunchedTo` requests come in bunches. */
export function planned(subjects: readonly Subject[], ms: number, bunchedFrom: number, bunchedTo: number): Planned[] {
  const all = subjects.flatMap((subject) => {
    if (subject.arrivals === 'rare bursts') return rareBursts(subject, ms);
    const requests: Planned[] = [];
    for (let at = 0; ; ) {
      // The time between independent requests is distributed exponentially.
      at += (-Math.log(1 - Math.random()) * 1000) / subject.rate;
      if (at >= ms) return requests;
      const bunch = Math.floor(at / BUNCH_MS);
      const isBunched = at >= bunchedFrom && at < bunchedTo;
      const isolate = isBunched ? bunch : Math.floor(Math.random() * 4);
      requests.push({ at: isBunched ? bunch * BUNCH_MS : at, subject, units: cost(subject), isolate });
    }
  });
  return all.sort((a, b) => a.at - b.at);
}

function rareBursts(subject: Subject, ms: number): Planned[] {
  const requests: Planned[] = [];
  for (let at = 0; at < ms; at += RARE_MS) {
    for (let i = 0; i < subject.rate; i++) requests.push({ at: at + i, subject, units: cost(subject), isolate: i });
  }
  return requests;
}

const cost = ({ meanCost }: Subject) => 1 + Math.floor(Math.random() * (2 * meanCost - 1));

export class Load {
  readonly answered: Answered[] = [];
  /** Requests without an answer, which may have been charged. */
  unanswered = 0;
  /** How far in its plan the load is (ms). */
  reachedMs = 0;
  readonly #isolates: Isolates;
  readonly #underWay = new Set<Promise<void>>();

  constructor(isolates: Isolates) {
    this.#isolates = isolates;
  }

  /**
   * Sends all at their times, or later when the machine is slow or no server runs. Throws when an answer is none that a
   * limited key may get.
   */
  async run(requests: readonly Planned[]): Promise<void> {
    let startedAt = performance.now();
    let error: unknown = null;
    for (const request of requests) {
      const waitMs = startedAt + request.at - performance.now();
      if (waitMs > 0) await sleep(waitMs);
      while (this.#underWay.size >= AT_ONCE || this.#isolates.clients.length === 0) await sleep(ROOM_AFTER_MS);
      if (error !== null) throw error;
      if (performance.now() - startedAt - request.at > BEHIND_MAX_MS) startedAt = performance.now() - request.at;
      this.reachedMs = request.at;
      const sending: Promise<void> = this.#send(request)
        .catch((reason) => {
          error ??= reason;
        })
        .finally(() => this.#underWay.delete(sending));
      this.#underWay.add(sending);
    }
    await Promise.all(this.#underWay);
    if (error !== null) throw error;
  }

  async #send({ subject, units, isolate }: Planned): Promise<void> {
    const { clients } = this.#isolates;
    const client = clients[isolate % clients.length];
    if (client === undefined) return;
    const { counters } = subject;
    const body = { key: oneOf(subject.secrets), cost: units };
    const sentAt = now();
    const response = await client.send<Verification>('POST', '/keys/verify', body).catch(() => null);
    const receivedAt = now();
    if (response === null || response.status >= 500) {
      this.unanswered += 1;
      return;
    }
    const { code } = response.body;
    const isAdmitted = code === 'VALID';
    const refusals = new Set(counters.map(({ rule }) => (rule.kind === 'window' ? 'RATE_LIMITED' : 'QUOTA_EXCEEDED')));
    demand(isAdmitted || refusals.has(code as 'RATE_LIMITED'), `a verification got ${response.status} ${code}`);
    this.answered.push({ sentAt, receivedAt, units, counters, isAdmitted });
    if (isAdmitted) for (const { admissions } of counters) admissions.push({ sentAt, receivedAt, units });
  }
}
