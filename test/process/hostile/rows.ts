/** Reads what a running server has stored from its database files. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/**
 * Leaves out what may change at any time, even while a request is refused: an attempt to reveal is audited, the
 * response of a refusal is stored, the use of a key and usage are written separately, and the alarm updates keys that
 * have ended, with a report.
 */
const SELECTS: Readonly<Record<string, string>> = {
  keys: 'SELECT *, NULL AS last_used_at, NULL AS status, NULL AS due_at, NULL AS ended_at FROM keys',
  audit: "SELECT * FROM audit WHERE action <> 'key.reveal'",
  rotations: 'SELECT *, NULL AS successor_first_used_at FROM rotations',
  tenant: 'SELECT *, NULL AS leases_out FROM tenant',
};
const LEFT_OUT: ReadonlySet<string> = new Set(
  ['idempotency', 'results', 'cleanups', 'counts', 'probe'].concat(['usage_names', 'usage_hours', 'usage_days']),
);

/** One object's database. */
export class StoredRows implements Disposable {
  readonly #database: DatabaseSync;
  #dataVersion: unknown;
  #rows = '';

  constructor(path: string) {
    this.#database = new DatabaseSync(path, { readOnly: true });
  }

  /** All rows as text. They are read again only when something was committed since the last time. */
  read(): string {
    const version = this.#database.prepare('PRAGMA data_version').get()?.data_version;
    if (version !== this.#dataVersion) {
      this.#dataVersion = version;
      this.#rows = JSON.stringify(
        this.#tables().map((name) => [name, this.#select(name)]),
        bytesAsHex,
      );
    }
    return this.#rows;
  }

  #tables(): string[] {
    const all = this.#database.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").all();
    return all.map(({ name }) => String(name)).filter((name) => !name.startsWith('_') && !LEFT_OUT.has(name));
  }

  #select(name: string): unknown {
    const statement = this.#database.prepare(SELECTS[name] ?? `SELECT * FROM ${name}`);
    // Sequence numbers of the log exceed what a double holds exactly.
    statement.setReadBigInts(true);
    return statement.all();
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

function bytesAsHex(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}

/** The databases of a namespace, by path. */
export function databases(dataDir: string, namespace: 'keystead-tenant' | 'keystead-directory'): string[] {
  const folder = join(dataDir, 'objects', namespace);
  return readdirSync(folder)
    .filter((name) => /^[0-9a-f]{64}\.sqlite$/.test(name))
    .map((name) => join(folder, name));
}
