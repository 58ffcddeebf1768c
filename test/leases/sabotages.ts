/**
 * What is taken out of the design, to see that the property would not hold without it. (`npm run sabotage` breaks the
 * program's text in many more ways.)
 */
import { vi } from 'vitest';
import { LeaseGranter } from '../../domain/leases/granter.ts';
import { LeaseHolder } from '../../domain/leases/holder.ts';
import { outlastMs } from '../../domain/leases/lease.ts';

/** Those that the world itself plays: it has the timers, the storage and the clocks. */
const OF_THE_WORLD = ['no wait', 'flag never set', 'no clock rule'] as const;

const OF_THE_CODE = {
  'no restart rule': () => {
    vi.spyOn(LeaseGranter.prototype, 'assumeLeased').mockReturnValue();
  },
  'flag cleared too early': () => {
    vi.spyOn(LeaseGranter.prototype, 'isQuiet').mockReturnValue(true);
  },
  'no margin': () => {
    const { renew } = LeaseGranter.prototype;
    vi.spyOn(LeaseGranter.prototype, 'renew').mockImplementation(function (
      this: LeaseGranter,
      ...[known, keyId, ms, now]
    ) {
      return renew.call(this, known, keyId, ms, now - (outlastMs(ms) - ms));
    });
  },
  'counted from the answer': () => {
    const { receive } = LeaseHolder.prototype;
    vi.spyOn(LeaseHolder.prototype, 'receive').mockImplementation(function (
      this: LeaseHolder<unknown>,
      ...[tenant, asking, renewal, got, now]
    ) {
      receive.call(this, tenant, { ...asking, at: now }, renewal, got, now);
    });
  },
  'own part only': () => {
    const { mutation } = LeaseGranter.prototype;
    vi.spyOn(LeaseGranter.prototype, 'mutation').mockImplementation(function (
      this: LeaseGranter,
      ...[changed, about, inForceMs, now]
    ) {
      return mutation.call(this, changed, changed === null ? about : changed, inForceMs, now);
    });
  },
  'told at once': () => {
    vi.spyOn(LeaseGranter.prototype, 'telling').mockReturnValue(0);
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
