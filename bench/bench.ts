/**
 * `npm run bench` measures what Keystead costs on this machine, in three comparisons: with floors (the least that any
 * server on this runtime can cost), with itself at a smaller size, and with a peer. It uses real servers over loopback
 * and a data folder that is removed afterwards. A missed threshold is reported but does not fail the run; a wrong
 * response does.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLIENT_FIGURES, measureClient } from './client/measure.ts';
import { measureCleanup } from './figures/cleanup.ts';
import { fillDatabases, sizeOf } from './figures/disk.ts';
import { type MemoryFigures, measureMemory } from './figures/memory.ts';
import { measureUsage, USAGE_FIGURES } from './figures/usage.ts';
import { LoadGenerator } from './load/client.ts';
import { measureRows } from './measure.ts';
import { type Options, readOptions, USAGE } from './options.ts';
import { isWanted, planOf } from './plan.ts';
import { Progress } from './progress.ts';
import { chart } from './report/chart.ts';
import * as names from './report/names.ts';
import { machine, type Results } from './report/results.ts';
import { report } from './report/table.ts';
import { verdictsOf } from './report/verdicts.ts';
import { Api, type Instance } from './servers/api.ts';
import { startFloors } from './servers/floors.ts';
import { Keystead } from './servers/keystead.ts';

/** On the project's disk, because a temporary folder may be in memory, where syncing costs nothing. */
const WORK_FOLDER = join(import.meta.dirname, '.work');
const RESULTS_FOLDER = join(import.meta.dirname, 'results');

const options = readOptions(process.argv.slice(2));
if (typeof options === 'string') {
  console.error(`${options}\n\n${USAGE}`);
  process.exit(2);
}
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
const aborted = new Promise<null>((done) => stopping.signal.addEventListener('abort', () => done(null)));

mkdirSync(WORK_FOLDER, { recursive: true });
const folder = mkdtempSync(join(WORK_FOLDER, 'run-'));
const stack = new AsyncDisposableStack();
stack.defer(() => rmSync(folder, { recursive: true, force: true }));
try {
  // After an interruption the unfinished run ends by itself, because its servers are stopped.
  const results = await Promise.race([run(options), aborted]);
  if (results !== null) {
    publish(results, options);
    if (results.rows.some(({ wrong }) => wrong > 0) || (results.client?.wrong ?? 0) > 0) process.exitCode = 1;
  }
} finally {
  await stack.disposeAsync();
}
process.exit(stopping.signal.aborted ? 130 : process.exitCode);

async function run(sizes: Options): Promise<Results> {
  const progress = stack.use(new Progress());
  progress.step('starting the servers');
  const small = await startKeystead('small');
  const large = await startKeystead('large');
  const many = await startKeystead('many');
  const floors = stack.use(await startFloors(join(folder, 'floors')));
  const generator = stack.use(new LoadGenerator());
  const startServer = (path: string) => Keystead.start(path, stopping.signal);
  const servers = { small, large, many, floors: floors.target, startKeystead: startServer };
  const { rows, filledPerSecond, notes, tenantKeys } = await planOf({
    options: sizes,
    ...servers,
    generator,
    progress,
    folder,
    stack,
  });
  const measured = await measureRows(rows, generator, sizes, progress);
  const client = isWanted(sizes, CLIENT_FIGURES) ? await measureClient(small, sizes, progress) : null;
  const cleanup = isWanted(sizes, 'cleanup') ? await measureCleanup(large, sizes.batch, progress) : null;
  const databases = isWanted(sizes, 'disk') ? await fillDatabases(large, generator, sizes.batch, progress) : [];
  let memory: MemoryFigures | null = null;
  if (isWanted(sizes, names.rssAwake(sizes))) {
    const keys = await tenantKeys();
    // Restarted, so that the memory used while making the tenants is not counted.
    await many.server.stop();
    const again = stack.use(await startServer(join(folder, 'many')));
    memory = await measureMemory(again, keys, generator, progress);
  }
  const usage = isWanted(sizes, USAGE_FIGURES)
    ? await measureUsage(startServer, join(folder, 'usage'), sizes.batch, progress)
    : null;
  progress.step('stopping');
  await large.server.stop();
  const disk = databases.map(sizeOf);
  progress[Symbol.dispose]();
  return {
    at: new Date().toISOString(),
    machine: machine(),
    options: sizes,
    rows: measured,
    client,
    cleanup,
    disk,
    memory,
    usage,
    filledPerSecond,
    notes: [...notes, ...(client?.notes ?? [])],
    verdicts: verdictsOf(measured, disk, client, sizes),
  };
}

async function startKeystead(name: string): Promise<Instance> {
  const server = stack.use(await Keystead.start(join(folder, name), stopping.signal));
  return { server, api: new Api(server) };
}

function publish(results: Results, sizes: Options): void {
  const json = `${JSON.stringify(results, null, 2)}\n`;
  // A run of selected rows is not kept as a result.
  if (sizes.rows.length === 0) {
    mkdirSync(RESULTS_FOLDER, { recursive: true });
    const name = sizes.quick ? 'quick' : 'latest';
    writeFileSync(join(RESULTS_FOLDER, `${name}.json`), json);
    writeFileSync(join(RESULTS_FOLDER, `${name}.svg`), chart(results));
  }
  if (sizes.json !== null) writeFileSync(sizes.json, json);
  console.log(report(results));
}
