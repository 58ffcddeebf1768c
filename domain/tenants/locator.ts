/**
 * Where a tenant lives. Its locator is a function of its id, and it is the same whether the Worker takes the id from a
 * path or the locator out of a key string. The object's name is made of the locator, so finding the object takes no
 * look-up.
 */

/**
 * The tenant of Keystead's own management keys. No caller can create a tenant with this id: ids start with a letter or
 * digit.
 */
export const SYSTEM_TENANT_ID = '_system';

/**
 * 128 bits: two tenants do not share an object by accident. Even if they did, an object refuses calls for another
 * tenant id.
 */
export const LOCATOR_BYTES = 16;

/** The locator of a tenant id: the first half of SHA-256 over it. */
export async function locatorOf(tenantId: string): Promise<Uint8Array> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`keystead/tenant/${tenantId}`));
  return new Uint8Array(hash, 0, LOCATOR_BYTES);
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/**
 * Name of the object at a locator. Joined in one step, because a text that grows by concatenation keeps all its pieces
 * in memory.
 */
export function objectNameOf(locator: Uint8Array): string {
  const parts = ['tenant:'];
  for (const byte of locator) parts.push(HEX[byte] ?? '');
  return parts.join('');
}
