/**
 * Kept results: the first result of each request with an `Idempotency-Key`, for a day. A result is written in the
 * mutation's own transaction, so there is a kept result exactly when there is an effect. A decided failure is a result
 * too. Key strings are kept only sealed.
 */
import type { Command, Idempotency } from '../domain/command.ts';
import { type Failure, fail, type Mutated } from '../domain/outcome.ts';
import { textParts } from './sql/text-parts.ts';

/** How long a result is kept (contract: 24 h). */
export const KEPT_FOR_MS = 24 * 60 * 60 * 1000;

/**
 * Table and indexes of kept results, the same in every object that keeps any. Part of released migrations: never edit
 * it, comments included (tenant/migrations.ts); append a migration. The column `fingerprint` holds the request hash,
 * `answer` the result.
 */
export const IDEMPOTENCY_TABLES = `
  CREATE TABLE idempotency (
    seq INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    part INTEGER NOT NULL,        -- long answers take several rows
    fingerprint TEXT NOT NULL,
    answer TEXT NOT NULL,         -- this part of the answer's JSON
    sealed_secrets BLOB,
    sealing_key_id INTEGER,
    created_at INTEGER NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX idempotency_by_key ON idempotency (key, part);
  CREATE INDEX idempotency_by_time ON idempotency (created_at);
  CREATE INDEX idempotency_by_sealing_key ON idempotency (sealing_key_id) WHERE sealing_key_id IS NOT NULL;
`;

export const IDEMPOTENCY_QUERIES = {
  find: `SELECT fingerprint AS requestHash, operation_id, answer, sealed_secrets FROM idempotency
    WHERE key = ? AND created_at > ? ORDER BY part`,
  forget: 'DELETE FROM idempotency WHERE key = ?',
  insert: `INSERT INTO idempotency
    (key, part, fingerprint, operation_id, answer, sealed_secrets, sealing_key_id, created_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  first: 'SELECT created_at AS at FROM idempotency ORDER BY created_at LIMIT 1',
  purge: `DELETE FROM idempotency
    WHERE seq IN (SELECT seq FROM idempotency WHERE created_at <= ? ORDER BY created_at LIMIT ?)`,
  countOld: 'SELECT count(*) AS n FROM (SELECT 1 FROM idempotency WHERE created_at <= ? LIMIT ?)',
  sealedBefore: `SELECT key, sealed_secrets AS envelope FROM idempotency WHERE sealing_key_id < ? LIMIT ?`,
  sealedAfter: `SELECT key, sealed_secrets AS envelope FROM idempotency WHERE sealing_key_id > ? LIMIT ?`,
  reseal:
    'UPDATE idempotency SET sealed_secrets = ?, sealing_key_id = ? WHERE key = ? AND part = 0 AND sealed_secrets = ?',
  countSealed:
    'SELECT sealing_key_id AS entry, count(*) AS n FROM idempotency WHERE sealing_key_id IS NOT NULL GROUP BY 1',
} as const;

/** A kept result as it is stored. */
export type KeptResult = {
  readonly requestHash: string;
  /** The command that had this result; null for results from before commands were recorded. */
  readonly commandId: string | null;
  /** JSON text of the result. */
  readonly result: string;
  readonly sealedSecrets: Uint8Array | null;
};

export class IdempotencyStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The result that is kept for a hashed `Idempotency-Key`, whatever the request; null when there is none. */
  find(key: string, now: number): KeptResult | null {
    type Row = {
      requestHash: string;
      operation_id: string | null;
      answer: string;
      sealed_secrets: ArrayBuffer | null;
    };
    const parts = this.#sql.exec<Row>(IDEMPOTENCY_QUERIES.find, key, now - KEPT_FOR_MS).toArray();
    const [first] = parts;
    if (first === undefined) return null;
    return {
      requestHash: first.requestHash,
      commandId: first.operation_id,
      result: parts.map((part) => part.answer).join(''),
      sealedSecrets: first.sealed_secrets && new Uint8Array(first.sealed_secrets),
    };
  }

  /**
   * The kept result of the command's `Idempotency-Key`; null when there is none. Fails with `idempotency_key_reused`
   * when the key came with another request before.
   */
  resultOf<T, F = never>({ idempotency, id, retry }: Command, now: number): Mutated<T, F | Failure> | null {
    const kept = idempotency && this.find(idempotency.key, now);
    if (!kept) return null;
    if (kept.requestHash !== idempotency.requestHash) return fail({ code: 'idempotency_key_reused' });
    const result: Mutated<T, F | Failure> = JSON.parse(kept.result);
    // A call that the Worker repeats is no replay: to its caller it is still the first request. The key strings in hand
    // are those that were minted for it.
    const isRetry = retry && kept.commandId === id;
    return isRetry ? result : { ...result, replay: { sealedSecrets: kept.sealedSecrets } };
  }

  /** Keeps the JSON text of a result. Call it inside the mutation's transaction. */
  keep({ key, requestHash, sealedSecrets }: Idempotency, commandId: string, result: string, now: number): void {
    // A result that is too old to be returned may still be stored, until it is purged.
    this.#sql.exec(IDEMPOTENCY_QUERIES.forget, key);
    for (const [part, text] of textParts(result).entries()) {
      const secrets = part === 0 && sealedSecrets !== null ? new Uint8Array(sealedSecrets) : null;
      // The second byte of an envelope names the keyring entry (src/crypto/envelope.ts).
      const sealed = [secrets?.buffer ?? null, secrets?.[1] ?? null];
      this.#sql.exec(IDEMPOTENCY_QUERIES.insert, key, part, requestHash, commandId, text, ...sealed, now);
    }
  }

  /** When the oldest result may be purged (ms); null when there is none. */
  firstDueAt(): number | null {
    const first = this.#sql.exec<{ at: number }>(IDEMPOTENCY_QUERIES.first).toArray()[0];
    return first === undefined ? null : first.at + KEPT_FOR_MS;
  }

  /** Deletes up to `limit` rows whose time is over, oldest first. Returns how many. */
  purge(now: number, limit: number): number {
    const old = this.countOld(now, limit);
    if (old > 0) this.#sql.exec(IDEMPOTENCY_QUERIES.purge, now - KEPT_FOR_MS, limit);
    return old;
  }

  /** How many rows wait for their purge, counted up to `limit`. */
  countOld(now: number, limit: number): number {
    return this.#sql.exec<{ n: number }>(IDEMPOTENCY_QUERIES.countOld, now - KEPT_FOR_MS, limit).one().n;
  }

  /** Sealed key strings under another keyring entry than this one. */
  sealedOtherwise(currentId: number, limit: number): { readonly id: string; readonly envelope: Uint8Array }[] {
    type Row = { key: string; envelope: ArrayBuffer };
    return [IDEMPOTENCY_QUERIES.sealedBefore, IDEMPOTENCY_QUERIES.sealedAfter]
      .flatMap((query) => this.#sql.exec<Row>(query, currentId, limit).toArray())
      .map(({ key, envelope }) => ({ id: key, envelope: new Uint8Array(envelope) }));
  }

  /** Replaces `before` with `after`, if `before` is still stored. */
  reseal(key: string, before: Uint8Array, after: Uint8Array): void {
    const buffers = [before, after].map((bytes) => new Uint8Array(bytes).buffer);
    this.#sql.exec(IDEMPOTENCY_QUERIES.reseal, buffers[1] ?? null, after[1] ?? null, key, buffers[0] ?? null);
  }

  /** How many sealed key strings there are by keyring entry. The table holds no more than a day's results. */
  countSealed(): Map<number, number> {
    const rows = this.#sql.exec<{ entry: number; n: number }>(IDEMPOTENCY_QUERIES.countSealed).toArray();
    return new Map(rows.map(({ entry, n }) => [entry, n]));
  }
}
