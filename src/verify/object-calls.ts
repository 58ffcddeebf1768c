/**
 * Calls to a tenant's object, as a holder of leases makes them: each renews the lease on all that is held of the tenant
 * and takes along what there is to tell.
 */
import { type HeldKey, heldBytes } from '../../domain/keys/held-key.ts';
import type { Asking } from '../../domain/leases/holder.ts';
import type { Known } from '../../domain/leases/lease.ts';
import type { CallWithBudgets, RenewalWithBudgets } from '../../domain/limits/call-with-budgets.ts';
import type { BudgetAsking, HeldBudgets } from '../../domain/limits/held-budgets.ts';
import type { HeldCharge } from '../../domain/limits/held-limits.ts';
import type { LeaseServices, VerificationObjects } from './services.ts';

/** A call on its way, with what it tells of budgets if any are held. */
export type Sent = {
  readonly asking: Asking;
  readonly held: HeldBudgets | undefined;
  readonly asked: BudgetAsking | null;
};

/**
 * Prepares a call to the object of a tenant: it takes along what there is to tell. End it with `failed` or `received`.
 * `other` is what a client knows of the tenant, to which the lease is to be passed on.
 */
export function prepare(
  objectName: string,
  charged: readonly HeldCharge[],
  { leases, budgets, now }: LeaseServices,
  other: Known | null = null,
): Sent {
  const at = now();
  const held = budgets.of(objectName);
  const asking = leases.ask(objectName, at, other);
  const asked = held?.ask(charged, at) ?? null;
  budgets.resized(objectName);
  return { asking, held, asked };
}

export const callOf = ({ asking, asked }: Sent): CallWithBudgets =>
  asked === null ? asking.call : { ...asking.call, budgets: asked.call };

/** Notes that the call has failed. What it should have told is told by a later one. */
export function failed(objectName: string, { asking, held, asked }: Sent, { leases }: LeaseServices): void {
  leases.failed(objectName, asking);
  if (asked !== null) held?.failed(asked);
}

/** Takes the answer of the call, and what it has brought: a renewal if any, and a record if any. */
export function received(
  objectName: string,
  { asking, held, asked }: Sent,
  { renewal, record }: { readonly renewal: RenewalWithBudgets | null; readonly record: HeldKey | null },
  { leases, budgets, now }: LeaseServices,
): void {
  leases.answered(objectName, asking);
  const got =
    record === null ? null : { keyId: record.key.id, record, bytes: heldBytes(record), tenant: record.tenant };
  if (renewal !== null) leases.receive(objectName, asking, renewal, got, now());
  if (asked === null || held === undefined) {
    if (renewal !== null && record !== null && record.limits !== null) budgets.open(objectName);
    return;
  }
  if (renewal?.budgets === undefined) held.failed(asked);
  else held.receive(asked, renewal.budgets, now());
}

/** What a call has brought that brought nothing to keep. */
export const NOTHING = { renewal: null, record: null };

/** Makes a call that decides nothing. Returns whether the object has taken what it told of budgets. */
export async function renew(
  objectName: string,
  services: LeaseServices,
  objects: Pick<VerificationObjects, 'renewLease'>,
  other: Known | null = null,
): Promise<boolean> {
  const sent = prepare(objectName, [], services, other);
  try {
    const renewal = await objects.renewLease(objectName, callOf(sent));
    received(objectName, sent, { renewal, record: null }, services);
    return renewal?.budgets !== undefined;
  } catch {
    // The object client has logged it. A later call reports what this one should have.
    failed(objectName, sent, services);
    return false;
  }
}

/**
 * Sees that enough is left of the lease on a tenant to be passed on. Many clients that ask at the same time lead to one
 * call. `known` is what the client knows of the tenant.
 */
export async function freshen(
  objectName: string,
  known: Known | null,
  services: LeaseServices,
  objects: Pick<VerificationObjects, 'renewLease' | 'afterwards'>,
): Promise<void> {
  const { leases, now, pending } = services;
  if (leases.isWorthPassingOn(objectName, now())) return;
  await pending.renewal(objectName, () => {
    const renewing = renew(objectName, services, objects, known);
    // Others may wait for it, so it goes on even if this request is cut off.
    objects.afterwards(0, () => renewing);
    return renewing;
  });
}
