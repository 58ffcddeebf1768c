/**
 * How a tenant is created and deleted. Two objects are concerned that never change together: the tenant's own and the
 * directory. A third, the object of `_system`, holds the management keys. Every creation mints an incarnation, so that
 * two tenants which had the same id one after the other are never confused.
 *
 * Who decides what:
 * - The tenant's object decides whether a tenant with this id exists now, and which incarnation it is.
 * - The directory decides which incarnations may be created and which must go. For the directory an incarnation is in
 *   one of these states:
 *
 *       (no entry) --add--> listed --decide--> deleting --finish--> (no entry)
 *                             |
 *                             +--refuse, prune (no such tenant was made)--> (no entry)
 *
 * Creation: the Worker calls `add` at the directory, then `create` at the tenant's object. Before the object writes
 * anything, it asks the directory whether the incarnation is still listed. So a call that arrives late, after the
 * tenant was deleted again, is refused. While the creation waits for the directory, a deletion of the same incarnation
 * may run. It cancels the waiting creation in the object's memory. If the object dies, the waiting creation dies with
 * it.
 *
 * When the object does not create the tenant, the directory has the last word (`refuse`), since requests can be copied:
 * one copy finds the id taken, the id becomes free, and another copy creates the tenant. So before the directory drops
 * the entry it asks the object to cancel waiting creations of the incarnation (`cancelCreation`). Creations that ask
 * for confirmation meanwhile wait for the refusal. If the incarnation exists by then, it was created after all, and
 * every copy of the request gets that result.
 *
 * Deletion: the directory marks the entry and writes the audit entry in one transaction (`decide`). From then on every
 * request that meets the deletion, and the alarm, work on finishing it until each step has succeeded: revoke the
 * management keys that are bound to the incarnation, `destroy` it at the tenant's object, drop the entry. Each step is
 * idempotent. Only an incarnation that is listed at that moment is decided; one that another call has deleted since the
 * object described it does not exist. What was decided is kept for every `Idempotency-Key` that asked, also that there
 * was no tenant, so a repetition never deletes a tenant that was created since. No caller learns that a tenant is gone
 * before the last step: a repeated deletion, a question about the tenant and a creation with the same id wait for it.
 *
 * Leases: `destroy` returns when no lease on anything of the incarnation is left. An object that was started anew does
 * not know what an earlier instance granted, so it waits for the longest lease that is possible. `create` waits too
 * when the directory knows of an unfinished deletion under the same id, or when this instance has deleted a tenant
 * whose leases have not ended. The new tenant is stored at once, but as if the longest leases were out on it. So every
 * result about it waits as well, also in a later instance of the object, and so does the 404 to a caller who means the
 * earlier tenant.
 *
 * Grants: a management key names the incarnation that it is confined to, and the tenant's object compares it at every
 * call (target.ts). A management key therefore opens no other tenant with that id, whenever it is made or revoked.
 */
import { fail } from '../outcome.ts';

/** The directory's reply to a tenant's object that is about to create an incarnation. */
export type Confirmation = {
  /** Whether the incarnation may still be created. */
  readonly allowed: boolean;
  /** Whether a deletion of an earlier tenant with this id is not finished yet. */
  readonly earlierDeletion: boolean;
};

/** Asks the directory for the confirmation. Rejects when the directory cannot be reached. */
export type Confirm = () => Promise<Confirmation>;

/** Result of creating an incarnation that was deleted or given up before it was made. */
export const NOT_CONFIRMED = fail({ code: 'tenant_not_found' });

/**
 * How long (ms) the directory's alarm waits after the nth failed attempt to finish a deletion: doubled each time, at
 * most ten minutes.
 */
export function retryDelayMs(attempts: number): number {
  return Math.min(15_000 * 2 ** Math.max(attempts - 1, 0), 600_000);
}

/**
 * The owner of management keys that are bound to an incarnation. Older keys, from before incarnations were recorded,
 * have the tenant id alone. No tenant id contains a slash, so the two forms cannot be confused.
 */
export function grantOwner({ tenantId, incarnation }: { readonly tenantId: string; readonly incarnation: string }) {
  return `${tenantId}/${incarnation}`;
}

/**
 * The tenant that the owner of a management key names. `incarnation` is null for keys from before incarnations were
 * recorded.
 */
export function parseGrantOwner(owner: string): { readonly tenantId: string; readonly incarnation: string | null } {
  const slash = owner.indexOf('/');
  if (slash < 0) return { tenantId: owner, incarnation: null };
  return { tenantId: owner.slice(0, slash), incarnation: owner.slice(slash + 1) };
}
