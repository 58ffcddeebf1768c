/**
 * Whether two byte strings are equal. The comparison takes constant time, because digests and signatures are derived
 * from secrets and a timing difference would help to guess them.
 */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && crypto.subtle.timingSafeEqual(a, b);
}
