/** Schemas of encryption: what depends on which keyring entry, and the progress of sealing with the current one. */
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
  /** Envelopes of the batch that no keyring entry opens; absent when there are none. */
  unreadable: v.exactOptional(v.number()),
});
