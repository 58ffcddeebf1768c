/** Shapes of key material: what depends on which keyring entry. */
import * as v from 'valibot';

/** Counts by the id of the keyring entry. */
const counts = v.record(v.string(), v.number());

export const encryptionOverview = v.strictObject({
  current: v.string(),
  currentSignature: v.string(),
  envelopes: counts,
  signatures: counts,
});

export const resealProgress = v.strictObject({
  resealed: v.number(),
  remaining: v.number(),
  /** Envelopes that no keyring entry opens; absent when there are none. */
  unreadable: v.exactOptional(v.number()),
});
