/** One threshold, and whether it was met. */
import type { Spread } from '../statistics.ts';

export type Verdict = {
  readonly what: string;
  readonly bound: 'at least' | 'at most';
  readonly limit: number;
  /** The picture shows the first three. The other figures, of the client, are of another order of magnitude. */
  readonly unit: '' | 'x' | 'bytes' | '/s' | 'times';
  readonly value: number;
  /** Quartiles over the rounds; null for what is measured once. */
  readonly spread: Spread | null;
  /** Null where a run of this size cannot tell. */
  readonly met: boolean | null;
};

export function verdict(
  what: string,
  bound: Verdict['bound'],
  limit: number,
  unit: Verdict['unit'],
  spread: Spread,
): Verdict {
  const met = bound === 'at least' ? spread.median >= limit : spread.median <= limit;
  return { what, bound, limit, unit, value: spread.median, spread: unit === 'bytes' ? null : spread, met };
}
