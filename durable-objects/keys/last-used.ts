/**
 * `lastUsedAt` to the minute without a write for each verification: uses gather in memory and go to storage once a minute, from the alarm.
 * An object that dies loses the uses of at most `FLUSH_AFTER_MS`; nothing else depends on them.
 */
import type { KeyRecord } from './record.ts';
import type { KeyTable } from './table.ts';

export const FLUSH_AFTER_MS = 60_000;
const RESOLUTION_MS = 60_000;
/** Keys remembered before a flush happens at once (a few MB of memory at the most). */
const PENDING_MAX = 10_000;

export class LastUsed {
  readonly #pending = new Map<number, number>();
  #flushAt: number | null = null;

  /** When what has gathered wants to be written (ms), null while there is nothing. */
  get flushAt(): number | null {
    return this.#flushAt;
  }

  /**
   * Notes that a key was used at `now`. Tells whether this is the first note since the last flush, so that the caller sees to an alarm
   * at `flushAt`.
   */
  note(record: KeyRecord, keys: KeyTable, now: number): boolean {
    const used = Math.max(record.createdAt, now - (now % RESOLUTION_MS));
    if (used <= (this.#pending.get(record.seq) ?? record.lastUsedAt ?? 0)) return false;
    this.#pending.set(record.seq, used);
    if (this.#pending.size >= PENDING_MAX) this.flush(keys);
    if (this.#pending.size !== 1) return false;
    this.#flushAt = now + FLUSH_AFTER_MS;
    return true;
  }

  /** The record with the latest use known, in memory or stored. */
  overlay<T extends { readonly seq: number; readonly lastUsedAt: number | null }>(record: T): T {
    const used = this.#pending.get(record.seq);
    return used === undefined ? record : { ...record, lastUsedAt: used };
  }

  /** A key that is gone takes its pending use along: its `seq` may be given again. */
  forget(seq: number): void {
    this.#pending.delete(seq);
  }

  /** Writes what has gathered. Comes before any purge, so that no use is left for a `seq` that a new key may get. */
  flush(keys: KeyTable): void {
    for (const [seq, at] of this.#pending) keys.markUsed(seq, at);
    this.#pending.clear();
    this.#flushAt = null;
  }
}
