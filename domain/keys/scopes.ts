/**
 * Scope matching. A scope consists of segments separated by `:`. A granted scope covers a wanted scope when the two are
 * equal, or when the granted one ends in a segment `*` and the wanted one starts with everything before that `*`. So
 * `invoices:*` covers `invoices:read` and `invoices:lines:read`, but neither `invoices` nor `invoicesx:read`. The scope
 * `*` covers all.
 */

/** Whether one granted scope covers one wanted scope. */
export function scopeCovers(granted: string, wanted: string): boolean {
  if (granted === wanted || granted === '*') return true;
  return granted.endsWith(':*') && wanted.length >= granted.length && wanted.startsWith(granted.slice(0, -1));
}

/** Whether every wanted scope is covered by some granted one. */
export function scopesSatisfied(granted: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((scope) => granted.some((candidate) => scopeCovers(candidate, scope)));
}
