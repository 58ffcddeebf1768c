/**
 * Numbers that would take a walk over all keys to find out, kept along with every change in one small table: how many keys there are, and how many
 * depend on each keyring entry.
 */
import type { KeyStatus } from './record.ts';
import { hasEnded } from './status.ts';

/** `envelope`: stored envelopes by entry of ENCRYPTION_KEY. `signature`: living keys by entry of HMAC_SECRET. */
export type CountKind = 'keys' | 'envelope' | 'signature';

export const COUNT_QUERIES = {
  add: 'INSERT INTO counts (kind, entry, n) VALUES (?, ?, ?) ON CONFLICT (kind, entry) DO UPDATE SET n = n + excluded.n',
  ofKind: 'SELECT entry, n FROM counts WHERE kind = ? AND n <> 0',
} as const;

export class Counts {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Number by keyring entry (0 for `keys`), without zeros. */
  byEntry(kind: CountKind): Map<number, number> {
    const rows = this.#sql.exec<{ entry: number; n: number }>(COUNT_QUERIES.ofKind, kind).toArray();
    return new Map(rows.map(({ entry, n }) => [entry, n]));
  }

  add(kind: CountKind, entry: number, n: number): void {
    if (n !== 0) this.#sql.exec(COUNT_QUERIES.add, kind, entry, n);
  }

  /** Follows one record from what was stored to what is stored now; null for not there. */
  follow(before: StoredState | null, after: StoredState | null): void {
    this.add('keys', 0, (after === null ? 0 : 1) - (before === null ? 0 : 1));
    this.#move('signature', before?.signature ?? null, after?.signature ?? null);
    this.#move('envelope', before?.envelope ?? null, after?.envelope ?? null);
  }

  #move(kind: CountKind, from: number | null, to: number | null): void {
    if (from === to) return;
    if (from !== null) this.add(kind, from, -1);
    if (to !== null) this.add(kind, to, 1);
  }
}

/** What of a record is counted. */
export type StoredState = { readonly signature: number | null; readonly envelope: number | null };

export function storedState(signingKeyId: number, sealingKeyId: number | null, status: KeyStatus): StoredState {
  return { signature: hasEnded(status) ? null : signingKeyId, envelope: sealingKeyId };
}
