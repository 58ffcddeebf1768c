/**
 * The changes that a holder has heard of, for other holders to whom it passes leases on. It starts when the holder
 * begins to hold the tenant anew: what came before that it does not know.
 */
import type { Renewal } from './lease.ts';

/** Ids in the list. Whoever missed more drops all that it holds of the tenant. */
export const CHANGE_LIST_IDS_MAX = 200;

const NOTHING: readonly string[] = [];

export class ChangeList {
  /** The list has every change after this one. */
  #from: number;
  /** In order. An entry has what was changed after the entry before it, up to `seq`. */
  readonly #entries: { readonly seq: number; readonly keyIds: readonly string[] }[] = [];
  #ids = 0;

  /** Starts after the change `from`. */
  constructor(from: number) {
    this.#from = from;
  }

  /** Adds what was changed since the last entry, up to `seq`. */
  add(seq: number, keyIds: readonly string[]): void {
    this.#entries.push({ seq, keyIds });
    this.#ids += keyIds.length;
    while (this.#ids > CHANGE_LIST_IDS_MAX || this.#entries.length > CHANGE_LIST_IDS_MAX) {
      const oldest = this.#entries.shift();
      if (oldest === undefined) return;
      this.#ids -= oldest.keyIds.length;
      this.#from = oldest.seq;
    }
  }

  /** What was changed after `seq`, as a renewal tells it; `latest` is the last change that this holder knows. */
  since(seq: number, latest: number): Pick<Renewal, 'from' | 'changed'> {
    if (seq >= latest) return { from: latest, changed: NOTHING };
    const changed = new Set<string>();
    for (const entry of this.#entries) if (entry.seq > seq) for (const keyId of entry.keyIds) changed.add(keyId);
    return { from: Math.max(seq, this.#from), changed: [...changed] };
  }
}
