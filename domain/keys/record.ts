/**
 * The key record: what a tenant's object knows of one key.
 *
 * It holds a digest and a sealed envelope, never the key string: a copy of this record verifies nothing. Status is not a field
 * but a function of the record and the time (see status.ts), so that no alarm has to run for an answer to be right.
 */

/** Identity of a key at its birth, minted by the Worker, which alone holds the secrets. */
export type MintedKey = {
  /** `key_` and 17 base62 characters, time-ordered. */
  readonly id: string;
  readonly prefix: string;
  /** Last four characters of the key string; they belong to its checksum, so they tell nothing about the secret. */
  readonly lastFour: string;
  /** 20 bytes of the HMAC over the key string that the key string itself does not carry. */
  readonly digest: Uint8Array;
  /** AES-GCM envelope of the key string's bytes. */
  readonly envelope: Uint8Array;
  /** Keyring entry of HMAC_SECRET that signed the key string. */
  readonly signingKeyId: number;
  /** Keyring entry of ENCRYPTION_KEY that sealed the envelope. */
  readonly sealingKeyId: number;
};

/** A minted key as the tenant keeps it: without envelope where it wants nothing recoverable stored. */
export type StoredKey = Omit<MintedKey, 'envelope' | 'sealingKeyId'> & Pick<KeyRecord, 'envelope' | 'sealingKeyId'>;

/** What the caller chooses about a key. */
export type KeyAttributes = {
  readonly name: string;
  readonly owner: string | null;
  readonly scopes: readonly string[];
  /** JSON text of an object; the object never looks inside. */
  readonly metadata: string;
  /** Milliseconds since the epoch, null for never. */
  readonly expiresAt: number | null;
  readonly enabled: boolean;
};

/** The same for a key that is to be stored, with the scopes as they are stored: JSON text of an array, one value to copy and not a hundred. */
export type NewAttributes = Omit<KeyAttributes, 'scopes'> & { readonly scopes: string };

/** All times are milliseconds since the epoch. */
export type KeyRecord = KeyAttributes & {
  /** Creation order within the tenant; 0 until stored. */
  readonly seq: number;
  readonly id: string;
  readonly prefix: string;
  readonly lastFour: string;
  readonly digest: Uint8Array;
  readonly envelope: Uint8Array | null;
  readonly signingKeyId: number;
  readonly sealingKeyId: number | null;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly revokedAt: number | null;
  readonly lastUsedAt: number | null;
  readonly version: number;
  readonly replaces: string | null;
  readonly replacedBy: string | null;
  readonly rotatedAt: number | null;
  /** The first key of the chain of rotations that this one belongs to, by id; null while it is in none. */
  readonly lineage: string | null;
  /** Ids of the actors who made and who revoked it (see `actorOf`); null when not noted or not revoked. */
  readonly createdBy: string | null;
  readonly revokedBy: string | null;
  /** What the row says of the status, which may lag behind the time; what it was when the record was read. */
  readonly storedStatus: KeyStatus;
  /** End of grace of a predecessor. Never later than its `expiresAt` (kept by rotate and update). */
  readonly graceEndsAt: number | null;
};

/** What decides a key's status, beside the time. */
export type KeyTimes = Pick<KeyRecord, 'revokedAt' | 'graceEndsAt' | 'expiresAt' | 'enabled'>;

/** Counts in storage name a status by its place here: append only. */
export const KEY_STATUSES = ['active', 'rotating', 'rotated', 'disabled', 'expired', 'revoked'] as const;
export type KeyStatus = (typeof KEY_STATUSES)[number];

/** What noting a use looks at. */
export type UsedKey = Pick<KeyRecord, 'seq' | 'id' | 'createdAt' | 'replaces'>;

/** What a verification needs to know of a key, and what it tells: all that leaves the object on the hot path. */
export type VerifiedKey = Pick<
  KeyRecord,
  | 'id'
  | 'name'
  | 'owner'
  | 'scopes'
  | 'metadata'
  | 'enabled'
  | 'createdAt'
  | 'expiresAt'
  | 'revokedAt'
  | 'replaces'
  | 'replacedBy'
  | 'rotatedAt'
  | 'graceEndsAt'
>;

/** A record that is about to be stored. */
export type NewRecord = Omit<KeyRecord, 'scopes'> & NewAttributes;

/** What the object tells of a key that it made: the rest is as it was asked for, which the caller knows. */
export type CreatedKey = Pick<KeyRecord, 'id' | 'prefix' | 'lastFour' | 'createdAt' | 'createdBy'>;

/** A record as it leaves the object: without what only storage needs, with the status at the moment of reading. */
export type KeyView = Omit<KeyRecord, 'digest' | 'envelope' | 'storedStatus'> & { readonly status: KeyStatus };

/** A record as lists read it: without what no list shows, its scopes the JSON text of an array as they are stored. */
export type ListedKey = Omit<KeyRecord, 'digest' | 'envelope' | 'scopes' | 'storedStatus'> & {
  readonly scopes: string;
};
