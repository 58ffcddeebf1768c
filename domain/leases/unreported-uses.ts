/**
 * Uses of keys that a holder has decided itself and the objects do not know of yet. The next call to a tenant's object
 * takes them along.
 */
import type { ReportedUse } from './lease.ts';

/** Uses that one call reports. The object may have to read each key, so these are some milliseconds of its time. */
export const USES_OF_CALL_MAX = 200;
/** Uses of one tenant that are remembered. There are more only while its object cannot be reached. */
const USES_MAX = 2000;
/** Tenants with unreported uses. There are more only while objects cannot be reached. */
const TENANTS_MAX = 2000;

export class UnreportedUses {
  /** By tenant and key: the latest use (ms). */
  readonly #uses = new Map<string, Map<string, number>>();

  any(tenant: string): boolean {
    return this.#uses.has(tenant);
  }

  /** Adds a use. Returns whether it is the tenant's first, and whether the next call has no room for more. */
  add(tenant: string, keyId: string, at: number): 'first' | 'more' | 'full' {
    const known = this.#uses.get(tenant);
    if (known === undefined) {
      if (this.#uses.size >= TENANTS_MAX) return 'more';
      this.#uses.set(tenant, new Map([[keyId, at]]));
      return 'first';
    }
    if (known.size < USES_MAX || known.has(keyId)) known.set(keyId, Math.max(at, known.get(keyId) ?? at));
    return known.size % USES_OF_CALL_MAX === 0 ? 'full' : 'more';
  }

  /** Takes what the next call reports, as seen at `now` (ms). */
  take(tenant: string, now: number): readonly ReportedUse[] {
    const known = this.#uses.get(tenant);
    if (known === undefined) return NONE;
    const taken: ReportedUse[] = [];
    for (const [keyId, at] of known) {
      taken.push({ keyId, agoMs: Math.max(now - at, 0) });
      known.delete(keyId);
      if (taken.length === USES_OF_CALL_MAX) break;
    }
    if (known.size === 0) this.#uses.delete(tenant);
    return taken;
  }
}

const NONE: readonly ReportedUse[] = [];
