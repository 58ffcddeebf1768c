/** Whether two byte strings are equal, in constant time: digests and signatures are a secret's shadow. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && crypto.subtle.timingSafeEqual(a, b);
}
