/**
 * `npm run backup -- TARGET` copies the databases of DATA_DIR into a new folder, whether the server runs or not. Each
 * copy is consistent in itself, because SQLite's online backup makes it. The secrets are not copied: whoever has both
 * the databases and the secrets has all keys, so they should be kept apart.
 */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { DataDirectory, makeFolder } from './data-directory.ts';
import { dataDirOf } from './settings.ts';
import { errorCode, StartupError } from './startup-error.ts';

/** Copied in this order. A tenant that is created or deleted meanwhile may be in one of the copies only. */
const NAMESPACES = ['keystead-tenant', 'keystead-directory'];
/** How long the server may lock a database exclusively, which it does briefly during a checkpoint (ms). */
const BUSY_TIMEOUT_MS = 10_000;

/** Copies all databases and returns how many. `target` must be new or empty. */
export async function backUp(directory: DataDirectory, target: string): Promise<number> {
  if (!existsSync(directory.objectsPath)) throw new StartupError(`DATA_DIR ${directory.path} has no data`);
  if (`${target}${sep}`.startsWith(`${directory.path}${sep}`)) {
    throw new StartupError('the target is in DATA_DIR: give a folder elsewhere, on another disk if you can');
  }
  makeEmptyFolder(target);
  let copied = 0;
  for (const namespace of NAMESPACES) {
    const folder = join(directory.objectsPath, namespace);
    const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.sqlite')) : [];
    for (const name of names) {
      await copyDatabase(join(folder, name), join(target, 'objects', namespace, name));
      copied += 1;
    }
  }
  return copied;
}

function makeEmptyFolder(path: string): void {
  try {
    makeFolder(path);
    if (readdirSync(path).length > 0) throw new StartupError(`${path} is not empty: give a new folder`);
  } catch (error) {
    if (error instanceof StartupError) throw error;
    throw new StartupError(`${path} cannot be made (${errorCode(error) ?? 'unknown error'})`);
  }
}

async function copyDatabase(source: string, target: string): Promise<void> {
  makeFolder(dirname(target));
  const database = new DatabaseSync(source, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
  try {
    // All pages in one step, because a change by the server would make a backup in several steps start again.
    await backup(database, target, { rate: 2 ** 31 - 1 });
  } finally {
    database.close();
  }
}

async function main([target, ...rest]: readonly string[]): Promise<void> {
  if (target === undefined || rest.length > 0) throw new StartupError('usage: npm run backup -- <new folder>');
  const directory = new DataDirectory(dataDirOf(process.env));
  const copied = await backUp(directory, resolve(target));
  console.log(`${copied} databases are in ${resolve(target)}.`);
  console.log(`The secrets are not: keep a copy of ${directory.secretsPath} in another place.`);
}

if (import.meta.main) {
  // Only the owner may read the copies.
  process.umask(0o077);
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    console.error(`keystead: ${error instanceof StartupError ? error.message : `the backup failed: ${error}`}`);
    process.exitCode = 1;
  }
}
