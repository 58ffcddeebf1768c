/**
 * Where a tenant lives: its locator, a function of its id, the same whether it comes from a path or out of a key string. The object's name is
 * made of it, so finding the object takes no look-up.
 */

/** The tenant of Keystead's own management keys. No caller can create a tenant of this name: ids start with a letter or digit. */
export const SYSTEM_TENANT_ID = '_system';

/** 128 bits: tenants that meet at one object by accident are out of reach, and an object refuses calls for another tenant id anyway. */
export const LOCATOR_BYTES = 16;

/** First half of SHA-256 over the tenant id. */
export async function locatorOf(tenantId: string): Promise<Uint8Array> {
  const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`keystead/tenant/${tenantId}`));
  return new Uint8Array(hash, 0, LOCATOR_BYTES);
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Name of the object at a locator. Joined in one step: a text grown by pieces keeps all of them in memory. */
export function objectNameOf(locator: Uint8Array): string {
  const parts = ['tenant:'];
  for (const byte of locator) parts.push(HEX[byte] ?? '');
  return parts.join('');
}
