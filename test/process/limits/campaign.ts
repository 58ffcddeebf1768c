/**
 * Limits over HTTP, with four isolates: keys are verified for three times what their limits allow, at random and in
 * bunches, while keys are rotated and limits are changed, and the server is killed in between.
 *
 * Never more than the limit may be admitted in any interval, judged by the times of requests and answers (judge.ts).
 * And at least 95 % of what an exact log admits of the same requests (exact-log.ts), which takes them in the order in
 * which they were sent. After the kill the log allows that much less for what a crash may lose, and for the length of a
 * window nothing is compared. Afterwards keys are used evenly below half of their limits (even-use.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { demand, type Progress, percentile } from '../campaign.ts';
import { temporaryFolder } from '../server.ts';
import { changeUntil } from './changes.ts';
import { type EvenUse, evenUse } from './even-use.ts';
import { admittedByLog } from './exact-log.ts';
import { Isolates } from './isolates.ts';
import { fullest, fullness, isExcess } from './judge.ts';
import { type Answered, Load, now, planned } from './load.ts';
import { type Counter, createSubjects, HOUR, REQUESTS_PER_SECOND, type Subjects } from './subjects.ts';

/** When parts of the load begin and end, as shares of it: bunches, changes, and the kill. */
const BUNCHED = { from: 0.2, to: 0.35 };
const CHANGED = { from: 0.35, to: 0.75 };
const KILLED = 0.8;
const POLL_MS = 5;

/** Of what the exact log admits, the least that must be admitted. */
const SHARE_MIN = 0.95;
/** Units in limits that the exact log must have admitted before shares are compared: fewer tell of chance. */
const LIMITS_MIN = 20;

/**
 * When answers take longer than this (ms), shares say more about the machine than about limits: the exact log decides
 * when requests are sent.
 */
const SLOW_MS = 100;

/** Size from which on even use is measured for longer leases too. */
const LARGE = 10_000;
const EVEN_SECONDS_MIN = 1;
/** Of all verifications, those that are used evenly, about. */
const EVEN_SHARE = 0.15;

/** Of the verifications that are used evenly, the most that may call the object. */
const CALLS_MAX = 0.05;
/**
 * Size from which on it is also judged how much is admitted, and by how many calls. Both depend on the time that the
 * machine has for it, and `npm test` runs other work beside its small size.
 */
const TIMED = 5000;

/** Units admitted of what the exact log admits. */
type Share = { readonly admitted: number; readonly exact: number; readonly share: number };

export type LimitsReport = {
  readonly verifications: number;
  readonly unanswered: number;
  readonly rotations: number;
  readonly limitChanges: number;
  /** How full the fullest interval was: 1 is as much as the limit allows. */
  readonly fullest: number;
  readonly beforeKill: Share;
  readonly afterKill: Share;
  /** 95 % of all answers took at most this long. */
  readonly p95Ms: number;
  /** Smallest share of alike counters, if there was enough to compare. */
  readonly leastShare: number | null;
  /** Share of the hammering verifications that called the object. */
  readonly callsShare: number;
  readonly even: readonly EvenUse[];
};

/** Makes about so many verifications. Throws when a limit was exceeded, or too little was admitted. */
export async function limits(verifications: number, progress: Progress): Promise<LimitsReport> {
  const seconds = (verifications * (1 - EVEN_SHARE)) / REQUESTS_PER_SECOND;
  using folder = temporaryFolder();
  await using isolates = new Isolates(folder.path);
  await isolates.start();
  const subjects = await createSubjects(isolates.any, seconds, progress);
  const load = new Load(isolates);
  const hammered = await hammer(isolates, subjects, load, seconds * 1000);
  progress(`${load.answered.length} answers, ${hammered.rotations} rotations, ${hammered.limitChanges} changes`);

  const judged = judge(subjects, progress);
  const compared = compare(load.answered, hammered, verifications >= TIMED, progress);
  const even: EvenUse[] = [];
  for (const leaseSeconds of verifications < LARGE ? [1] : [1, 5]) {
    const ofEach = Math.max(EVEN_SECONDS_MIN, (verifications * EVEN_SHARE) / REQUESTS_PER_SECOND);
    even.push(await evenUse(isolates, leaseSeconds, ofEach, progress));
  }
  if (verifications >= TIMED) {
    for (const { share } of even) demand(share <= CALLS_MAX, `${share} of evenly used verifications made a call`);
  }
  return {
    verifications: load.answered.length,
    unanswered: load.unanswered,
    rotations: hammered.rotations,
    limitChanges: hammered.limitChanges,
    fullest: judged,
    ...compared,
    callsShare: rounded(hammered.calls / load.answered.length),
    even,
  };
}

type Hammered = {
  readonly killedAt: number;
  readonly restartedAt: number;
  readonly rotations: number;
  readonly limitChanges: number;
  readonly calls: number;
};

/** Runs the load with all that happens to it. */
async function hammer(isolates: Isolates, subjects: Subjects, load: Load, ms: number): Promise<Hammered> {
  let isOver = false;
  const isReached = (share: number) => isOver || load.reachedMs >= share * ms;
  const until = async (share: number) => {
    while (!isReached(share)) await sleep(POLL_MS);
  };
  const happenings = async () => {
    await until(CHANGED.from);
    const changed = await changeUntil(() => isReached(CHANGED.to), isolates, subjects);
    await until(KILLED);
    const { verifyKey } = await isolates.calls();
    const killedAt = now();
    await isolates.kill();
    for (const { counters } of subjects.all) for (const counter of counters) counter.killed(killedAt);
    await isolates.start();
    return { killedAt, restartedAt: now(), ...changed, calls: verifyKey };
  };
  const requests = planned(subjects.all, ms, BUNCHED.from * ms, BUNCHED.to * ms);
  const loading = load.run(requests).finally(() => {
    isOver = true;
  });
  const [happened] = await Promise.all([happenings(), loading]);
  return { ...happened, calls: happened.calls + (await isolates.calls()).verifyKey };
}

/** Looks at every interval of every counter. Returns how full the fullest was. */
function judge({ all }: Subjects, progress: Progress): number {
  let most = 0;
  for (const counter of new Set(all.flatMap(({ counters }) => counters))) {
    const interval = fullest(counter.admissions, counter.rule, counter.limits);
    if (interval === null) continue;
    const { from, to, units, bound } = interval;
    demand(
      !isExcess(interval),
      `${counter.name}: ${units} units admitted in ${Math.round(to - from)} ms, at most ${bound}`,
    );
    most = Math.max(most, fullness(interval));
  }
  progress(`no interval has more than its limit; the fullest has ${rounded(most)} of it`);
  return rounded(most);
}

/** Compares what was admitted with what the exact log admits. */
function compare(
  answered: readonly Answered[],
  { killedAt, restartedAt }: Hammered,
  isTimed: boolean,
  progress: Progress,
) {
  const exact = new Set(admittedByLog<Counter, Answered>(answered));
  const windowOf = ({ counters }: Answered) => Math.max(...counters.map(({ rule }) => rule.ms));
  const before = answered.filter(({ sentAt }) => sentAt < killedAt);
  const after = answered.filter((each) => each.sentAt > restartedAt + windowOf(each));
  const p95Ms = percentile(
    answered.map(({ sentAt, receivedAt }) => receivedAt - sentAt),
    0.95,
  );
  let leastShare: number | null = null;
  for (const [when, some] of [['before', before] as const, ['after', after] as const]) {
    for (const [name, alike] of Map.groupBy(some, ({ counters }) => counters[0]?.name ?? '')) {
      const share = shareOf(alike, exact);
      const limit = alike[0]?.counters[0]?.limitAt(alike[0].sentAt) ?? 0;
      const isQuota = alike[0]?.counters[0]?.rule === HOUR;
      const tells = share.exact >= (isQuota ? 1 : LIMITS_MIN) * limit;
      progress(`${when} the kill, ${name}: ${JSON.stringify(share)}${tells ? '' : ', too few to tell'}`);
      if (!tells) continue;
      demand(
        share.share >= SHARE_MIN || p95Ms > SLOW_MS || !isTimed,
        `${name}: only ${share.share} of what an exact log admits ${when} the kill`,
      );
      leastShare = Math.min(leastShare ?? share.share, share.share);
    }
  }
  return { beforeKill: shareOf(before, exact), afterKill: shareOf(after, exact), leastShare, p95Ms };
}

function shareOf(some: readonly Answered[], exactly: ReadonlySet<Answered>): Share {
  const sum = (isCounted: (each: Answered) => boolean) =>
    some.reduce((units, each) => units + (isCounted(each) ? each.units : 0), 0);
  const [admitted, exact] = [sum(({ isAdmitted }) => isAdmitted), sum((each) => exactly.has(each))];
  return { admitted, exact, share: exact === 0 ? 1 : rounded(admitted / exact) };
}

const rounded = (share: number) => Math.round(share * 1000) / 1000;
