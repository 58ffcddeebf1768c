/**
 * Numbers that would otherwise take a walk over all keys: how many keys there are, how many are in each stored status,
 * and how many depend on each keyring entry. They are kept in one row, and in memory, and updated with every change.
 */
import { KEY_STATUSES, type KeyStatus } from '../../../domain/keys/record.ts';
import { hasEnded } from '../../../domain/keys/status.ts';

/**
 * What is counted, and what the `entry` of each count is.
 *
 * - `keys`: all keys; the entry is 0.
 * - `envelope`: stored envelopes, by entry of ENCRYPTION_KEY.
 * - `signature`: living keys, by entry of HMAC_SECRET.
 * - `status`: keys, by the index of their stored status in `KEY_STATUSES`.
 */
export type CountKind = 'keys' | 'envelope' | 'signature' | 'status';

/**
 * Counts the keys that existed before statuses were counted, once for each tenant. It walks the index of statuses,
 * which takes some 40 ms for a million keys. The numbers are indexes in `KEY_STATUSES` and must not change. Part of
 * released migrations: never edit it.
 */
export const STATUS_COUNTS_MIGRATION = `
  INSERT INTO counts (kind, entry, n)
  SELECT 'status', CASE status
      WHEN 'active' THEN 0 WHEN 'rotating' THEN 1 WHEN 'rotated' THEN 2 WHEN 'disabled' THEN 3 WHEN 'expired' THEN 4
      ELSE 5 END, count(*)
  FROM keys GROUP BY status;
`;

/** All counts are one row, a JSON object: `kind/entry` to number. So a change writes one short row. */
export const COUNT_QUERIES = {
  read: 'SELECT counts FROM key_counts WHERE id = 1',
  write: 'INSERT OR REPLACE INTO key_counts (id, counts) VALUES (1, ?)',
} as const;

export class Counts {
  readonly #sql: SqlStorage;
  /** All counts, with what the current transaction has added so far; null before the first look. */
  #counts: Map<string, number> | null = null;
  #isChanged = false;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The counts of a kind by entry, without zeros. */
  byEntry(kind: CountKind): Map<number, number> {
    const found = new Map<number, number>();
    for (const [name, n] of this.#read()) {
      const [of, entry] = name.split('/');
      if (of === kind) found.set(Number(entry), n);
    }
    return found;
  }

  /** How many keys are in each stored status. */
  byStatus(): Record<KeyStatus, number> {
    const stored = this.byEntry('status');
    const counts: Record<KeyStatus, number> = {
      active: 0,
      rotating: 0,
      rotated: 0,
      disabled: 0,
      expired: 0,
      revoked: 0,
    };
    for (const [place, status] of KEY_STATUSES.entries()) counts[status] = stored.get(place) ?? 0;
    return counts;
  }

  #read(): Map<string, number> {
    if (this.#counts === null) {
      const row = this.#sql.exec<{ counts: string }>(COUNT_QUERIES.read).toArray()[0];
      const parsed: Readonly<Record<string, number>> = JSON.parse(row?.counts ?? '{}');
      this.#counts = new Map(Object.entries(parsed));
    }
    return this.#counts;
  }

  /** Adds `n`, which may be negative, to a count. */
  add(kind: CountKind, entry: number, n: number): void {
    if (n === 0) return;
    const counts = this.#read();
    const name = `${kind}/${entry}`;
    const sum = (counts.get(name) ?? 0) + n;
    if (sum === 0) counts.delete(name);
    else counts.set(name, sum);
    this.#isChanged = true;
  }

  /** Writes what was added, and says whether there was something. Called once at the end of a transaction. */
  flush(): boolean {
    if (!this.#isChanged) return false;
    this.#sql.exec(COUNT_QUERIES.write, JSON.stringify(Object.fromEntries(this.#read())));
    this.#isChanged = false;
    return true;
  }

  /** Drops what was added. Call it after a transaction that did not commit. */
  discard(): void {
    this.#counts = null;
    this.#isChanged = false;
  }

  /**
   * Updates the counts for one record that was stored as `before` and is now stored as `after`; null means not stored.
   */
  follow(before: StoredState | null, after: StoredState | null): void {
    this.add('keys', 0, (after === null ? 0 : 1) - (before === null ? 0 : 1));
    this.#move('signature', before?.signature ?? null, after?.signature ?? null);
    this.#move('envelope', before?.envelope ?? null, after?.envelope ?? null);
    this.#move('status', statusIndex(before), statusIndex(after));
  }

  #move(kind: CountKind, from: number | null, to: number | null): void {
    if (from === to) return;
    if (from !== null) this.add(kind, from, -1);
    if (to !== null) this.add(kind, to, 1);
  }
}

/** The fields of a stored record that are counted. */
export type StoredState = {
  readonly signature: number | null;
  readonly envelope: number | null;
  /** null for a change that leaves the status as it is. */
  readonly status: KeyStatus | null;
};

function statusIndex(state: StoredState | null): number | null {
  return state === null || state.status === null ? null : KEY_STATUSES.indexOf(state.status);
}

/** The counted fields of a record with this stored status. A key that has ended counts for no signature. */
export function storedState(signingKeyId: number, sealingKeyId: number | null, status: KeyStatus): StoredState {
  return { signature: hasEnded(status) ? null : signingKeyId, envelope: sealingKeyId, status };
}
