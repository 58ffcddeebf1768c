/**
 * How many keys the largest tenants have, by status, as far as this isolate has heard. Only tenants whose objects were
 * awake in it since it started are known. The objects say so when they write, so a scrape asks none of them.
 */
import { KEY_STATUSES, type KeyStatus } from '../keys/record.ts';

/** Tenants that are remembered: with the statuses, so many times six lines. */
export const LARGEST_TENANTS_MAX = 20;

export type KeyCounts = Readonly<Record<KeyStatus, number>>;

export class LargestTenants {
  readonly #tenants = new Map<string, { readonly total: number; readonly counts: KeyCounts }>();

  /** Notes how many keys a tenant has now. It takes the place of the smallest one that is known, if it has more. */
  note(tenantId: string, counts: KeyCounts): void {
    const total = KEY_STATUSES.reduce((sum, status) => sum + counts[status], 0);
    if (!this.#tenants.has(tenantId) && this.#tenants.size >= LARGEST_TENANTS_MAX) {
      const [smallest, { total: least }] = [...this.#tenants].reduce((a, b) => (b[1].total < a[1].total ? b : a));
      if (total <= least) return;
      this.#tenants.delete(smallest);
    }
    this.#tenants.set(tenantId, { total, counts });
  }

  /** Forgets a tenant that was deleted. */
  forget(tenantId: string): void {
    this.#tenants.delete(tenantId);
  }

  *all(): Generator<{ readonly tenantId: string; readonly counts: KeyCounts }> {
    for (const [tenantId, { counts }] of this.#tenants) yield { tenantId, counts };
  }
}
