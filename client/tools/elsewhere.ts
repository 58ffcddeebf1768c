/** Operations that are for programs of another kind than callers of the client and the command line. */
export const NOT_FOR_CALLERS: readonly string[] = [
  // The client renews its leases by itself.
  'leases.renew',
  // Gateways ask these, with headers of their own.
  'gateways.authorize',
  'gateways.authorizeBelow',
];

/** Operations that the client offers in another way than as a method of a resource, or not at all. */
export const ELSEWHERE: readonly string[] = [
  // `keystead.verify`.
  'keys.verify',
  ...NOT_FOR_CALLERS,
];
