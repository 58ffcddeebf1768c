/** Operations that the client offers in another way than as a method of a resource. */
export const ELSEWHERE: readonly string[] = [
  // `keystead.verify`.
  'keys.verify',
];
