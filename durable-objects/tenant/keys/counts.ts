/**
 * Numbers that would take a walk over all keys to find out, kept along with every change in one small table: how many keys there are, and how many
 * depend on each keyring entry.
 */
import { KEY_STATUSES, type KeyStatus } from '../../../domain/keys/record.ts';
import { hasEnded } from '../../../domain/keys/status.ts';

/**
 * `envelope`: stored envelopes by entry of ENCRYPTION_KEY. `signature`: living keys by entry of HMAC_SECRET. `status`: keys by stored status,
 * its place in `KEY_STATUSES`.
 */
export type CountKind = 'keys' | 'envelope' | 'signature' | 'status';

/**
 * Counts the keys that were there before statuses were counted, once for each tenant: a walk over the index of statuses, some 40 ms for a million keys.
 * The numbers are places in `KEY_STATUSES` and stay as they are.
 */
export const STATUS_COUNTS_MIGRATION = `
  INSERT INTO counts (kind, entry, n)
  SELECT 'status', CASE status
    WHEN 'active' THEN 0 WHEN 'rotating' THEN 1 WHEN 'rotated' THEN 2 WHEN 'disabled' THEN 3 WHEN 'expired' THEN 4 ELSE 5 END, count(*)
  FROM keys GROUP BY status;
`;

export const COUNT_QUERIES = {
  ofKind: 'SELECT entry, n FROM counts WHERE kind = ? AND n <> 0',
} as const;

/** Adds to several counts in one statement. */
const addAll = (rows: number) =>
  `INSERT INTO counts (kind, entry, n) VALUES ${Array(rows).fill('(?, ?, ?)').join(', ')} ON CONFLICT (kind, entry) DO UPDATE SET n = n + excluded.n`;

/** Counts that one statement adds to: three bound parameters each, of 100 that the platform allows. */
const ROWS_MAX = 30;

export class Counts {
  readonly #sql: SqlStorage;
  /** What the transaction under way has added to each count so far. */
  readonly #added = new Map<string, { readonly kind: CountKind; readonly entry: number; n: number }>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Number by entry (0 for `keys`), without zeros. */
  byEntry(kind: CountKind): Map<number, number> {
    this.flush();
    const rows = this.#sql.exec<{ entry: number; n: number }>(COUNT_QUERIES.ofKind, kind).toArray();
    return new Map(rows.map(({ entry, n }) => [entry, n]));
  }

  add(kind: CountKind, entry: number, n: number): void {
    if (n === 0) return;
    const name = `${kind}/${entry}`;
    const added = this.#added.get(name);
    if (added === undefined) this.#added.set(name, { kind, entry, n });
    else added.n += n;
  }

  /** Writes what was added: once, at the end of a transaction, unless somebody looks before. */
  flush(): void {
    if (this.#added.size === 0) return;
    const rows = [...this.#added.values()].filter(({ n }) => n !== 0);
    this.#added.clear();
    for (let from = 0; from < rows.length; from += ROWS_MAX) {
      const part = rows.slice(from, from + ROWS_MAX);
      this.#sql.exec(addAll(part.length), ...part.flatMap(({ kind, entry, n }) => [kind, entry, n]));
    }
  }

  /** Forgets what was added: after a transaction that did not commit. */
  discard(): void {
    this.#added.clear();
  }

  /** Follows one record from what was stored to what is stored now; null for not there. */
  follow(before: StoredState | null, after: StoredState | null): void {
    this.add('keys', 0, (after === null ? 0 : 1) - (before === null ? 0 : 1));
    this.#move('signature', before?.signature ?? null, after?.signature ?? null);
    this.#move('envelope', before?.envelope ?? null, after?.envelope ?? null);
    this.#move('status', placeOf(before), placeOf(after));
  }

  #move(kind: CountKind, from: number | null, to: number | null): void {
    if (from === to) return;
    if (from !== null) this.add(kind, from, -1);
    if (to !== null) this.add(kind, to, 1);
  }
}

/** What of a record is counted. */
export type StoredState = {
  readonly signature: number | null;
  readonly envelope: number | null;
  /** null for a change that does not concern it. */
  readonly status: KeyStatus | null;
};

function placeOf(state: StoredState | null): number | null {
  return state === null || state.status === null ? null : KEY_STATUSES.indexOf(state.status);
}

export function storedState(signingKeyId: number, sealingKeyId: number | null, status: KeyStatus): StoredState {
  return { signature: hasEnded(status) ? null : signingKeyId, envelope: sealingKeyId, status };
}
