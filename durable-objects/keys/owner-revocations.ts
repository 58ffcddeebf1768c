/**
 * Revoking all keys of an owner in one step, however many there are. The step writes one row: everything of this owner up to this `seq` is revoked as of
 * this time. From then on each of those keys reads as revoked; cleanup writes it into their own rows afterwards, in batches, and drops the
 * row when none is left.
 */
import type { KeyRecord } from './record.ts';
import { revokeKey } from './transitions.ts';

export type OwnerRevocation = {
  readonly owner: string;
  readonly revokedAt: number;
  /** The last key that existed at that time. */
  readonly upToSeq: number;
  /** Keys up to this one have it in their own rows. */
  readonly writtenToSeq: number;
};

export const OWNER_REVOCATION_QUERIES = {
  all: 'SELECT owner, revoked_at AS revokedAt, up_to_seq AS upToSeq, written_to_seq AS writtenToSeq FROM owner_revocations',
  put: `INSERT INTO owner_revocations (owner, revoked_at, up_to_seq, written_to_seq) VALUES (?, ?, ?, ?)
    ON CONFLICT (owner) DO UPDATE SET (revoked_at, up_to_seq, written_to_seq) = (excluded.revoked_at, excluded.up_to_seq, excluded.written_to_seq)`,
  remove: 'DELETE FROM owner_revocations WHERE owner = ?',
  newcomers: 'SELECT owner, seq FROM owner_newcomers',
  addNewcomer: 'INSERT INTO owner_newcomers (owner, seq) VALUES (?, ?) ON CONFLICT DO NOTHING',
  removeNewcomers: 'DELETE FROM owner_newcomers WHERE owner = ?',
} as const;

export class OwnerRevocations {
  readonly #sql: SqlStorage;
  #pending = new Map<string, OwnerRevocation>();
  /** Keys that came to an owner after the revocation, which does not concern them. */
  #newcomers = new Map<string, Set<number>>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Takes over what is stored: at the start, and after a transaction that did not commit. */
  reload(): void {
    const rows = this.#sql.exec<OwnerRevocation>(OWNER_REVOCATION_QUERIES.all).toArray();
    this.#pending = new Map(rows.map((row) => [row.owner, row]));
    this.#newcomers = new Map();
    type Newcomer = { owner: string; seq: number };
    for (const { owner, seq } of this.#sql.exec<Newcomer>(OWNER_REVOCATION_QUERIES.newcomers))
      this.#remember(owner, seq);
  }

  get pending(): readonly OwnerRevocation[] {
    return [...this.#pending.values()];
  }

  /** Whether a key reads as revoked although its own row does not say so yet; null when it does not. */
  of({ owner, seq }: { readonly owner: string | null; readonly seq: number }): OwnerRevocation | null {
    if (this.#pending.size === 0 || owner === null) return null;
    const revocation = this.#pending.get(owner);
    if (revocation === undefined || seq > revocation.upToSeq) return null;
    return this.#newcomers.get(owner)?.has(seq) ? null : revocation;
  }

  /** A key that is given to this owner now is not one of those that were revoked. */
  welcome(owner: string, seq: number): void {
    if (!this.#pending.has(owner)) return;
    this.#sql.exec(OWNER_REVOCATION_QUERIES.addNewcomer, owner, seq);
    this.#remember(owner, seq);
  }

  #remember(owner: string, seq: number): void {
    this.#newcomers.set(owner, (this.#newcomers.get(owner) ?? new Set()).add(seq));
  }

  /** The record as it stands, given what its own row may not say yet. */
  overlay<T extends Pick<KeyRecord, 'seq' | 'owner' | 'revokedAt' | 'updatedAt' | 'version'>>(record: T): T {
    const revocation = this.of(record);
    return revocation === null ? record : revokeKey(record, revocation.revokedAt);
  }

  put(revocation: OwnerRevocation): void {
    const { owner, revokedAt, upToSeq, writtenToSeq } = revocation;
    this.#sql.exec(OWNER_REVOCATION_QUERIES.put, owner, revokedAt, upToSeq, writtenToSeq);
    this.#pending.set(owner, revocation);
  }

  remove(owner: string): void {
    this.#sql.exec(OWNER_REVOCATION_QUERIES.remove, owner);
    this.#sql.exec(OWNER_REVOCATION_QUERIES.removeNewcomers, owner);
    this.#pending.delete(owner);
    this.#newcomers.delete(owner);
  }
}
