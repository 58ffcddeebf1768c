/**
 * What is taken out of the design, to see that the property would not hold without it. (`npm run sabotage` breaks the
 * program's text in many more ways.)
 */
import { vi } from 'vitest';
import { LeaseCache } from '../../domain/leases/cache.ts';
import { LeaseLedger, outlastMs } from '../../domain/leases/ledger.ts';

/** Those that the world itself plays: it has the timers, the storage and the clocks. */
const OF_THE_WORLD = ['no wait', 'flag never set', 'no clock rule'] as const;

const OF_THE_CODE = {
  'no restart rule': () => {
    vi.spyOn(LeaseLedger, 'ofStart').mockImplementation(() => new LeaseLedger(0));
  },
  'flag cleared too early': () => {
    vi.spyOn(LeaseLedger.prototype, 'isQuiet').mockReturnValue(true);
  },
  'no margin': () => {
    const { grant } = LeaseLedger.prototype;
    vi.spyOn(LeaseLedger.prototype, 'grant').mockImplementation(function (this: LeaseLedger, keyId, leaseMs, now) {
      grant.call(this, keyId, leaseMs, now - (outlastMs(leaseMs) - leaseMs));
    });
  },
  'counted from the answer': () => {
    const { put } = LeaseCache.prototype;
    vi.spyOn(LeaseCache.prototype, 'put').mockImplementation(function (this: LeaseCache, leased, leaseMs, asking, now) {
      put.call(this, leased, leaseMs, { ...asking, at: now }, now);
    });
  },
  'own part only': () => {
    const { mutation } = LeaseLedger.prototype;
    vi.spyOn(LeaseLedger.prototype, 'mutation').mockImplementation(function (
      this: LeaseLedger,
      changed,
      about,
      ...times
    ) {
      return mutation.call(this, changed, changed === null ? about : changed, ...times);
    });
  },
  'told at once': () => {
    vi.spyOn(LeaseLedger.prototype, 'telling').mockReturnValue(0);
  },
} as const;

export type Sabotage = (typeof OF_THE_WORLD)[number] | keyof typeof OF_THE_CODE | null;

export const SABOTAGES: readonly Exclude<Sabotage, null>[] = [
  ...OF_THE_WORLD,
  ...(Object.keys(OF_THE_CODE) as (keyof typeof OF_THE_CODE)[]),
];

/** Breaks the code, until `vi.restoreAllMocks()`. */
export function apply(sabotage: Sabotage): void {
  if (sabotage !== null && sabotage in OF_THE_CODE) OF_THE_CODE[sabotage as keyof typeof OF_THE_CODE]();
}
