/**
 * Revoking a whole group of keys in one step, however many there are: all keys of an owner, or all of a lineage. The step writes one row:
 * everything of this group up to this `seq` is revoked as of this time. From then on each of those keys reads as revoked; the alarm writes it into
 * their own rows afterwards, in batches, each key with its own audit entry, and drops the row when none is left.
 *
 * Small groups never come here: their rows are written at once (keys/mutations.ts). So a row here stands for more than `DIRECT_MAX` keys, and
 * however often somebody revokes, there are fewer rows than keys / DIRECT_MAX.
 */
import type { KeyRecord } from '../../../domain/keys/record.ts';
import { revokeKey } from '../../../domain/keys/transitions.ts';

export type KeyGroup = { readonly kind: 'owner' | 'lineage'; readonly value: string };

export type GroupRevocation = KeyGroup & {
  readonly id: number;
  readonly revokedAt: number;
  /** Id of the actor; null for revocations from before actors were noted. */
  readonly revokedBy: string | null;
  /** The audit entry of the whole, which the entries of the keys name; null as above. */
  readonly commandId: string | null;
  /** The last key that existed at that time. */
  readonly upToSeq: number;
  /** Keys up to this one have it in their own rows. */
  readonly writtenToSeq: number;
};

const COLUMNS =
  'id, kind, value, revoked_at AS revokedAt, revoked_by AS revokedBy, operation_id AS commandId, up_to_seq AS upToSeq, written_to_seq AS writtenToSeq';

/** What of a record a revocation looks at and changes. */
type Overlaid = Pick<KeyRecord, 'seq' | 'owner' | 'lineage' | 'revokedAt' | 'revokedBy' | 'updatedAt' | 'version'>;

export const GROUP_REVOCATION_QUERIES = {
  all: `SELECT ${COLUMNS} FROM group_revocations ORDER BY id`,
  insert: `INSERT INTO group_revocations (kind, value, revoked_at, revoked_by, operation_id, up_to_seq, written_to_seq)
    VALUES (?, ?, ?, ?, ?, ?, 0) RETURNING ${COLUMNS}`,
  writtenTo: 'UPDATE group_revocations SET written_to_seq = ? WHERE id = ?',
  remove: 'DELETE FROM group_revocations WHERE id = ?',
  newcomers: 'SELECT revocation, seq FROM group_newcomers',
  addNewcomer: 'INSERT INTO group_newcomers (revocation, seq) VALUES (?, ?) ON CONFLICT DO NOTHING',
  removeNewcomers: 'DELETE FROM group_newcomers WHERE revocation = ?',
} as const;

export class GroupRevocations {
  readonly #sql: SqlStorage;
  /** Oldest first: the first that covers a key is the one that revoked it. */
  #pending: readonly GroupRevocation[] = [];
  /** Keys that came to an owner after the revocation, which does not concern them, by revocation. */
  #newcomers = new Map<number, Set<number>>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Takes over what is stored: at the start, and after a transaction that did not commit. */
  reload(): void {
    this.#pending = this.#sql.exec<GroupRevocation>(GROUP_REVOCATION_QUERIES.all).toArray();
    this.#newcomers = new Map();
    if (this.#pending.length === 0) return;
    type Newcomer = { revocation: number; seq: number };
    for (const { revocation, seq } of this.#sql.exec<Newcomer>(GROUP_REVOCATION_QUERIES.newcomers))
      this.#remember(revocation, seq);
  }

  get pending(): readonly GroupRevocation[] {
    return this.#pending;
  }

  /** The last key of the group that a pending revocation covers, 0 for none. */
  coveredUpTo({ kind, value }: KeyGroup): number {
    const ofGroup = this.#pending.filter((pending) => pending.kind === kind && pending.value === value);
    return Math.max(0, ...ofGroup.map(({ upToSeq }) => upToSeq));
  }

  /** Keys that came to the group after pending revocations of it. */
  newcomersOf({ kind, value }: KeyGroup): number[] {
    const ofGroup = this.#pending.filter((pending) => pending.kind === kind && pending.value === value);
    return [...new Set(ofGroup.flatMap(({ id }) => [...(this.#newcomers.get(id) ?? [])]))];
  }

  /** The revocation by which a key reads as revoked although its own row does not say so yet; null for none. */
  of(record: Pick<KeyRecord, 'seq' | 'owner' | 'lineage'>): GroupRevocation | null {
    for (const pending of this.#pending) if (this.#covers(pending, record)) return pending;
    return null;
  }

  #covers({ id, kind, value, upToSeq }: GroupRevocation, record: Pick<KeyRecord, 'seq' | 'owner' | 'lineage'>) {
    return record[kind] === value && record.seq <= upToSeq && this.#newcomers.get(id)?.has(record.seq) !== true;
  }

  /** A key that is given to this owner now is not one of those that were revoked. */
  welcome(owner: string, seq: number): void {
    for (const { id, kind, value } of this.#pending) {
      if (kind !== 'owner' || value !== owner) continue;
      this.#sql.exec(GROUP_REVOCATION_QUERIES.addNewcomer, id, seq);
      this.#remember(id, seq);
    }
  }

  #remember(revocation: number, seq: number): void {
    this.#newcomers.set(revocation, (this.#newcomers.get(revocation) ?? new Set()).add(seq));
  }

  /** The record as it stands, given what its own row may not say yet. */
  overlay<T extends Overlaid>(record: T): T {
    if (this.#pending.length === 0 || record.revokedAt !== null) return record;
    const revocation = this.of(record);
    return revocation === null ? record : revokeKey(record, revocation.revokedAt, revocation.revokedBy);
  }

  add(revocation: Omit<GroupRevocation, 'id' | 'writtenToSeq'>): void {
    const { kind, value, revokedAt, revokedBy, commandId, upToSeq } = revocation;
    const added = this.#sql
      .exec<GroupRevocation>(GROUP_REVOCATION_QUERIES.insert, kind, value, revokedAt, revokedBy, commandId, upToSeq)
      .one();
    this.#pending = [...this.#pending, added];
  }

  /** Notes how far it is written to the rows; null when it is written to all of them. */
  wrote({ id }: GroupRevocation, toSeq: number | null): void {
    if (toSeq !== null) {
      this.#sql.exec(GROUP_REVOCATION_QUERIES.writtenTo, toSeq, id);
      this.#pending = this.#pending.map((each) => (each.id === id ? { ...each, writtenToSeq: toSeq } : each));
      return;
    }
    this.#sql.exec(GROUP_REVOCATION_QUERIES.remove, id);
    this.#sql.exec(GROUP_REVOCATION_QUERIES.removeNewcomers, id);
    this.#pending = this.#pending.filter((each) => each.id !== id);
    this.#newcomers.delete(id);
  }
}
