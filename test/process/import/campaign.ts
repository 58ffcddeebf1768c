/**
 * Hashes of foreign keys are imported by the command line, which is killed three times in between. Each row is there
 * exactly once, and the key strings verify.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { demand, type Progress, range, sample } from '../campaign.ts';
import { Client } from '../client.ts';
import { type Launcher, ROOT, startServer, temporaryFolder } from '../server.ts';

const TENANT = 'imported';
const KILLS = 3;
/** How often it is looked whether the import is far enough to be killed (ms). */
const POLL_MS = 5;
/** Key strings that are verified afterwards. */
const VERIFIED = 200;

const keyOf = (i: number) => `foreign_${createHash('sha256').update(`seed ${i}`).digest('base64url')}`;

export async function importHashes(rows: number, progress: Progress): Promise<object> {
  using folder = temporaryFolder();
  await using server = await startServer(join(folder.path, 'data'));
  const client = new Client(server);
  await client.createTenant(TENANT);
  const path = join(folder.path, 'keys.csv');
  const lines = range(rows).map(
    (i) => `${createHash('sha256').update(keyOf(i)).digest('hex')},key-${i},owner-${i % 7}\n`,
  );
  writeFileSync(path, `key_hash,label,owner\n${lines.join('')}`);
  const journal = `${path}.keystead-journal`;

  const startedAt = performance.now();
  let kills = 0;
  let run = start(server, path);
  for (let at = 1; at <= KILLS; at++) {
    // Anywhere within a batch: before it is sent, while it is applied, before its end is noted.
    const wanted = Math.floor((rows * at) / (KILLS + 1));
    while (run.child.exitCode === null && importedRows(journal) < wanted) await sleep(POLL_MS);
    await sleep(Math.random() * 50);
    if (run.child.exitCode !== null) break;
    run.child.kill('SIGKILL');
    await run.ended;
    kills += 1;
    progress(`killed after ${importedRows(journal)} rows that are noted`);
    run = start(server, path);
  }
  const code = await run.ended;
  demand(code === 0, `the import ended with ${code}: ${run.texts.stderr}`);
  const report = JSON.parse(run.texts.stdout);
  demand(report.imported === rows && report.skipped === 0, `imported: ${run.texts.stdout}`);
  const seconds = (performance.now() - startedAt) / 1000;
  progress(`${rows} rows in ${Math.round(seconds)} s`);

  const names = await allNames(client);
  demand(names.length === rows, `${names.length} keys instead of ${rows}`);
  demand(new Set(names).size === rows, 'a row was imported twice');
  for (const i of sample(range(rows), VERIFIED)) {
    const { body } = await client.send<{ code: string; name: string }>('POST', '/keys/verify', {
      key: keyOf(i),
      tenantId: TENANT,
    });
    demand(body.code === 'VALID' && body.name === `key-${i}`, `key ${i} is ${body.code}`);
  }
  const again = start(server, path);
  demand((await again.ended) === 0, 'a second run of the same failed');
  demand((await allNames(client)).length === rows, 'a second run of the same imported something');
  return { rows, kills, rowsPerSecond: Math.round(rows / seconds) };
}

type Started = {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  readonly texts: { stdout: string; stderr: string };
};

function start(server: Launcher, path: string): Started {
  const flags = ['--map', 'hash=key_hash', '--map', 'name=label', '--json'];
  const program = ['--disable-warning=ExperimentalWarning', join(ROOT, 'client/src/cli/bin.ts')];
  const child = spawn(process.execPath, [...program, 'keys', 'import', path, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { KEYSTEAD_URL: server.url, KEYSTEAD_TOKEN: server.adminToken, KEYSTEAD_TENANT: TENANT },
  });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text;
    });
  }
  return { child, texts, ended: once(child, 'close').then(() => child.exitCode) };
}

/** How many rows the journal has as done. */
function importedRows(journal: string): number {
  let text: string;
  try {
    text = readFileSync(journal, 'utf8');
  } catch {
    // It is not there before the first batch.
    return 0;
  }
  return [...text.matchAll(/"done":\d+,"rows":(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}

async function allNames(client: Client): Promise<string[]> {
  const names: string[] = [];
  let cursor = '';
  for (;;) {
    type Page = { data: { name: string }[]; page: { nextCursor: string | null } };
    const { data, page } = await client.get<Page>(`/tenants/${TENANT}/keys?limit=100${cursor}`);
    names.push(...data.map(({ name }) => name));
    if (page.nextCursor === null) return names;
    cursor = `&cursor=${encodeURIComponent(page.nextCursor)}`;
  }
}
