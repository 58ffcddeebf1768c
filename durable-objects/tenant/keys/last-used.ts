/**
 * `lastUsedAt` to the minute, without a write for each verification. Uses are collected in memory and written in
 * batches a few seconds later. The platform evicts an idle object only after about 10 s, so no use is lost when a
 * tenant falls quiet. A process that dies loses the uses of the last `FLUSH_AFTER_MS`; nothing else depends on them.
 *
 * No verification waits for this, and none fails because a use cannot be written.
 */
import type { RotationTable } from '../rotations.ts';
import type { HotKey } from './hot-key.ts';
import type { KeyTable } from './key-table.ts';

/** How long after the first unwritten use a batch is written. */
export const FLUSH_AFTER_MS = 3000;
const RESOLUTION_MS = 60_000;
/** Uses that one step writes: a few milliseconds of work. */
const FLUSH_BATCH = 500;
/**
 * Uses that memory holds at most (about 5 MB). There are more only when storage takes no writes; then further ones are
 * lost.
 */
const PENDING_MAX = 50_000;

type Use = { readonly at: number; readonly keyId: string; readonly firstUseOfSuccessorAt: number | null };

export class LastUsed {
  readonly #pending = new Map<number, Use>();

  /** Whether there are unwritten uses. */
  get any(): boolean {
    return this.#pending.size > 0;
  }

  /** Records that a key was used at `now`: the first use in each minute, since the others change nothing. */
  note(hot: HotKey, now: number): void {
    const { record } = hot;
    const at = Math.max(record.createdAt, now - (now % RESOLUTION_MS));
    if (hot.usedAt !== null && at <= hot.usedAt) return;
    // The record may have been read anew since the use was recorded.
    const noted = this.#pending.get(record.seq);
    if (noted === undefined && this.#pending.size >= PENDING_MAX) return;
    const isFirst = noted === undefined && hot.usedAt === null && record.replaces !== null;
    hot.usedAt = at;
    if (noted !== undefined && at <= noted.at) return;
    const firstUseOfSuccessorAt = isFirst ? now : (noted?.firstUseOfSuccessorAt ?? null);
    this.#pending.set(record.seq, { at, keyId: record.id, firstUseOfSuccessorAt });
  }

  /** The latest unwritten use of the key with this `seq` (ms); null when there is none. */
  of(seq: number): number | null {
    return this.#pending.get(seq)?.at ?? null;
  }

  /** The record with its latest use, unwritten or stored. */
  overlay<T extends { readonly seq: number; readonly lastUsedAt: number | null }>(record: T): T {
    const used = this.of(record.seq);
    return used === null ? record : { ...record, lastUsedAt: used };
  }

  /** When a key that replaced another was first used (ms), if that is not written yet; null otherwise. */
  firstUseOf(seq: number): number | null {
    return this.#pending.get(seq)?.firstUseOfSuccessorAt ?? null;
  }

  /** Drops the unwritten use of a deleted key, since a new key may get its `seq`. */
  forget(seq: number): void {
    this.#pending.delete(seq);
  }

  /** The next batch to write. Its uses stay here until `written` reports that they were committed. */
  batch(): readonly [number, Use][] {
    const batch: [number, Use][] = [];
    for (const entry of this.#pending) {
      batch.push(entry);
      if (batch.length === FLUSH_BATCH) break;
    }
    return batch;
  }

  /** Writes a batch. Call it inside a transaction. */
  write(batch: readonly [number, Use][], keys: KeyTable, rotations: RotationTable): void {
    if (batch.length > 0) keys.markUsed(batch.map(([seq, { at }]) => [seq, at]));
    for (const [, { keyId, firstUseOfSuccessorAt }] of batch) {
      if (firstUseOfSuccessorAt !== null) rotations.markFirstUse(keyId, firstUseOfSuccessorAt);
    }
  }

  /** Call this when a batch was committed. */
  written(batch: readonly [number, Use][]): void {
    for (const [seq, use] of batch) if (this.#pending.get(seq) === use) this.#pending.delete(seq);
  }
}
