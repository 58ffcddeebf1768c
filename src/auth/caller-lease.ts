/**
 * How long what is passed on to a caller may be used: never longer than this isolate itself may take the caller for
 * what it is. So when a management key is revoked or loses a permission, its holders have nothing left to verify by
 * when that change returns.
 */
import type { LeaseServices } from '../verify/services.ts';
import { principalOf } from './management-key.ts';
import type { Principal } from './principal.ts';

/** In ms from `now` on. `systemObject` is the name of the object that holds the management keys. */
export function callerLeaseMs(
  caller: Principal,
  systemObject: string,
  { leases }: Pick<LeaseServices, 'leases'>,
  now: number,
): number {
  if (caller.actor.type !== 'management_key') return Number.POSITIVE_INFINITY;
  const held = leases.get(systemObject, caller.actor.id, now);
  // The record must be the one that this caller was authenticated by: another one may allow less.
  if (held === null || principalOf(held.key) !== caller) return 0;
  const untilEnd = caller.endsAt === null ? Number.POSITIVE_INFINITY : caller.endsAt - now;
  return Math.min(leases.remainingMs(systemObject, now), untilEnd);
}
