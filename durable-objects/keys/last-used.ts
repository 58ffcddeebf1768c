/**
 * `lastUsedAt` to the minute without a write for each verification: uses gather in memory and go to storage once a minute, from the alarm.
 * An object that dies loses the uses of at most `FLUSH_AFTER_MS`; nothing else depends on them.
 */
import type { RotationTable } from '../rotations/table.ts';
import type { UsedKey } from './record.ts';
import type { KeyTable } from './table.ts';

export const FLUSH_AFTER_MS = 60_000;
const RESOLUTION_MS = 60_000;
/** Keys remembered before a flush happens at once (a few MB of memory at the most). */
const PENDING_MAX = 10_000;

export class LastUsed {
  readonly #pending = new Map<number, number>();
  /** First uses of keys that replaced another, by key id. */
  readonly #firstUses = new Map<string, number>();
  #flushAt: number | null = null;

  /** When what has gathered wants to be written (ms), null while there is nothing. */
  get flushAt(): number | null {
    return this.#flushAt;
  }

  /**
   * Notes that a key was used at `now`. Tells whether this is the first note since the last flush, so that the caller sees to an alarm
   * at `flushAt`.
   */
  note(record: UsedKey, keys: KeyTable, rotations: RotationTable, now: number): boolean {
    const used = Math.max(record.createdAt, now - (now % RESOLUTION_MS));
    if (used <= (this.#pending.get(record.seq) ?? record.lastUsedAt ?? 0)) return false;
    const isFirst = record.lastUsedAt === null && !this.#pending.has(record.seq);
    if (isFirst && record.replaces !== null) this.#firstUses.set(record.id, now);
    this.#pending.set(record.seq, used);
    if (this.#pending.size >= PENDING_MAX) this.flush(keys, rotations);
    if (this.#pending.size !== 1) return false;
    this.#flushAt = now + FLUSH_AFTER_MS;
    return true;
  }

  /** The record with the latest use known, in memory or stored. */
  overlay<T extends { readonly seq: number; readonly lastUsedAt: number | null }>(record: T): T {
    const used = this.#pending.get(record.seq);
    return used === undefined ? record : { ...record, lastUsedAt: used };
  }

  /** When a key that replaced another was first used, if storage does not know it yet. */
  firstUseOf(keyId: string): number | null {
    return this.#firstUses.get(keyId) ?? null;
  }

  /** A key that is gone takes its pending use along: its `seq` may be given again. */
  forget(seq: number): void {
    this.#pending.delete(seq);
  }

  /** Writes what has gathered. Comes before any purge, so that no use is left for a `seq` that a new key may get. */
  flush(keys: KeyTable, rotations: RotationTable): void {
    for (const [seq, at] of this.#pending) keys.markUsed(seq, at);
    // Hot records would not know that these uses are noted.
    if (this.#pending.size > 0) keys.forgetHot();
    for (const [successor, at] of this.#firstUses) rotations.markFirstUse(successor, at);
    this.#pending.clear();
    this.#firstUses.clear();
    this.#flushAt = null;
  }
}
