/**
 * Bytes on disk for each key, including its indexes and audit entries: the size of a tenant's database file after a
 * clean stop and a checkpoint, divided by the number of keys. Keys have a name, an owner and two scopes, and no
 * metadata. Keys made in bulk and keys made one by one are measured separately, because their audit entries may differ.
 */
import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { LoadGenerator } from '../load/client.ts';
import { request } from '../load/client.ts';
import type { Progress } from '../progress.ts';
import { type Instance, keyBody } from '../servers/api.ts';

export type DiskFigures = {
  readonly made: 'in bulk' | 'one by one';
  readonly keys: number;
  readonly bytesPerKey: number;
  /** Bytes a key of each table and index, largest first. Empty where SQLite cannot tell. */
  readonly parts: readonly { readonly name: string; readonly bytesPerKey: number }[];
};

/** A database to measure after the server has stopped. */
export type FilledDatabase = Pick<DiskFigures, 'made' | 'keys'> & { readonly path: string };

/** Making keys one by one is slow, and a tenth of them gives the same figure. */
const ONE_BY_ONE_SHARE = 10;
/** With fewer keys, the pages that even an empty database has would distort the figure. */
const ONE_BY_ONE_MIN = 1000;
const ONE_BY_ONE_MAX_MS = 600_000;

export async function fillDatabases(
  instance: Instance,
  generator: LoadGenerator,
  keys: number,
  progress: Progress,
): Promise<FilledDatabase[]> {
  const { server, api } = instance;
  progress.step(`${keys} keys for the size on disk`);
  const inBulk = await newDatabase(instance, 'bench-disk-bulk');
  await api.fill('bench-disk-bulk', keys, 1, (done) => progress.detail(`${done} made`));
  const oneByOne = await newDatabase(instance, 'bench-disk-single');
  const fewer = Math.max(ONE_BY_ONE_MIN, Math.ceil(keys / ONE_BY_ONE_SHARE));
  const requests = Array.from({ length: fewer }, (_, number) =>
    request('POST', '/v1/tenants/bench-disk-single/keys', server.token, keyBody(number)),
  );
  const { host, port } = server.target;
  const load = {
    host,
    port,
    connections: 16,
    requests,
    expected: '"secret"',
    durationMs: ONE_BY_ONE_MAX_MS,
    once: true,
  };
  await generator.run(load);
  return [
    { made: 'in bulk', keys, path: inBulk },
    { made: 'one by one', keys: fewer, path: oneByOne },
  ];
}

/** Creates the tenant and returns the path of its object's database file. */
async function newDatabase({ server, api }: Instance, tenantId: string): Promise<string> {
  const before = new Set(server.databases());
  await api.createTenant(tenantId, { leaseSeconds: 0 });
  const path = server.databases().find((candidate) => !before.has(candidate));
  if (path === undefined) throw new Error('the tenant has no database file');
  return path;
}

/** Must be called after the server has stopped. */
export function sizeOf({ made, keys, path }: FilledDatabase): DiskFigures {
  const database = new DatabaseSync(path);
  try {
    database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    return { made, keys, bytesPerKey: statSync(path).size / keys, parts: partsOf(database, keys) };
  } finally {
    database.close();
  }
}

function partsOf(database: DatabaseSync, keys: number): DiskFigures['parts'] {
  try {
    const rows = database
      .prepare('SELECT name, sum(pgsize) AS bytes FROM dbstat GROUP BY name ORDER BY bytes DESC')
      .all();
    return rows
      .map(({ name, bytes }) => ({ name: String(name), bytesPerKey: Number(bytes) / keys }))
      .filter(({ bytesPerKey }) => bytesPerKey >= 1);
  } catch {
    return [];
  }
}
