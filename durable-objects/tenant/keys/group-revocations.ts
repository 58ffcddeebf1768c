/**
 * Revokes a whole group of keys in one step, however many they are: all keys of an owner, or all of a lineage. The step
 * writes one row, which says that every key of the group up to a `seq` is revoked as of a time. From then on each of
 * those keys reads as revoked. Later the alarm writes the revocation into the keys' own rows, in batches, each with an
 * audit entry, and deletes the row when all are written.
 *
 * Small groups have no row here: their keys are written at once (key-mutations.ts). Each row stands for more than
 * `DIRECT_MAX` keys, so however often somebody revokes, there are fewer rows than keys / `DIRECT_MAX`.
 */
import type { KeyRecord } from '../../../domain/keys/record.ts';
import { revokeKey } from '../../../domain/keys/transitions.ts';

/** All keys of an owner, or all of a lineage. */
export type KeyGroup = { readonly kind: 'owner' | 'lineage'; readonly value: string };

export type GroupRevocation = KeyGroup & {
  readonly id: number;
  readonly revokedAt: number;
  /** Id of the actor; null for revocations from before actors were recorded. */
  readonly revokedBy: string | null;
  /**
   * The command, whose audit entry stands for the whole group; null for revocations from before commands were recorded.
   */
  readonly commandId: string | null;
  /** `seq` of the last key that existed when the group was revoked. */
  readonly upToSeq: number;
  /** `seq` up to which the keys' own rows say so. */
  readonly writtenToSeq: number;
};

const COLUMNS = `id, kind, value, revoked_at AS revokedAt, revoked_by AS revokedBy, operation_id AS commandId,
  up_to_seq AS upToSeq, written_to_seq AS writtenToSeq`;

/** The fields of a record that a revocation reads and changes. */
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
  /** By revocation: keys that were given to the owner after it, so it does not cover them. */
  #newcomers = new Map<number, Set<number>>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Reads what is stored. Call it at the start, and after a transaction that did not commit. */
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

  /** `seq` of the last key that pending revocations of the group cover; 0 when there are none. */
  coveredUpTo({ kind, value }: KeyGroup): number {
    const ofGroup = this.#pending.filter((pending) => pending.kind === kind && pending.value === value);
    return Math.max(0, ...ofGroup.map(({ upToSeq }) => upToSeq));
  }

  /** Keys that were given to the group after pending revocations of it. */
  newcomersOf({ kind, value }: KeyGroup): number[] {
    const ofGroup = this.#pending.filter((pending) => pending.kind === kind && pending.value === value);
    return [...new Set(ofGroup.flatMap(({ id }) => [...(this.#newcomers.get(id) ?? [])]))];
  }

  /** The revocation by which a key reads as revoked while its own row does not say so; null when there is none. */
  of(record: Pick<KeyRecord, 'seq' | 'owner' | 'lineage'>): GroupRevocation | null {
    for (const pending of this.#pending) if (this.#covers(pending, record)) return pending;
    return null;
  }

  #covers({ id, kind, value, upToSeq }: GroupRevocation, record: Pick<KeyRecord, 'seq' | 'owner' | 'lineage'>) {
    return record[kind] === value && record.seq <= upToSeq && this.#newcomers.get(id)?.has(record.seq) !== true;
  }

  /** Records that a key was given to this owner now, so that pending revocations do not cover it. */
  addNewcomer(owner: string, seq: number): void {
    for (const { id, kind, value } of this.#pending) {
      if (kind !== 'owner' || value !== owner) continue;
      this.#sql.exec(GROUP_REVOCATION_QUERIES.addNewcomer, id, seq);
      this.#remember(id, seq);
    }
  }

  #remember(revocation: number, seq: number): void {
    this.#newcomers.set(revocation, (this.#newcomers.get(revocation) ?? new Set()).add(seq));
  }

  /** The record with a pending revocation applied to it. */
  overlay<T extends Overlaid>(record: T): T {
    if (this.#pending.length === 0 || record.revokedAt !== null) return record;
    const revocation = this.of(record);
    return revocation === null ? record : revokeKey(record, revocation.revokedAt, revocation.revokedBy);
  }

  /** Stores a revocation of a group. Call it inside the mutation's transaction. */
  add(revocation: Omit<GroupRevocation, 'id' | 'writtenToSeq'>): void {
    const { kind, value, revokedAt, revokedBy, commandId, upToSeq } = revocation;
    const added = this.#sql
      .exec<GroupRevocation>(GROUP_REVOCATION_QUERIES.insert, kind, value, revokedAt, revokedBy, commandId, upToSeq)
      .one();
    this.#pending = [...this.#pending, added];
  }

  /** Records up to which `seq` a revocation is written into the rows; null when it is in all of them. */
  markWritten({ id }: GroupRevocation, toSeq: number | null): void {
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
