/**
 * The key record: what a tenant's object keeps of one key.
 *
 * It holds a digest and a sealed envelope, never the key string, so a copy of the record verifies nothing. The status
 * is not a field. It follows from the record and the time (status.ts), so it is right even when no alarm has run.
 */

import type { Credits } from '../limits/credits.ts';
import type { KeyLimit, LimitTexts } from '../limits/named-limit.ts';
import type { OwnerState } from '../owners/record.ts';

/** A key as the Worker mints it. Only the Worker holds the secrets that this takes. */
export type MintedKey = {
  /** `key_` and 17 base62 characters, in time order. */
  readonly id: string;
  readonly prefix: string;
  /** Last four characters of the key string. They belong to its checksum, not to its random part or its signature. */
  readonly lastFour: string;
  /** 20 bytes of the HMAC over the key string, other bytes than those that the key string itself carries. */
  readonly digest: Uint8Array;
  /** AES-GCM envelope of the key string's bytes. */
  readonly envelope: Uint8Array;
  /** Keyring entry of HMAC_SECRET that signed the key string. */
  readonly signingKeyId: number;
  /** Keyring entry of ENCRYPTION_KEY that sealed the envelope. */
  readonly sealingKeyId: number;
};

/** A minted key as the tenant stores it: without its envelope when the tenant keeps nothing recoverable. */
export type StoredKey = Omit<MintedKey, 'envelope' | 'sealingKeyId'> & Pick<KeyRecord, 'envelope' | 'sealingKeyId'>;

/**
 * A key that was issued elsewhere, as the Worker hands it over: its key string is not known, only a hash of it, and of
 * that only keyed digests leave the Worker.
 */
export type ForeignKeyInput = {
  /** `key_…`, made by the Worker as for a new key. */
  readonly id: string;
  /** The start of its key strings, in the words of whoever issued it; empty when it is not told. */
  readonly prefix: string;
  /** What people recognise it by. */
  readonly hint: string;
  /** A digest for each entry of HMAC_SECRET. The first is that of the current entry, and is kept. */
  readonly digests: readonly Uint8Array[];
  /** The current entry of HMAC_SECRET. */
  readonly signingKeyId: number;
  /** When it was issued (ms); null for the time of the import. */
  readonly createdAt: number | null;
};

/** The attributes of a key that the caller chooses. */
export type KeyAttributes = {
  readonly name: string;
  readonly owner: string | null;
  readonly scopes: readonly string[];
  /** JSON text of an object. The tenant's object never parses it. */
  readonly metadata: string;
  /** Milliseconds since the epoch, null for never. */
  readonly expiresAt: number | null;
  readonly enabled: boolean;
  /** Null for the plan of the owner, if that has one. */
  readonly plan: string | null;
} & LimitTexts;

/**
 * The attributes of a key that is about to be stored. Its scopes are the JSON text of an array, as in storage: one text
 * to copy between Worker and object instead of up to a hundred.
 */
export type NewAttributes = Omit<KeyAttributes, 'scopes'> & { readonly scopes: string };

/** A key record. All times are milliseconds since the epoch. */
export type KeyRecord = KeyAttributes & {
  /** Creation order within the tenant; 0 until the record is stored. */
  readonly seq: number;
  readonly id: string;
  readonly prefix: string;
  /** Empty for an imported key. */
  readonly lastFour: string;
  /** Of an imported key what people recognise it by; null for a key that was issued here. */
  readonly hint: string | null;
  /** Of the key string, or of the hash that was imported. */
  readonly digest: Uint8Array;
  readonly envelope: Uint8Array | null;
  /** The entry of HMAC_SECRET that made the digest. */
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
  /** Id of the first key of the chain of rotations that this key belongs to; null while it belongs to none. */
  readonly lineage: string | null;
  /** Ids of the actors who created and who revoked the key (see `actorOf`); null when not recorded or not revoked. */
  readonly createdBy: string | null;
  readonly revokedBy: string | null;
  /** The status in the row when the record was read. It may lag behind the time. */
  readonly storedStatus: KeyStatus;
  /** End of grace of a predecessor. Never later than its `expiresAt`: `rotateKey` and `updateKey` see to that. */
  readonly graceEndsAt: number | null;
};

/** The fields that decide a key's status, together with the time. */
export type KeyTimes = Pick<KeyRecord, 'revokedAt' | 'graceEndsAt' | 'expiresAt' | 'enabled'>;

/** All statuses. Stored counts name a status by its index here, so append only. */
export const KEY_STATUSES = ['active', 'rotating', 'rotated', 'disabled', 'expired', 'revoked'] as const;
export type KeyStatus = (typeof KEY_STATUSES)[number];

/** The fields that are needed to record a use of a key. */
export type UsedKey = Pick<KeyRecord, 'seq' | 'id' | 'createdAt' | 'replaces'>;

/**
 * What a verification needs to know of a key and of its owner, and reports about them. Nothing else leaves the object
 * when a key is verified.
 */
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
> &
  Omit<OwnerState, 'ownerPlan'> & {
    /** The plan of the key or of its owner. Absent when there is none. */
    readonly plan?: string;
    /** What the plan allows at most. Absent when it allows whatever the key's scopes say. */
    readonly allowedScopes?: readonly string[];
    /** Absent when the key has none. */
    readonly limits?: readonly KeyLimit[];
    /** Set when the key or its owner has credits: each verification is decided and written in the object. */
    readonly isMetered?: true;
  };

/** A record that is about to be stored. */
export type NewRecord = Omit<KeyRecord, 'scopes'> & NewAttributes;

/** What the object reports of a key that it created. The caller knows the rest, since it asked for it. */
export type CreatedKey = Pick<KeyRecord, 'id' | 'prefix' | 'lastFour' | 'createdAt' | 'createdBy'>;

/** The same of a key that it imported. */
export type ImportedKey = Pick<KeyRecord, 'id' | 'createdAt' | 'updatedAt' | 'createdBy'>;

/** A record as it leaves the object: without what only storage needs, with what holds at the time of reading. */
export type KeyView = Omit<KeyRecord, 'digest' | 'envelope' | 'storedStatus'> & {
  readonly status: KeyStatus;
  /** The credits of the key's lineage, refilled as of the time of reading; null when it has none. */
  readonly credits: Credits | null;
};

/**
 * A record as lists read it: without what no list shows. Its scopes are the JSON text of an array, as they are stored.
 */
export type ListedKey = Omit<KeyRecord, 'digest' | 'envelope' | 'scopes' | 'storedStatus'> & {
  readonly scopes: string;
};
