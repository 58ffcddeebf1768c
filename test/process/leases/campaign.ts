/**
 * The promise of leases over HTTP, with several isolates, and with clients in processes of their own that verify by
 * leases which the isolates pass on to them. Customer keys, management keys and whole tenants are used under load in
 * all of them while each is ended or changed, in every possible way (changes.ts). After the call that makes the change
 * has returned, no isolate and no client may use the old state for a request that is sent later. Meanwhile the
 * processes of clients are stopped for longer than a lease, and their wall clocks jump. The campaign also counts what
 * would have been wrong without the wait: results with the old state that came after the commit.
 *
 * Changes that concern nothing which an isolate has a record of must not wait, however much of the tenant is leased.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { demand, inParallel, type Progress, range } from '../campaign.ts';
import type { Client } from '../client.ts';
import { Runtime } from '../runtime.ts';
import { temporaryFolder } from '../server.ts';
import { type Change, changesIn, KEY_CHANGES, type Request, told, usedTenant } from './changes.ts';
import { ClientInProcess } from './client-in-process.ts';

/** Changes under way at the same time. Each waits for a second or more. */
const AT_ONCE = 50;
/** Pause between two requests of a watcher, which leaves time for the changes. */
const PACE_MS = 100;
/** A subject is used for up to so long before it is changed (ms). Records are held longer than a lease lasts. */
const BEFORE_MS = 2000;
/** Verifications in each isolate that are sent after a change has returned. */
const AFTERWARDS = 5;
const ISOLATES = ['first', 'second', 'third', 'fourth'] as const;
/** Clients of each isolate, each in a process of its own. */
const CLIENTS_OF_ISOLATE = 4;
/** Clients that watch one change. */
const CLIENT_WATCHERS = 2;
/** Pause between two disturbances of clients. */
const DISTURBED_EACH_MS = 700;

/** Leases of the tenant whose unused keys are changed (s). */
const LONG_LEASE_SECONDS = 5;
/** A change that waits for no lease returns well within the long lease, on a slow machine too. */
const UNUSED_MAX_MS = 2500;
/** There is a round of changes of unused keys for so many changes of used ones. */
const USED_PER_UNUSED_ROUND = 100;

/** A change waits for a lease and its margin. A busy machine may take so much longer (ms). */
const MACHINE_MS = 10_000;
const outlastMs = (seconds: number) => 1000 * seconds * 1.05 + 50;

export type LeaseReport = {
  changes: number;
  /** Calls that were given up and sent again. */
  repeated: number;
  verifications: number;
  /** Verifications that were sent after the change had returned. */
  sentAfterwards: number;
  /** Results with the old state while a change waited, which show that leases were in use. */
  oldMeanwhile: number;
  /** How much longer than the leases that it waited for a change took at most (ms). */
  beyondLeasesMs: number;
  /** Changes of keys of which no isolate had a record, and how long they took at most (ms). */
  unused: number;
  unusedMaxMs: number;
  /** Verifications by clients, and those of them that they answered without a request. */
  clientVerifications: number;
  clientsFromMemory: number;
  /** Verifications by clients that failed since no answer came, and were repeated. */
  clientsUnanswered: number;
  /** How often a client's process was stopped for longer than a lease, and its wall clock moved. */
  pauses: number;
  clockMoves: number;
};

/** Makes `trials` changes under load. Throws at the first verification that saw an old state too late. */
export async function leases(
  trials: number,
  progress: Progress,
  clientsOfIsolate = CLIENTS_OF_ISOLATE,
): Promise<LeaseReport> {
  using folder = temporaryFolder();
  const config = join(import.meta.dirname, 'isolates.capnp');
  await using runtime = await Runtime.start(config, folder.path, { sockets: ISOLATES });
  const isolates = ISOLATES.map((socket) => runtime.clientOf(socket));
  const [client] = isolates;
  if (client === undefined) throw new Error('no isolate');
  const report = {
    changes: 0,
    repeated: 0,
    verifications: 0,
    sentAfterwards: 0,
    oldMeanwhile: 0,
    beyondLeasesMs: 0,
    unused: 0,
    unusedMaxMs: 0,
    clientVerifications: 0,
    clientsFromMemory: 0,
    clientsUnanswered: 0,
    pauses: 0,
    clockMoves: 0,
  };
  await using processes = new AsyncDisposableStack();
  const clients = isolates
    .flatMap((isolate) => range(clientsOfIsolate).map(() => isolate.target))
    .map((target) => processes.use(new ClientInProcess(target)));
  // The first management key makes the tenant of all management keys.
  await client.send('POST', '/management-keys', { name: 'first', role: 'admin' });
  const changeUsed = await changeUnused(isolates, client, trials, report);
  progress(`${report.unused} changes of unused keys`);

  const changes = changesIn(await usedTenant(client, 'leased', 1));
  const allChanges = inParallel(AT_ONCE, range(trials), async (i) => {
    const change = changes[i % changes.length];
    if (change === undefined) throw new Error('no changes');
    const some = range(CLIENT_WATCHERS).flatMap((n) => clients[(i + n * clientsOfIsolate) % clients.length] ?? []);
    await trial(isolates, [...isolates, ...some], i, change, report);
    report.changes += 1;
    if (report.changes % AT_ONCE === 0) progress(`${report.changes} changes, ${report.verifications} verifications`);
  });
  const ended = new AbortController();
  const disturbed = disturb(clients, ended.signal, report);
  await Promise.all([allChanges, changeUsed()]).finally(() => ended.abort());
  await disturbed;
  for (const { verifications, fromMemory, unanswered } of clients) {
    report.clientsUnanswered += unanswered;
    report.clientVerifications += verifications;
    report.clientsFromMemory += fromMemory;
  }
  return report;
}

/** Stops one process of a client after the other for longer than a lease, and moves their wall clocks. */
async function disturb(clients: readonly ClientInProcess[], signal: AbortSignal, report: LeaseReport): Promise<void> {
  for (let n = 0; !signal.aborted; n++) {
    await sleep(DISTURBED_EACH_MS);
    const client = clients[n % clients.length];
    if (client === undefined) return;
    if (n % 3 === 0) {
      void client.pause(() => sleep(1200 + Math.random() * 1500));
      report.pauses += 1;
    } else {
      client.moveClock((Math.random() - 0.5) * 10_000);
      report.clockMoves += 1;
    }
  }
}

/**
 * Changes keys of which no isolate has a record, while all isolates have a long lease on their tenant. Returns a last
 * change, of a key in use. It shows that such leases are waited for.
 */
async function changeUnused(isolates: readonly Client[], client: Client, trials: number, report: LeaseReport) {
  const tenant = await usedTenant(client, 'long-leased', LONG_LEASE_SECONDS);
  const { id, secret } = await client.createKey(tenant.id);
  // A question to the object renews the lease to its full length.
  const renew = () => Promise.all(isolates.map((isolate) => told(isolate, secret, { fresh: true })));
  for (const round of range(Math.ceil(trials / USED_PER_UNUSED_ROUND))) {
    for (const { name, prepare } of KEY_CHANGES) {
      const { requests } = await prepare(client, tenant, `u${round}`);
      await renew();
      const sentAt = performance.now();
      await made(client, requests(), null);
      const took = performance.now() - sentAt;
      demand(took < UNUSED_MAX_MS, `${name} of a key that nobody used took ${took} ms`);
      report.unused += 1;
      report.unusedMaxMs = Math.max(report.unusedMaxMs, Math.round(took));
    }
  }
  return async () => {
    const renewedAt = performance.now();
    await renew();
    await client.revokeKey(tenant.id, id);
    const took = performance.now() - renewedAt;
    demand(took > 1000 * LONG_LEASE_SECONDS, `the change of a key in use took only ${took} ms`);
  };
}

/** Watches one subject in every isolate and some clients while it is changed, and judges it afterwards. */
async function trial(
  isolates: readonly Client[],
  watchers: readonly Client[],
  i: number,
  change: Change,
  report: LeaseReport,
): Promise<void> {
  const [by, other, quiet] = [0, 1, 2].map((offset) => isolates[(i + offset) % isolates.length]);
  if (by === undefined || other === undefined || quiet === undefined) throw new Error('too few isolates');
  const { tellsOld, useNeighbour, requests } = await change.prepare(by, `w${i}`);
  const before = await Promise.all(watchers.map(tellsOld));
  demand(!before.includes(false), `${change.name}: an isolate did not see the state of before`);

  let changingAt = Number.POSITIVE_INFINITY;
  let isChanged = false;
  const watch = async (isolate: Client) => {
    while (!isChanged) {
      const sentAt = performance.now();
      // The quiet isolate has a record and a lease, and does not look at the record again until it was changed.
      if (isolate === quiet) await useNeighbour(isolate);
      else if ((await tellsOld(isolate)) && sentAt > changingAt) report.oldMeanwhile += 1;
      report.verifications += 1;
      await sleep(PACE_MS * (0.5 + Math.random()));
    }
  };
  const judge = async (isolate: Client) => {
    for (let n = 0; n < AFTERWARDS; n++) {
      const isOld = await tellsOld(isolate);
      report.verifications += 1;
      report.sentAfterwards += 1;
      demand(!isOld, `${change.name}: the old state in request ${n} of those that were sent after the change`);
    }
  };
  const changing = async () => {
    await sleep(20 + Math.random() * BEFORE_MS);
    changingAt = performance.now();
    // Every third caller gives up on its first call and sends it again, to another isolate.
    const isRepeatable = requests().every(({ before }) => before === undefined);
    if (i % 3 > 0 || !isRepeatable) await made(by, requests(), null);
    else if (await isGivenUp(by, requests())) {
      report.repeated += 1;
      await made(other, requests(), null);
    }
    const beyondMs = Math.round(performance.now() - changingAt - outlastMs(change.waitsSeconds));
    isChanged = true;
    await Promise.all(watchers.map(judge));
    demand(beyondMs < MACHINE_MS, `${change.name}: took ${beyondMs} ms longer than its leases`);
    report.beyondLeasesMs = Math.max(report.beyondLeasesMs, beyondMs);
  };
  await Promise.all([changing(), ...watchers.map(watch)]);
}

/** Makes a change, and gives up after a while. Returns whether it was given up. */
async function isGivenUp(client: Client, requests: readonly Request[]): Promise<boolean> {
  const signal = AbortSignal.timeout(Math.round(50 + Math.random() * 700));
  try {
    await made(client, requests, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return signal.aborted;
}

/** Makes a change. Any response that is not a failure says that it is made. */
async function made(client: Client, requests: readonly Request[], signal: AbortSignal | null): Promise<void> {
  for (const { before, method, path, body } of requests) {
    if (before !== undefined) client.send(before.method, before.path, before.body).catch(() => null);
    for (;;) {
      const { status } = await client.send(method, path, body, undefined, {}, signal);
      if (status >= 500 || status === 422) throw new Error(`${method} ${path} got status ${status}`);
      if (before === undefined || status !== 409) break;
      await sleep(10);
    }
  }
}
