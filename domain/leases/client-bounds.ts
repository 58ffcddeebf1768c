/** What one request of a client renews and reports at most. The server refuses more, so clients send no more. */

/** Tenants whose leases are renewed. */
export const TENANTS_OF_RENEWAL_MAX = 50;
/** Counts of keys that are reported of each tenant. */
export const CELLS_OF_RENEWAL_MAX = 100;
/** Uses are reported as at most so long ago (ms): an hour. Whoever has older ones was cut off from the server. */
export const USE_AGO_MS_MAX = 3_600_000;
