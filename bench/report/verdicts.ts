/** The thresholds, and whether a run met them. They inform: a missed one fails nothing. */
import type { DiskFigures } from '../figures/disk.ts';
import type { Measured } from '../measure.ts';
import type { Options } from '../options.ts';
import type { Spread } from '../statistics.ts';
import * as names from './names.ts';

export type Verdict = {
  readonly what: string;
  readonly bound: 'at least' | 'at most';
  readonly limit: number;
  readonly unit: '' | 'x' | 'bytes';
  readonly value: number;
  /** Quartiles over the rounds, null for what is measured once. */
  readonly spread: Spread | null;
  readonly met: boolean;
};

/** A row may cost a quarter more than its floor. */
const FLOOR_RATIO = 0.8;
const GROWTH_MAX = 1.15;
const LAST_PAGE_MAX = 1.2;
const BYTES_PER_KEY_MAX = 600;
const PEER_FACTOR = 4;

export function verdictsOf(rows: readonly Measured[], disk: readonly DiskFigures[], options: Options): Verdict[] {
  const row = (name: string) => rows.find((candidate) => candidate.name === name);
  const cost = (name: string, what: string, bound: Verdict['bound'], limit: number): Verdict[] => {
    const ratio = row(name)?.cpuRatio;
    return ratio == null ? [] : [verdict(what, bound, limit, 'x', inverse(ratio))];
  };
  const floor = (name: string, floorName: string): Verdict[] => {
    const ratio = row(name)?.cpuRatio;
    return ratio == null
      ? []
      : [verdict(`${name}, CPU of ${floorName} over its own`, 'at least', FLOOR_RATIO, '', ratio)];
  };
  const faster = (name: string): Verdict[] => {
    const ratio = row(name)?.throughputRatio;
    if (ratio == null) return [];
    return [verdict(`requests/s of strict over ${shortOf(name)}`, 'at least', PEER_FACTOR, 'x', inverse(ratio))];
  };
  const growth = (name: string) => cost(name, `${name}, CPU over that at 1,000`, 'at most', GROWTH_MAX);
  const last = names.listLast(options);
  return [
    ...floor(names.STRICT, 'floor B'),
    ...floor(names.LEASED, 'floor A'),
    ...floor(names.FORGED, 'floor A'),
    ...[names.strictAt, names.createAt, names.rotateAt].flatMap((name) => growth(name(options.keys))),
    ...cost(last, `${last}, CPU over page 1`, 'at most', LAST_PAGE_MAX),
    ...disk.map(({ made, bytesPerKey }) =>
      verdict(`on disk for a key made ${made}`, 'at most', BYTES_PER_KEY_MAX, 'bytes', {
        median: bytesPerKey,
        low: bytesPerKey,
        high: bytesPerKey,
      }),
    ),
    ...[names.PEER, names.PEER_UNLIMITED].flatMap((peer) => [
      ...cost(peer, `CPU of ${shortOf(peer)}, over strict`, 'at least', PEER_FACTOR),
      ...faster(peer),
    ]),
  ];
}

function verdict(what: string, bound: Verdict['bound'], limit: number, unit: Verdict['unit'], spread: Spread): Verdict {
  const met = bound === 'at least' ? spread.median >= limit : spread.median <= limit;
  return { what, bound, limit, unit, value: spread.median, spread: unit === 'bytes' ? null : spread, met };
}

const shortOf = (peer: string) => peer.replace('verify ', '');

function inverse({ median, low, high }: Spread): Spread {
  return { median: 1 / median, low: 1 / high, high: 1 / low };
}
