/**
 * Rotations as an operator watches them: which key replaced which, by whom, and whether the switch has happened. What
 * became of a rotation is read from the predecessor's record, so that a grace period is stored in one place. A row is
 * deleted with its predecessor, the row of a cancelled rotation with its successor.
 */

import type { Actor } from '../../domain/command.ts';
import type { KeyRecord } from '../../domain/keys/record.ts';
import { endedAt, hasEnded, STATUS_SQL, statusOf } from '../../domain/keys/status.ts';
import { type Page, startOf, takePage } from '../sql/paging.ts';

export type RotationState = 'grace' | 'completed' | 'cancelled';

export type Rotation = {
  readonly seq: number;
  readonly predecessor: string;
  readonly successor: string;
  readonly rotatedAt: number;
  readonly graceEndsAt: number;
  readonly cancelledAt: number | null;
  readonly by: Actor;
  readonly successorFirstUsedAt: number | null;
};

export type RotationView = Omit<Rotation, 'cancelledAt'> & {
  readonly state: RotationState;
  readonly endedAt: number | null;
  readonly predecessorLastUsedAt: number | null;
};

type RotationRow = {
  seq: number;
  predecessor: string;
  successor: string;
  rotated_at: number;
  grace_ends_at: number;
  cancelled_at: number | null;
  actor_type: Actor['type'];
  actor_id: string;
  successor_first_used_at: number | null;
};

const COLUMNS =
  'predecessor, successor, rotated_at, grace_ends_at, cancelled_at, actor_type, actor_id, successor_first_used_at';

/** Rotations whose state one page of rotations in grace checks in SQL: some 5 ms. */
const CHECKED_MAX = 1000;
/**
 * How many of those that SQL finds in grace are read. Pending group revocations may have ended them, which their rows
 * do not say yet.
 */
const READ_MAX = 200;
/** Cost of a rotation whose predecessor is read, in small rows. */
const VIEW_WORK = 9;

export const ROTATION_QUERIES = {
  insert: `INSERT INTO rotations (${COLUMNS}) VALUES (?, ?, ?, ?, NULL, ?, ?, NULL)`,
  cancel: 'UPDATE rotations SET cancelled_at = ? WHERE successor = ?',
  firstUse: 'UPDATE rotations SET successor_first_used_at = ? WHERE successor = ? AND successor_first_used_at IS NULL',
  forget: 'DELETE FROM rotations WHERE successor = ?',
  forgetCancelled: 'DELETE FROM rotations WHERE successor = ? AND cancelled_at IS NOT NULL',
  walk: `SELECT seq, ${COLUMNS} FROM rotations WHERE seq < ? ORDER BY seq DESC`,
  check: `SELECT count(*) AS n, min(at) AS last,
      json_group_array(at) FILTER (WHERE status IN ('active', 'rotating', 'disabled')) AS living
    FROM (
      SELECT at, iif(id IS NULL OR cancelled_at IS NOT NULL, NULL, ${STATUS_SQL}) AS status
      FROM (SELECT seq AS at, predecessor, cancelled_at FROM rotations WHERE seq < ? ORDER BY seq DESC LIMIT ?)
        LEFT JOIN keys ON id = predecessor)`,
  chosen: `SELECT seq, ${COLUMNS} FROM (SELECT value AS at FROM json_each(?)) CROSS JOIN rotations ON seq = at`,
  walkCancelled: `SELECT seq, ${COLUMNS} FROM rotations WHERE cancelled_at IS NOT NULL AND seq < ? ORDER BY seq DESC`,
} as const;

export class RotationTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Records a rotation. */
  insert(rotation: Pick<Rotation, 'predecessor' | 'successor' | 'rotatedAt' | 'graceEndsAt' | 'by'>): void {
    const { predecessor, successor, rotatedAt, graceEndsAt, by } = rotation;
    this.#sql.exec(ROTATION_QUERIES.insert, predecessor, successor, rotatedAt, graceEndsAt, by.type, by.id);
  }

  /** Records that the rotation to this successor was cancelled at `now` (ms). */
  cancel(successor: string, now: number): void {
    this.#sql.exec(ROTATION_QUERIES.cancel, now, successor);
  }

  /** Records the first use of a key that replaced another. Later uses change nothing. */
  markFirstUse(successor: string, at: number): void {
    this.#sql.exec(ROTATION_QUERIES.firstUse, at, successor);
  }

  /** Called when a key is deleted: deletes the rotation that replaced it, and a cancelled one that made it. */
  forget({ id, replacedBy }: Pick<KeyRecord, 'id' | 'replacedBy'>): void {
    if (replacedBy !== null) this.#sql.exec(ROTATION_QUERIES.forget, replacedBy);
    this.#sql.exec(ROTATION_QUERIES.forgetCancelled, id);
  }

  /** One page, newest first, of the rotations in this state at `now`. `get` reads a key with its latest use. */
  list(
    query: { readonly state?: RotationState; readonly limit: number; readonly after: number | null },
    get: (keyId: string) => KeyRecord | undefined,
    firstUseOf: (keyId: string) => number | null,
    now: number,
  ): Page<RotationView> {
    const viewOf = (rotation: Rotation) => {
      const view = toView(rotation, get(rotation.predecessor), now);
      return { ...view, successorFirstUsedAt: view.successorFirstUsedAt ?? firstUseOf(rotation.successor) };
    };
    if (query.state === 'grace') return this.#inGrace(query.limit, query.after, viewOf, now);
    const views = this.#walk(query.state, query.after, viewOf);
    const matches = ({ state }: RotationView) => query.state === undefined || state === query.state;
    return takePage(views, query.limit, matches, () => VIEW_WORK);
  }

  /** Few of many rotations are in grace, so SQL finds them before any record is read. */
  #inGrace(limit: number, after: number | null, view: (rotation: Rotation) => RotationView, now: number) {
    type Checked = { n: number; last: number | null; living: string };
    const bindings = [now, now, startOf('desc', after), CHECKED_MAX];
    const { n, last, living } = this.#sql.exec<Checked>(ROTATION_QUERIES.check, ...bindings).one();
    const all: number[] = JSON.parse(living);
    const seqs = all.sort((a, b) => b - a).slice(0, READ_MAX);
    const rows = this.#sql.exec<RotationRow>(ROTATION_QUERIES.chosen, JSON.stringify(seqs)).toArray();
    const page = takePage(rows.map(toRotation).map(view), limit, ({ state }) => state === 'grace');
    if (page.next !== null) return page;
    return { ...page, next: seqs.length < all.length ? (seqs.at(-1) ?? null) : n < CHECKED_MAX ? null : last };
  }

  *#walk(state: RotationState | undefined, after: number | null, view: (rotation: Rotation) => RotationView) {
    const sql = state === 'cancelled' ? ROTATION_QUERIES.walkCancelled : ROTATION_QUERIES.walk;
    for (const row of this.#sql.exec<RotationRow>(sql, startOf('desc', after))) yield view(toRotation(row));
  }
}

function toView({ cancelledAt, ...rotation }: Rotation, predecessor: KeyRecord | undefined, now: number): RotationView {
  const predecessorLastUsedAt = predecessor?.lastUsedAt ?? null;
  if (cancelledAt !== null) return { ...rotation, state: 'cancelled', endedAt: cancelledAt, predecessorLastUsedAt };
  if (predecessor === undefined) {
    return { ...rotation, state: 'completed', endedAt: rotation.graceEndsAt, predecessorLastUsedAt };
  }
  return {
    ...rotation,
    graceEndsAt: predecessor.graceEndsAt ?? rotation.graceEndsAt,
    state: hasEnded(statusOf(predecessor, now)) ? 'completed' : 'grace',
    endedAt: endedAt(predecessor, now),
    predecessorLastUsedAt,
  };
}

function toRotation(row: RotationRow): Rotation {
  return {
    seq: row.seq,
    predecessor: row.predecessor,
    successor: row.successor,
    rotatedAt: row.rotated_at,
    graceEndsAt: row.grace_ends_at,
    cancelledAt: row.cancelled_at,
    by: { type: row.actor_type, id: row.actor_id },
    successorFirstUsedAt: row.successor_first_used_at,
  };
}
