/**
 * Jobs that rewrite the stored envelopes of all keys. Both walk the keys in `seq` order, a bounded stretch at a time,
 * and keep their position in storage. So they continue after any interruption, need no index, and do not disturb other
 * changes.
 *
 * Resealing: the Worker takes a batch, opens and seals it anew, and hands it back. Each envelope is replaced only if it
 * is still the one that was taken. Shedding: drops the envelopes of a tenant that no longer keeps anything recoverable.
 */
import type { Counts } from './stored-counts.ts';

/**
 * `kind` is the purpose that the envelope is bound to (src/crypto/envelope.ts), so its values never change: `key` for a
 * key string, `answer` for the key strings of a kept result.
 */
export type SealedItem = { readonly kind: 'key' | 'answer'; readonly id: string; readonly envelope: Uint8Array };
export type ResealedItem = SealedItem & { readonly resealed: Uint8Array };

/** Rows that one stretch of a walk reads: a few milliseconds of work. */
const STRETCHES = { reseal: 1000, shed: 250 } as const;

export const ENVELOPE_QUERIES = {
  place: 'SELECT seq FROM walks WHERE name = ?',
  moveTo: 'INSERT INTO walks (name, seq) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq',
  stretch: 'SELECT seq, id, envelope, sealing_key_id AS entry FROM keys WHERE seq > ? ORDER BY seq LIMIT ?',
  replace: 'UPDATE keys SET envelope = ?, sealing_key_id = ? WHERE id = ? AND envelope = ? RETURNING seq',
  drop: 'UPDATE keys SET envelope = NULL, sealing_key_id = NULL WHERE seq = ?',
} as const;

type Walk = 'reseal' | 'shed';
type Row = { seq: number; id: string; envelope: ArrayBuffer | null; entry: number | null };

export class Envelopes {
  readonly #sql: SqlStorage;
  readonly #counts: Counts;

  constructor(sql: SqlStorage, counts: Counts) {
    this.#sql = sql;
    this.#counts = counts;
  }

  /**
   * Up to `limit` envelopes of the next stretch that are sealed with another entry, and the `seq` where the stretch
   * ends.
   */
  sealedOtherwise(currentId: number, limit: number): { readonly items: SealedItem[]; readonly walkedTo: number } {
    const items: SealedItem[] = [];
    let walkedTo = 0;
    for (const row of this.#stretch('reseal')) {
      walkedTo = row.seq;
      if (row.envelope === null || row.entry === currentId) continue;
      items.push({ kind: 'key', id: row.id, envelope: new Uint8Array(row.envelope) });
      if (items.length === limit) break;
    }
    return { items, walkedTo };
  }

  /** Replaces the envelope `before` with `after`. Returns false when `before` is no longer stored. */
  replace(id: string, before: Uint8Array, after: Uint8Array): boolean {
    // The second byte of an envelope names the keyring entry (src/crypto/envelope.ts).
    const [from = 0, to = 0] = [before[1], after[1]];
    const buffers = [new Uint8Array(after).buffer, new Uint8Array(before).buffer] as const;
    const replaced = this.#sql.exec(ENVELOPE_QUERIES.replace, buffers[0], to, id, buffers[1]).toArray();
    if (replaced.length === 0) return false;
    const others = { signature: null, status: null };
    this.#counts.follow({ ...others, envelope: from }, { ...others, envelope: to });
    return true;
  }

  /** Sets the `seq` after which the next stretch starts; 0 starts from the beginning. */
  resumeFrom(walk: Walk, seq: number): void {
    this.#sql.exec(ENVELOPE_QUERIES.moveTo, walk, seq);
  }

  /** Whether any envelope is stored. */
  any(): boolean {
    return this.#counts.byEntry('envelope').size > 0;
  }

  /** Drops the envelopes of the next stretch. */
  shed(): void {
    let walkedTo = 0;
    const rows = this.#stretch('shed');
    for (const row of rows) {
      walkedTo = row.seq;
      if (row.envelope === null) continue;
      this.#sql.exec(ENVELOPE_QUERIES.drop, row.seq);
      const others = { signature: null, status: null };
      this.#counts.follow({ ...others, envelope: row.entry }, { ...others, envelope: null });
    }
    this.resumeFrom('shed', rows.length < STRETCHES.shed ? 0 : walkedTo);
  }

  #stretch(walk: Walk): Row[] {
    const from = this.#sql.exec<{ seq: number }>(ENVELOPE_QUERIES.place, walk).toArray()[0]?.seq ?? 0;
    return this.#sql.exec<Row>(ENVELOPE_QUERIES.stretch, from, STRETCHES[walk]).toArray();
  }
}
