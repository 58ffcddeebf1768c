/**
 * How a tenant comes into being and goes, with two objects that never change together: the tenant's own and the
 * directory. A third, `_system`, has the management keys. Every creation mints an incarnation, so that two tenants
 * of one id, one after the other, are never taken for each other.
 *
 * Who decides what:
 * - The tenant's object decides whether a tenant of this id exists now, and which incarnation it is.
 * - The directory decides which incarnations may come into being and which must go. An incarnation is in one of
 *   these states there:
 *
 *       (no entry) --add--> listed --decide--> deleting --finish--> (no entry)
 *                             |
 *                             +--refuse, prune (no such tenant was made)--> (no entry)
 *
 * Creation, by the Worker: `add` in the directory, then `create` at the tenant's object. Before that writes anything
 * it asks the directory to confirm that the incarnation is still listed. A call that arrives late, after the tenant
 * was deleted again, is refused so. While a creation waits for the answer a deletion of the same incarnation may
 * run; it calls the creation off in the object's memory. So does another copy of the creation that finds the id
 * taken, since the directory then drops the entry. If the object dies, the waiting creation dies with it. Whatever
 * the object answers but success, the directory has the last word (`refuse`): of two copies of a request one may
 * have been refused before.
 *
 * Deletion, by the directory: `decide` marks the entry and writes the audit entry, in one transaction. From then on
 * it is finished, by whoever asks and by the alarm, until every step has succeeded: revoke the management keys that
 * are bound to the incarnation, `destroy` it at the tenant's object, drop the entry. Each step is idempotent. Only
 * an incarnation that is listed at that moment is decided: one that another call has deleted since the object
 * described it is not there. What was decided, that there is no tenant included, is kept for every `Idempotency-Key`
 * that asked, so that no repetition ever deletes a tenant created since. No caller is told that a tenant is gone
 * before the last step: a repeated deletion, a question about the tenant and a creation of the same id wait for it.
 *
 * Leases: `destroy` returns when no lease on anything of the incarnation is left. An object that was started anew
 * does not know what an earlier instance had granted, so it waits for the longest lease there is. `create` waits
 * likewise when the directory knows of a deletion that is not finished under the same id, or this instance has one
 * whose leases have not ended. The tenant is there at once, since only what is stored stands, but it starts as if
 * the longest leases were out on it: so every answer about it, the 404 to a caller who means the earlier tenant
 * included, waits as well, in a later instance of the object too.
 *
 * Grants: a management key names the incarnation that it is confined to, and the tenant's object compares it at
 * every call (target.ts). So it does not matter when one is made or revoked: it opens no other tenant of that id.
 */
import { fail } from '../outcome.ts';

/** What the directory says to a tenant's object that is about to create an incarnation. */
export type Confirmation = {
  /** Whether the incarnation is still meant to come into being. */
  readonly allowed: boolean;
  /** Whether a deletion of an earlier tenant of this id is not finished yet. */
  readonly earlierDeletion: boolean;
};

export type Confirm = () => Promise<Confirmation>;

/** Answer to the creation of an incarnation that was deleted, or given up, before it was made. */
export const NOT_CONFIRMED = fail({ code: 'tenant_not_found' });

/** How long the directory's alarm waits after the nth failed attempt to finish a deletion (ms): doubled up to ten minutes. */
export function retryDelayMs(attempts: number): number {
  return Math.min(15_000 * 2 ** Math.max(attempts - 1, 0), 600_000);
}

/**
 * The owner of management keys that are bound to an incarnation. Keys from before incarnations were noted have the tenant id alone. No tenant
 * id has a slash, so the two cannot be mistaken for each other.
 */
export function grantOwner({ tenantId, incarnation }: { readonly tenantId: string; readonly incarnation: string }) {
  return `${tenantId}/${incarnation}`;
}

/** What the owner of a management key says: the tenant id, and the incarnation, null for keys from before those were noted. */
export function parseGrantOwner(owner: string): { readonly tenantId: string; readonly incarnation: string | null } {
  const slash = owner.indexOf('/');
  if (slash < 0) return { tenantId: owner, incarnation: null };
  return { tenantId: owner.slice(0, slash), incarnation: owner.slice(slash + 1) };
}
