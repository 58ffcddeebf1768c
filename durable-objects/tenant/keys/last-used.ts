/**
 * `lastUsedAt` to the minute without a write for each verification: uses gather in memory and go to storage a few seconds later, in batches. That is
 * sooner than the platform takes an idle object from memory (about 10 s), so a use is not lost when its tenant falls quiet. A process that dies
 * loses the uses of the last `FLUSH_AFTER_MS`; nothing else depends on them.
 *
 * No verification waits for any of this, and none fails because a use cannot be written.
 */
import type { RotationTable } from '../rotations.ts';
import type { HotKey } from './hot-key.ts';
import type { KeyTable } from './table.ts';

/** How long after the first use that is not written yet it is. */
export const FLUSH_AFTER_MS = 3000;
const RESOLUTION_MS = 60_000;
/** Uses that one step writes: a few milliseconds of work. */
const FLUSH_BATCH = 500;
/** Uses remembered at most (about 5 MB). More gather only when storage takes no writes; then further ones are lost. */
const PENDING_MAX = 50_000;

type Use = { readonly at: number; readonly keyId: string; readonly firstUseOfSuccessorAt: number | null };

export class LastUsed {
  readonly #pending = new Map<number, Use>();

  /** Whether something has gathered. */
  get any(): boolean {
    return this.#pending.size > 0;
  }

  /** Notes that a key was used at `now`: once in each minute, the rest is no news. */
  note(hot: HotKey, now: number): void {
    const { record } = hot;
    const at = Math.max(record.createdAt, now - (now % RESOLUTION_MS));
    if (hot.usedAt !== null && at <= hot.usedAt) return;
    // The record may have been read anew since.
    const noted = this.#pending.get(record.seq);
    if (noted === undefined && this.#pending.size >= PENDING_MAX) return;
    const isFirst = noted === undefined && hot.usedAt === null && record.replaces !== null;
    hot.usedAt = at;
    if (noted !== undefined && at <= noted.at) return;
    const firstUseOfSuccessorAt = isFirst ? now : (noted?.firstUseOfSuccessorAt ?? null);
    this.#pending.set(record.seq, { at, keyId: record.id, firstUseOfSuccessorAt });
  }

  /** The latest use known of the key with this `seq`, if storage does not know it yet. */
  of(seq: number): number | null {
    return this.#pending.get(seq)?.at ?? null;
  }

  /** The record with the latest use known, in memory or stored. */
  overlay<T extends { readonly seq: number; readonly lastUsedAt: number | null }>(record: T): T {
    const used = this.of(record.seq);
    return used === null ? record : { ...record, lastUsedAt: used };
  }

  /** When a key that replaced another was first used, if storage does not know it yet. */
  firstUseOf(seq: number): number | null {
    return this.#pending.get(seq)?.firstUseOfSuccessorAt ?? null;
  }

  /** A key that is gone takes its pending use along: its `seq` may be given again. */
  forget(seq: number): void {
    this.#pending.delete(seq);
  }

  /** The next batch to write. It stays noted until `written` says that it was committed. */
  batch(): readonly [number, Use][] {
    const batch: [number, Use][] = [];
    for (const entry of this.#pending) {
      batch.push(entry);
      if (batch.length === FLUSH_BATCH) break;
    }
    return batch;
  }

  /** Writes a batch. Call inside a transaction. */
  write(batch: readonly [number, Use][], keys: KeyTable, rotations: RotationTable): void {
    if (batch.length > 0) keys.markUsed(batch.map(([seq, { at }]) => [seq, at]));
    for (const [, { keyId, firstUseOfSuccessorAt }] of batch) {
      if (firstUseOfSuccessorAt !== null) rotations.markFirstUse(keyId, firstUseOfSuccessorAt);
    }
  }

  /** A batch was committed. */
  written(batch: readonly [number, Use][]): void {
    for (const [seq, use] of batch) if (this.#pending.get(seq) === use) this.#pending.delete(seq);
  }
}
