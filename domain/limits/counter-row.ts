/**
 * A counter as bytes, for a row in storage. All are whole numbers (varint.ts):
 *
 *     version   1
 *     kind      0 rate limit, 1 to 4 quota by hour, day, week, month
 *     open      units that were written off and may have been spent since
 *     rate:     horizon (ms), then for each bucket: ms since the bucket before it ended, its length (ms), its units
 *     quota:    for hour, day, week and month: start (ms), units
 *
 * At most `ROW_BYTES_MAX` bytes; a busy rate limit in a window of a minute takes about 300.
 */
import { PERIODS, type Period } from './calendar.ts';
import { CalendarCount } from './calendar-count.ts';
import { BUCKETS_MAX, type Bucket, type SlidingWindow } from './sliding-window.ts';
import { VARINT_BYTES_MAX, VarintReader, VarintWriter } from './varint.ts';

const VERSION = 1;
const RATE = 0;

export const ROW_BYTES_MAX = (4 + 3 * BUCKETS_MAX) * VARINT_BYTES_MAX;

export type CounterRow = { readonly open: number } & (
  | { readonly kind: 'rate'; readonly horizonMs: number; readonly buckets: readonly Bucket[] }
  | { readonly kind: 'quota'; readonly period: Period; readonly count: CalendarCount }
);

export function writeWindow(window: SlidingWindow, open: number): Uint8Array {
  const writer = new VarintWriter();
  writer.write(VERSION, RATE, open, window.horizonMs);
  let before = 0;
  for (const { since, at, units } of window.buckets) {
    writer.write(since - before, at - since, units);
    before = at;
  }
  return writer.bytes;
}

export function writeCount(count: CalendarCount, period: Period, open: number): Uint8Array {
  const writer = new VarintWriter();
  writer.write(VERSION, 1 + PERIODS.indexOf(period), open);
  for (const { start, units } of count.tallies) writer.write(start, units);
  return writer.bytes;
}

/** Throws when the bytes are not of a counter, or were written by a newer version. */
export function readRow(bytes: Uint8Array): CounterRow {
  const reader = new VarintReader(bytes);
  const version = reader.read();
  if (version !== VERSION) throw new Error(`a counter has version ${version}, and this program knows ${VERSION}`);
  const kind = reader.read();
  const open = reader.read();
  const row = kind === RATE ? { kind: 'rate' as const, open, ...readWindow(reader) } : readQuota(kind, open, reader);
  if (!reader.isAtEnd) throw new Error('a counter has more bytes than it needs');
  return row;
}

function readWindow(reader: VarintReader) {
  const horizonMs = reader.read();
  const buckets: Bucket[] = [];
  for (let before = 0; !reader.isAtEnd; ) {
    const since = before + reader.read();
    const at = since + reader.read();
    buckets.push({ since, at, units: reader.read() });
    before = at;
  }
  return { horizonMs, buckets };
}

function readQuota(kind: number, open: number, reader: VarintReader): CounterRow {
  const period = PERIODS[kind - 1];
  if (period === undefined) throw new Error(`there is no counter of kind ${kind}`);
  const tallies = PERIODS.map(() => ({ start: reader.read(), units: reader.read() }));
  return { kind: 'quota', period, open, count: new CalendarCount(tallies) };
}
