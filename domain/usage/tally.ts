/**
 * Counts of verifications by code, and how they are packed for storage.
 *
 * A row of storage holds the counts of one subject, a key for example, for each hour of a day or each day of a month:
 *
 *   for each slot (hour or day) with counts, in ascending order, as varints:
 *     slot
 *     mask     bit 0: the units differ from the valid verifications; bit 1 + n: there are verifications with code n
 *     counts   those of the codes in the mask, in the order of the codes
 *     units    only with bit 0
 *
 * Most verifications are valid and cost one unit, so most slots take three or four bytes.
 */
import { VarintReader, VarintWriter } from '../limits/varint.ts';

/**
 * The codes that are counted: all about a key that was found. Stored counts name a code by its index here, so append
 * only.
 */
export const USAGE_CODES = [
  'VALID',
  'REVOKED',
  'EXPIRED',
  'ROTATED',
  'DISABLED',
  'TENANT_DISABLED',
  'OWNER_DISABLED',
  'INSUFFICIENT_SCOPES',
  'RATE_LIMITED',
  'QUOTA_EXCEEDED',
  'INSUFFICIENT_CREDITS',
] as const;

export type UsageCode = (typeof USAGE_CODES)[number];

const INDEXES = new Map<UsageCode, number>(USAGE_CODES.map((code, index) => [code, index]));

/** Verifications by index of their code, and after the last code the units that the valid ones cost. */
export type Tally = number[];

const VALID = 0;
const UNITS = USAGE_CODES.length;

export const newTally = (): Tally => new Array<number>(UNITS + 1).fill(0);

/** Sums stop at the largest exact number. */
const sum = (a: number, b: number) => Math.min(a + b, Number.MAX_SAFE_INTEGER);

/** Counts a verification. `units` is what it cost if it was valid; refusals cost nothing. */
export function count(tally: Tally, code: UsageCode, units: number): void {
  const index = code === 'VALID' ? VALID : (INDEXES.get(code) ?? 0);
  tally[index] = sum(tally[index] ?? 0, 1);
  if (index === VALID) tally[UNITS] = sum(tally[UNITS] ?? 0, units);
}

export function addTally(to: Tally, more: Readonly<Tally>): void {
  for (let i = 0; i <= UNITS; i += 1) {
    const n = more[i] ?? 0;
    if (n > 0) to[i] = sum(to[i] ?? 0, n);
  }
}

/** Totals of a tally, of one code or of all. */
export type Totals = { readonly verifications: number; readonly valid: number; readonly units: number };

export function totalsOf(tally: Readonly<Tally>, code: UsageCode | null): Totals {
  const isOfValid = code === null || code === 'VALID';
  const [valid, units] = isOfValid ? [tally[VALID] ?? 0, tally[UNITS] ?? 0] : [0, 0];
  if (code !== null) return { verifications: tally[INDEXES.get(code) ?? 0] ?? 0, valid, units };
  let verifications = 0;
  for (let i = 0; i < UNITS; i += 1) verifications = sum(verifications, tally[i] ?? 0);
  return { verifications, valid, units };
}

/** The tallies of a row by slot. */
export type Slots = Map<number, Tally>;

export function addSlot(slots: Slots, slot: number, tally: Readonly<Tally>): void {
  const known = slots.get(slot);
  if (known === undefined) slots.set(slot, [...tally]);
  else addTally(known, tally);
}

export function pack(slots: Slots): Uint8Array {
  const writer = new VarintWriter();
  for (const [slot, tally] of [...slots].sort(([a], [b]) => a - b)) {
    let mask = tally[UNITS] === tally[VALID] ? 0 : 1;
    for (let i = 0; i < UNITS; i += 1) if ((tally[i] ?? 0) > 0) mask += 2 ** (i + 1);
    if (mask === 0) continue;
    writer.write(slot, mask);
    for (let i = 0; i < UNITS; i += 1) if ((tally[i] ?? 0) > 0) writer.write(tally[i] ?? 0);
    if (mask % 2 === 1) writer.write(tally[UNITS] ?? 0);
  }
  return writer.bytes;
}

/** Adds the slots of a packed row to `slots`. Throws when `pack` did not make it. */
export function unpackInto(slots: Slots, bytes: Uint8Array): void {
  const reader = new VarintReader(bytes);
  while (!reader.isAtEnd) {
    const slot = reader.read();
    const mask = reader.read();
    const tally = newTally();
    for (let i = 0; i < UNITS; i += 1) if ((mask & (2 << i)) !== 0) tally[i] = reader.read();
    tally[UNITS] = mask % 2 === 1 ? reader.read() : (tally[VALID] ?? 0);
    addSlot(slots, slot, tally);
  }
}
