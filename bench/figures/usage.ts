/**
 * How long questions about the usage of many keys take, and what usage takes on disk. The rows are written into the
 * database while the server is stopped, because counting a month of verifications would take a month: each key was
 * used in each hour of 30 days, each owner has 100 keys.
 */
import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { startOfPeriod } from '../../domain/usage/periods.ts';
import { addSlot, count, newTally, pack, type Slots } from '../../domain/usage/tally.ts';
import type { Progress } from '../progress.ts';
import { Api } from '../servers/api.ts';
import type { Keystead } from '../servers/keystead.ts';

export type UsageFigures = {
  readonly keys: number;
  readonly owners: number;
  /** Bytes of the series by hour and by day, for each key and day of use. */
  readonly hourBytes: number;
  readonly dayBytes: number;
  readonly questions: readonly {
    readonly name: string;
    readonly rows: number;
    readonly pages: number;
    /** Of all pages together, and of the slowest. The fastest of a few runs. */
    readonly ms: number;
    readonly slowestPageMs: number;
  }[];
};

export const USAGE_FIGURES = 'usage of many keys';

const TENANT = 'bench-usage';
const KEYS_OF_OWNER = 100;
const DAYS = 30;
const RUNS = 5;
/** A month of 30 days, long past for the server, and kept for all that. */
const MONTH = 2024 * 12 + 5;
const KEPT = { usageHourRetentionSeconds: 31_536_000, usageDayRetentionSeconds: 315_360_000 };
const ROWS_OF_PAGE = 1000;

const QUESTIONS = [
  ['total by day', 'interval=day'],
  ['by code, a month', 'groupBy=code&interval=month'],
  ['by owner, a month', 'groupBy=owner&interval=month'],
  ['by owner, a day by hours', 'groupBy=owner&interval=hour&oneDay'],
  ['by key of one owner, a month', 'groupBy=key&owner=owner-7&interval=month'],
  ['by key, a month', 'groupBy=key&interval=month'],
] as const;

export async function measureUsage(
  start: (path: string) => Promise<Keystead>,
  folder: string,
  keys: number,
  progress: Progress,
): Promise<UsageFigures> {
  progress.step(`usage of ${keys} keys`);
  const owners = Math.max(Math.ceil(keys / KEYS_OF_OWNER), 1);
  const month = recentMonth();
  const filled = await fill(start, folder, keys, owners, month, progress);
  await using server = await start(folder);
  const api = new Api(server);
  const questions: UsageFigures['questions'][number][] = [];
  for (const [name, query] of QUESTIONS) {
    progress.detail(name);
    const runs = [];
    for (let run = 0; run < RUNS; run++) runs.push(await ask(api, query, month));
    const [fastest] = runs.toSorted((a, b) => a.ms - b.ms);
    if (fastest === undefined) throw new Error('no run');
    questions.push({ name, ...fastest });
  }
  await server.stop();
  return { keys, owners, ...filled, questions };
}

/** The month before this one, all of which is kept. */
function recentMonth(): number {
  const now = new Date();
  return Math.max(now.getUTCFullYear() * 12 + now.getUTCMonth() - 1, MONTH);
}

async function fill(
  start: (path: string) => Promise<Keystead>,
  folder: string,
  keys: number,
  owners: number,
  month: number,
  progress: Progress,
): Promise<{ readonly hourBytes: number; readonly dayBytes: number }> {
  const server = await start(folder);
  await new Api(server).createTenant(TENANT, { leaseSeconds: 0, ...KEPT });
  const [path] = server.databases().filter((candidate) => hasUsage(candidate));
  await server.stop();
  if (path === undefined) throw new Error('the tenant has no database file');
  const database = new DatabaseSync(path);
  try {
    database.exec('PRAGMA synchronous = OFF');
    progress.detail('names');
    database.exec(`
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${owners})
        INSERT INTO usage_names SELECT i, 2, 'owner-' || i, ${month} FROM n;
      WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${keys})
        INSERT INTO usage_names SELECT ${owners} + i, 3, printf('key_%017d', i), ${month} FROM n`);
    const before = sizeOf(database, path);
    progress.detail('days');
    insert(database, 'usage_days', month, packed(DAYS, 480), keys, owners);
    const withDays = sizeOf(database, path);
    const firstDay = startOfPeriod('days', month) / 86_400_000;
    for (let day = 0; day < DAYS; day++) {
      progress.detail(`hours of day ${day + 1}`);
      insert(database, 'usage_hours', firstDay + day, packed(24, 20), keys, owners);
    }
    const uses = keys * DAYS;
    return { hourBytes: (sizeOf(database, path) - withDays) / uses, dayBytes: (withDays - before) / uses };
  } finally {
    database.close();
  }
}

const hasUsage = (path: string): boolean => {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return database.prepare('SELECT 1 AS found FROM tenant WHERE id = ?').get(TENANT) !== undefined;
  } catch {
    return false;
  } finally {
    database.close();
  }
};

/** The rows of all levels for one period. */
function insert(
  database: DatabaseSync,
  table: string,
  period: number,
  counts: Uint8Array,
  keys: number,
  owners: number,
): void {
  const columns = `${table} (level, period, key, owner, plan, counts)`;
  const numbers = (n: number) => `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${n})`;
  const run = (sql: string) => database.prepare(sql).run(period, counts);
  run(`INSERT INTO ${columns} VALUES (0, ?, 0, 0, 0, ?)`);
  run(`INSERT INTO ${columns} VALUES (1, ?, 0, 0, 0, ?)`);
  run(`${numbers(owners)} INSERT INTO ${columns} SELECT 2, ?, 0, i, 0, ? FROM n`);
  run(`${numbers(keys)} INSERT INTO ${columns}
    SELECT 3, ?, ${owners} + i, 1 + i % ${owners}, 0, ? FROM n`);
}

/** Counts in each of some slots: mostly valid, a few limited. */
function packed(slotCount: number, verifications: number): Uint8Array {
  const slots: Slots = new Map();
  for (let slot = 0; slot < slotCount; slot++) {
    const tally = newTally();
    for (let i = 0; i < verifications; i++) count(tally, i % 20 === 0 ? 'RATE_LIMITED' : 'VALID', 1);
    addSlot(slots, slot, tally);
  }
  return pack(slots);
}

function sizeOf(database: DatabaseSync, path: string): number {
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  return statSync(path).size;
}

/** Asks one question, page by page. */
async function ask(api: Api, query: string, month: number) {
  const from = startOfPeriod('days', month);
  const to = from + (query.includes('oneDay') ? 1 : DAYS) * 86_400_000;
  const bounds = `from=${new Date(from).toISOString()}&to=${new Date(to).toISOString()}`;
  const path = `/v1/tenants/${TENANT}/usage?limit=${ROWS_OF_PAGE}&${query.replace('&oneDay', '')}&${bounds}`;
  const startedAt = performance.now();
  let [rows, pages, slowestPageMs] = [0, 0, 0];
  for (let cursor = ''; ; ) {
    const pageAt = performance.now();
    const body = await api.call('GET', `${path}${cursor}`);
    slowestPageMs = Math.max(slowestPageMs, performance.now() - pageAt);
    pages += 1;
    const { data, page } = body as { data: unknown[]; page: { nextCursor: string | null } };
    rows += data.length;
    if (page.nextCursor === null) break;
    cursor = `&cursor=${page.nextCursor}`;
  }
  return { rows, pages, ms: performance.now() - startedAt, slowestPageMs };
}
