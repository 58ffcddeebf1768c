/**
 * How many keys are in each status at a moment. Stored counts hold what was last written. Keys that time or a group
 * revocation has changed since, and that no alarm has written yet, are read and counted under their new status, so the
 * numbers are those of the moment itself.
 */
import type { KeyStatus } from '../../../domain/keys/record.ts';
import type { KeyTable } from './key-table.ts';
import type { StoredStatus } from './rows.ts';

export type StatusCounts = {
  readonly counts: Readonly<Record<KeyStatus, number>>;
  readonly total: number;
  /**
   * Whether every number is that of the moment. If not, more than `LOOKED_AT_MAX` keys have ended and wait to be
   * written: `total` is right, but some of those keys are still counted under the status that they had before.
   */
  readonly exact: boolean;
};

/** Keys that are read, some 5 ms. The alarm writes as many in a few passes. */
export const LOOKED_AT_MAX = 1000;

/** Counts the keys by their status at `now` (ms). */
export function countByStatus(keys: KeyTable, now: number): StatusCounts {
  const counts = keys.counts.byStatus();
  const seen = new Set<number>();
  const move = ({ seq, status }: StoredStatus, to: KeyStatus) => {
    if (seen.has(seq)) return;
    seen.add(seq);
    counts[status] -= 1;
    counts[to] += 1;
  };
  const { groupRevocations } = keys;
  const due = keys.dueStatuses(now, LOOKED_AT_MAX + 1);
  for (const key of due) move(key, groupRevocations.of(key) === null ? key.now : 'revoked');
  let left = LOOKED_AT_MAX - due.length;
  for (const { writtenToSeq, upToSeq, ...group } of groupRevocations.pending) {
    if (left < 0) break;
    const covered = keys.livingStatuses(group, writtenToSeq, upToSeq, left + 1);
    left -= covered.length;
    for (const key of covered) if (groupRevocations.of(key) !== null) move(key, 'revoked');
  }
  return { counts, total: keys.count(), exact: left >= 0 };
}
