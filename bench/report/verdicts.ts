/**
 * The thresholds, and whether a run met them. They inform only: a missed threshold fails nothing. A quick run judges
 * none of them, because in few short rounds over little data most of the measured time is fixed cost.
 */
import type { ClientFigures } from '../client/measure.ts';
import type { DiskFigures } from '../figures/disk.ts';
import type { Measured } from '../measure.ts';
import type { Options } from '../options.ts';
import type { Spread } from '../statistics.ts';
import { clientVerdicts } from './client.ts';
import * as names from './names.ts';
import { type Verdict, verdict } from './verdict.ts';

/** A verification may cost a quarter more than its floor. */
const FLOOR_RATIO = 0.8;
/**
 * A mutation does more than the one UPDATE of its floor: it writes a row and an audit entry with their indexes, and an
 * envelope.
 */
const CREATE_RATIO = 0.6;
const ROTATE_RATIO = 0.45;
const COLD_RATIO = 0.7;
/** Verifying keys that memory does not hold may cost a quarter more than verifying those it does. */
const SPREAD_RATIO = 0.8;
/** Under a lease, many keys of a tenant may cost next to nothing more than the same few again and again. */
const EVENLY_RATIO = 0.95;
/** A limit that a key stays far below may cost a sixth of its verification. */
const LIMITED_RATIO = 0.85;
/** A key that was issued elsewhere may cost 1.3 times what one of our own does. */
const IMPORTED_MAX = 1.3;
const LIST_25_MAX = 3;
const GROWTH_MAX = 1.15;
const LAST_PAGE_MAX = 1.2;
const BYTES_PER_KEY_MAX = 600;
const PEER_FACTOR = 4;

export function verdictsOf(
  rows: readonly Measured[],
  disk: readonly DiskFigures[],
  client: ClientFigures | null,
  options: Options,
): Verdict[] {
  const row = (name: string) => rows.find((candidate) => candidate.name === name);
  const cost = (name: string, what: string, bound: Verdict['bound'], limit: number): Verdict[] => {
    const ratio = row(name)?.cpuRatio;
    return ratio == null ? [] : [verdict(what, bound, limit, 'x', inverse(ratio))];
  };
  const floor = (name: string, floorName: string, limit = FLOOR_RATIO): Verdict[] => {
    const ratio = row(name)?.cpuRatio;
    return ratio == null ? [] : [verdict(`${name}, CPU of ${floorName} over its own`, 'at least', limit, '', ratio)];
  };
  const faster = (name: string): Verdict[] => {
    const ratio = row(name)?.throughputRatio;
    if (ratio == null) return [];
    return [verdict(`requests/s of strict over ${shortOf(name)}`, 'at least', PEER_FACTOR, 'x', inverse(ratio))];
  };
  const growth = (name: string) => cost(name, `${name}, CPU over that at 1,000`, 'at most', GROWTH_MAX);
  const last = names.listLast(options);
  const judged = [
    ...floor(names.STRICT, 'floor B'),
    ...floor(names.LEASED, 'floor A'),
    ...floor(names.LEASED_EVENLY, 'leased', EVENLY_RATIO),
    ...floor(names.LEASED_LIMITED, 'leased', LIMITED_RATIO),
    ...floor(names.STRICT_LIMITED, 'strict', LIMITED_RATIO),
    ...floor(names.STRICT_CREDITS, 'floor C'),
    ...cost(names.LEASED_IMPORTED, `${names.LEASED_IMPORTED}, CPU over leased`, 'at most', IMPORTED_MAX),
    ...cost(names.STRICT_IMPORTED, `${names.STRICT_IMPORTED}, CPU over strict`, 'at most', IMPORTED_MAX),
    ...floor(names.FORGED, 'floor A'),
    ...floor(names.COLD, 'floor D', COLD_RATIO),
    ...floor(names.CREATE, 'floor C', CREATE_RATIO),
    ...floor(names.ROTATE, 'floor C', ROTATE_RATIO),
    ...floor(names.spreadJudged(options), 'strict', SPREAD_RATIO),
    ...cost(names.LIST_25, `${names.LIST_25}, CPU over ${names.GET_KEY}`, 'at most', LIST_25_MAX),
    ...[names.strictAt, names.plannedAt, names.changePlanAt, names.createAt, names.rotateAt].flatMap((name) =>
      growth(name(options.keys)),
    ),
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
    ...(client === null ? [] : clientVerdicts(client)),
  ];
  return options.quick ? judged.map((verdict) => ({ ...verdict, met: null })) : judged;
}

const shortOf = (peer: string) => peer.replace('verify ', '');

function inverse({ median, low, high }: Spread): Spread {
  return { median: 1 / median, low: 1 / high, high: 1 / low };
}
