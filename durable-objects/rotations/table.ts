/**
 * Rotations as an operator watches them: which key replaced which, by whom, and whether the switch has happened. What time and later changes made of a rotation
 * is read off the predecessor's record, so that there is one truth about a grace period; a row goes with its predecessor.
 */
import type { KeyRecord } from '../keys/record.ts';
import { endedAt, hasEnded, statusOf } from '../keys/status.ts';
import type { Actor } from '../operation.ts';
import { type Page, startOf, takePage } from '../storage/paging.ts';

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

export const ROTATION_QUERIES = {
  insert: `INSERT INTO rotations (${COLUMNS}) VALUES (?, ?, ?, ?, NULL, ?, ?, NULL)`,
  cancel: 'UPDATE rotations SET cancelled_at = ? WHERE successor = ?',
  firstUse: 'UPDATE rotations SET successor_first_used_at = ? WHERE successor = ? AND successor_first_used_at IS NULL',
  forget: 'DELETE FROM rotations WHERE predecessor = ?',
  walk: `SELECT seq, ${COLUMNS} FROM rotations WHERE seq < ? ORDER BY seq DESC`,
  walkCancelled: `SELECT seq, ${COLUMNS} FROM rotations WHERE cancelled_at IS NOT NULL AND seq < ? ORDER BY seq DESC`,
} as const;

export class RotationTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  insert(rotation: Pick<Rotation, 'predecessor' | 'successor' | 'rotatedAt' | 'graceEndsAt' | 'by'>): void {
    const { predecessor, successor, rotatedAt, graceEndsAt, by } = rotation;
    this.#sql.exec(ROTATION_QUERIES.insert, predecessor, successor, rotatedAt, graceEndsAt, by.type, by.id);
  }

  cancel(successor: string, now: number): void {
    this.#sql.exec(ROTATION_QUERIES.cancel, now, successor);
  }

  /** Notes the first use of a key that replaced another; later ones change nothing. */
  markFirstUse(successor: string, at: number): void {
    this.#sql.exec(ROTATION_QUERIES.firstUse, at, successor);
  }

  forget(predecessor: string): void {
    this.#sql.exec(ROTATION_QUERIES.forget, predecessor);
  }

  /** One page, newest first, of the rotations in this state at `now`. `get` reads a key with its latest use. */
  list(
    query: { readonly state?: RotationState; readonly limit: number; readonly after: number | null },
    get: (keyId: string) => KeyRecord | undefined,
    firstUseOf: (keyId: string) => number | null,
    now: number,
  ): Page<RotationView> {
    const views = this.#walk(query.state, query.after, (rotation) => {
      const view = toView(rotation, get(rotation.predecessor), now);
      return { ...view, successorFirstUsedAt: view.successorFirstUsedAt ?? firstUseOf(rotation.successor) };
    });
    return takePage(views, query.limit, ({ state }) => query.state === undefined || state === query.state);
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
