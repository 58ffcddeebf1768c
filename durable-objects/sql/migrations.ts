/**
 * Schema migrations of an object's database: an append-only list, each applied once, in order, in one transaction with the record of it.
 * `PRAGMA user_version` is refused by the platform, so the version lives in a table.
 */
import { logEvent } from '../log.ts';

/** SQL statements that lead from version n to version n + 1. Never edit one that has been released: append another. */
export type Migration = string;

/** Message of the error that refuses a database of a later version. It crosses the call, so the Worker can tell. */
export const NEWER_DATABASE = 'the database was written by a newer version of Keystead';

/** Version of the schema in this database; 0 for one that was never set up, which this leaves without a single byte. */
export function schemaVersion(sql: SqlStorage): number {
  const found = sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'").toArray();
  if (found.length === 0) return 0;
  return sql.exec<{ version: number }>('SELECT version FROM schema_version').one().version;
}

/** Applies what is missing after version `from`. Call inside `transactionSync` when other writes belong to it. */
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
