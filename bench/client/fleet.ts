/** How often many processes ask the server that verify the keys of one tenant by leases of their own. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Progress } from '../progress.ts';
import type { Setup } from './protocol.ts';

export type FleetSetup = Setup & { readonly pauseMs: number };

export type FleetCounts = { requests: number; verifications: number; wrong: number };

export type FleetFigures = {
  readonly clients: number;
  readonly keys: number;
  readonly leasePeriods: number;
  readonly verifications: number;
  readonly wrong: number;
  readonly requests: number;
  readonly requestsPerClientAndPeriod: number;
};

/** Together they take some half of a core beside the server: 1,000 keys take a process a millisecond or two. */
const PAUSE_MS = 200;
/** Processes that learn their keys at the same time. It is a call for each key, and is not counted. */
const STARTED_AT_ONCE = 4;

export async function measureFleet(
  setup: Setup,
  { clients, leasePeriods, leaseSeconds }: { clients: number; leasePeriods: number; leaseSeconds: number },
  progress: Progress,
): Promise<FleetFigures> {
  progress.step(`${clients} processes that verify ${setup.keys.length} keys each`);
  using fleet = new DisposableStack();
  const processes: ChildProcess[] = [];
  for (let first = 0; first < clients; first += STARTED_AT_ONCE) {
    const started = Array.from({ length: Math.min(STARTED_AT_ONCE, clients - first) }, () => start(setup));
    for (const process of started) fleet.defer(() => process.kill('SIGKILL'));
    await Promise.all(started.map(answerOf));
    processes.push(...started);
    progress.detail(`${processes.length} started`);
  }
  // So that none is counted in the lease period in which others have started.
  await setTimeout(2 * leaseSeconds * 1000);
  const before = await countsOf(processes);
  const startedAt = performance.now();
  await setTimeout(leasePeriods * leaseSeconds * 1000);
  const after = await countsOf(processes);
  const seconds = (performance.now() - startedAt) / 1000;
  const requests = after.requests - before.requests;
  return {
    clients,
    keys: setup.keys.length,
    leasePeriods,
    verifications: after.verifications - before.verifications,
    wrong: after.wrong,
    requests,
    requestsPerClientAndPeriod: requests / clients / (seconds / leaseSeconds),
  };
}

function start(setup: Setup): ChildProcess {
  const child = fork(join(import.meta.dirname, 'fleet-process.ts'));
  const told: FleetSetup = { ...setup, pauseMs: PAUSE_MS };
  child.send(told);
  return child;
}

async function answerOf(process: ChildProcess): Promise<unknown> {
  const [answer] = await Promise.race([once(process, 'message'), once(process, 'exit').then(() => [])]);
  if (answer === undefined) throw new Error('a client process has ended');
  return answer;
}

/** The sum of what all have counted so far. */
async function countsOf(processes: readonly ChildProcess[]): Promise<FleetCounts> {
  const answers = processes.map(answerOf);
  for (const process of processes) process.send({});
  const counts = (await Promise.all(answers)) as FleetCounts[];
  const sum = (of: (counts: FleetCounts) => number) => counts.reduce((total, one) => total + of(one), 0);
  return {
    requests: sum((one) => one.requests),
    verifications: sum((one) => one.verifications),
    wrong: sum((one) => one.wrong),
  };
}
