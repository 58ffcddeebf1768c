/** The lineage of a key: what it replaced and what replaced it, as far as the records are still kept. */
import type { KeyRecord } from './record.ts';

/** The key itself with every predecessor and successor, linear in their number. */
export function lineageOf(record: KeyRecord, get: (id: string) => KeyRecord | undefined): KeyRecord[] {
  const found = new Map([[record.id, record]]);
  for (const direction of ['replaces', 'replacedBy'] as const) {
    let next = record[direction];
    while (next !== null && !found.has(next)) {
      const relative = get(next);
      if (relative === undefined) break;
      found.set(next, relative);
      next = relative[direction];
    }
  }
  return [...found.values()];
}
