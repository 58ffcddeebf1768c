/** What an isolate remembers of tenants, so that it need not ask. */
import { LruCache } from '../domain/memory/lru-cache.ts';
import { locatorOf, objectNameOf, SYSTEM_TENANT_ID } from '../domain/tenants/locator.ts';
import { DEFAULT_SETTINGS } from '../domain/tenants/record.ts';

/** Where a tenant lives: its locator, and the name of its object. */
export type Place = { readonly locator: Uint8Array; readonly objectName: string };

/** What each entry of `TenantMemory` takes beside the tenant id (bytes). */
const EXISTING_BYTES = 0;
const PLACE_BYTES = 400;
const PREFIX_BYTES = 200;

/**
 * What an isolate remembers of tenants. It may be out of date: an object that holds no such tenant says so, and one
 * whose keys have another prefix says which.
 */
export class TenantMemory {
  /** Tenants that existed when they were last asked. */
  readonly #existing = new LruCache<true>();
  readonly #places = new LruCache<Place>();
  readonly #prefixes = new LruCache<string>();

  /**
   * Whether the tenant existed when it was last asked. True for `_system` always, which the directory does not list.
   */
  isKnown(tenantId: string): boolean {
    return tenantId === SYSTEM_TENANT_ID || this.#existing.get(tenantId) === true;
  }

  learn(tenantId: string): void {
    this.#existing.set(tenantId, true, EXISTING_BYTES);
  }

  forget(tenantId: string): void {
    this.#existing.delete(tenantId);
  }

  /**
   * The last known prefix of a tenant's keys, or the default. The tenant's object knows the right one and checks it.
   */
  likelyPrefix(tenantId: string): string {
    return this.#prefixes.get(tenantId) ?? DEFAULT_SETTINGS.keyPrefix;
  }

  learnPrefix(tenantId: string, prefix: string): void {
    this.#prefixes.set(tenantId, prefix, PREFIX_BYTES);
  }

  /** The place of a tenant id: a function of the id, remembered once computed. */
  placeOf(tenantId: string): Place | Promise<Place> {
    return this.#places.get(tenantId) ?? this.#compute(tenantId);
  }

  async #compute(tenantId: string): Promise<Place> {
    const locator = await locatorOf(tenantId);
    const place = { locator, objectName: objectNameOf(locator) };
    this.#places.set(tenantId, place, PLACE_BYTES);
    return place;
  }
}
