/**
 * Measures verification by leases in a client's own process, in turns with each subject that it is compared with.
 * Verifications are counted for each second of processor time of the process that verifies: what others do on the
 * machine counts less, and so does the time that an answer of the server takes.
 */
import type { Options } from '../options.ts';
import type { Progress } from '../progress.ts';
import type { Instance } from '../servers/api.ts';
import { type Spread, spreadOf } from '../statistics.ts';
import { type FleetFigures, measureFleet } from './fleet.ts';
import type { Setup, TurnResult } from './protocol.ts';
import { type Subject, startSubjects } from './subjects.ts';

/** The word that selects these figures. */
export const CLIENT_FIGURES = 'client';

export type ClientFigures = {
  readonly keys: number;
  /** Verifications for each second of processor time. */
  readonly leasedPerSecond: Spread;
  readonly others: readonly {
    readonly name: string;
    readonly perSecond: Spread;
    /** How many times as many are verified by leases. */
    readonly ratio: Spread;
    readonly factor: number | null;
  }[];
  readonly fleets: readonly FleetFigures[];
  /** Verifications that did not answer as they should. */
  readonly wrong: number;
  readonly notes: readonly string[];
};

const TENANT = 'bench-client';
const FEW_TENANT = 'bench-client-few';
const LEASE_SECONDS = 1;
const KEYS = 1000;
const FEW_KEYS = 10;
/** In alternation, so that what disturbs the machine for a while disturbs both alike. */
const SLICES = 6;

export async function measureClient(instance: Instance, options: Options, progress: Progress): Promise<ClientFigures> {
  progress.step('keys of the client');
  const many = await keysOf(instance, TENANT, KEYS);
  const few = await keysOf(instance, FEW_TENANT, FEW_KEYS);
  const { perSecond, others, wrong, notes } = await measureSubjects(many, options, progress);
  const fleet = {
    clients: options.clients,
    leasePeriods: options.leasePeriods,
    leaseSeconds: LEASE_SECONDS,
  };
  const fleets = [await measureFleet(few, fleet, progress), await measureFleet(many, fleet, progress)];
  return {
    keys: KEYS,
    leasedPerSecond: perSecond,
    others,
    fleets,
    wrong: fleets.reduce((sum, figures) => sum + figures.wrong, wrong),
    notes,
  };
}

async function keysOf({ server, api }: Instance, tenantId: string, count: number): Promise<Setup> {
  await api.createTenant(tenantId, { leaseSeconds: LEASE_SECONDS });
  const keys = await api.fill(tenantId, count, count, () => {});
  return { url: server.url, token: server.token, keys: keys.map(({ secret }) => secret) };
}

async function measureSubjects(setup: Setup, { rounds, turnMs }: Options, progress: Progress) {
  using stack = new DisposableStack();
  progress.step('what the client is compared with');
  const { leased, others, notes } = await startSubjects(setup, stack);
  const speeds: number[] = [];
  const measured = others.map((subject) => ({ subject, speeds: [] as number[], ratios: [] as number[] }));
  let wrong = 0;
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    progress.step(round === 0 ? 'warming up' : `round ${round} of ${rounds}`);
    for (const { subject, speeds: own, ratios } of measured) {
      progress.detail(subject.name);
      const [byLease, other] = await alternately(leased, subject, turnMs);
      wrong += byLease.wrong + other.wrong;
      if (round === 0) continue;
      speeds.push(speedOf(byLease));
      own.push(speedOf(other));
      ratios.push(speedOf(byLease) / speedOf(other));
    }
  }
  return {
    perSecond: spreadOf(speeds),
    others: measured.map(({ subject: { name, factor }, speeds: own, ratios }) => {
      return { name, factor, perSecond: spreadOf(own), ratio: spreadOf(ratios) };
    }),
    wrong,
    notes,
  };
}

const speedOf = ({ verifications, cpuMicros }: TurnResult) => (verifications / cpuMicros) * 1e6;

/** A turn of both, in slices. The two take turns at being first. */
async function alternately(one: Subject, other: Subject, turnMs: number): Promise<[TurnResult, TurnResult]> {
  const results = new Map<Subject, TurnResult>();
  for (let slice = 0; slice < SLICES; slice++) {
    for (const subject of slice % 2 === 0 ? [one, other] : [other, one]) {
      const before = results.get(subject) ?? { verifications: 0, wrong: 0, cpuMicros: 0 };
      const result = await subject.child.turn({ kind: subject.kind, durationMs: turnMs / SLICES });
      results.set(subject, {
        verifications: before.verifications + result.verifications,
        wrong: before.wrong + result.wrong,
        cpuMicros: before.cpuMicros + result.cpuMicros,
      });
    }
  }
  const nothing = { verifications: 0, wrong: 0, cpuMicros: 0 };
  return [results.get(one) ?? nothing, results.get(other) ?? nothing];
}
