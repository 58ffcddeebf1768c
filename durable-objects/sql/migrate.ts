/**
 * Migrations of an object's database: an append-only list. Each is applied once, in order, in one transaction with the
 * new version number. The platform refuses `PRAGMA user_version`, so the version is kept in a table.
 */
import { logEvent } from '../log.ts';

/** SQL statements that lead from version n to version n + 1. Never edit a released one: append another. */
export type Migration = string;

/**
 * Message of the error for a database that a newer version wrote. The message survives the RPC, so the Worker
 * recognises the error by it (src/object-client.ts).
 */
export const NEWER_DATABASE = 'the database was written by a newer version of Keystead';

/**
 * The version of this database: how many migrations were applied; 0 when it was never set up. Reading it writes
 * nothing.
 */
export function databaseVersion(sql: SqlStorage): number {
  const found = sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'").toArray();
  if (found.length === 0) return 0;
  return sql.exec<{ version: number }>('SELECT version FROM schema_version').one().version;
}

/**
 * Applies the migrations after version `from`. Call it inside `transactionSync` when other writes belong to it. Throws
 * `NEWER_DATABASE` when the database knows more migrations than this program.
 */
export function migrate(storage: DurableObjectStorage, migrations: readonly Migration[], from: number): void {
  const { sql } = storage;
  if (from === migrations.length) return;
  if (from > migrations.length) {
    logEvent('error', 'database_is_newer', { schemaVersion: from, newestKnown: migrations.length });
    throw new Error(NEWER_DATABASE);
  }
  storage.transactionSync(() => {
    if (from === 0)
      sql.exec('CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT; INSERT INTO schema_version VALUES (0)');
    for (const migration of migrations.slice(from)) sql.exec(migration);
    sql.exec('UPDATE schema_version SET version = ?', migrations.length);
  });
}
