/**
 * Results of calls to an object. Expected failures are data, because an RPC loses the class of a thrown error. An
 * object throws for the rest: bugs, failures of the platform, a database that a newer version wrote, and a decided
 * deletion that could not be finished yet.
 */

/** Failures that an object decides. src/api/problems.ts maps each of them to an HTTP problem; the map is exhaustive. */
export type Failure =
  | { readonly code: 'tenant_not_found' }
  | { readonly code: 'tenant_exists' }
  | { readonly code: 'key_not_found' }
  | { readonly code: 'keys_not_found'; readonly ids: readonly string[] }
  | { readonly code: 'key_not_active'; readonly status: string }
  | { readonly code: 'key_already_rotating'; readonly replacedBy: string | null }
  | { readonly code: 'key_not_rotating'; readonly status: string }
  | { readonly code: 'successor_rotated' }
  | { readonly code: 'expiry_in_past' | 'created_in_future'; readonly index?: number }
  /** Hashes that are to be imported are there already: in the tenant, or earlier in the same request. */
  | { readonly code: 'hash_exists'; readonly duplicates: readonly DuplicateHash[] }
  | { readonly code: 'too_many_limits' | 'limit_name_repeated'; readonly index?: number; readonly of?: 'tenant' }
  | { readonly code: 'limit_not_found' }
  /** There is no room to count for one more identifier. */
  | { readonly code: 'identifiers_full' }
  /** A balance is to be changed of a key or an owner that has no credits. */
  | { readonly code: 'no_credits' }
  | { readonly code: 'would_widen' }
  | { readonly code: 'outlives_caller' }
  | { readonly code: 'not_for_confined'; readonly what: 'status' | 'settings' }
  | { readonly code: 'owner_not_found' }
  | { readonly code: 'owner_exists' }
  | { readonly code: 'owner_has_keys' }
  /** Not yet: moments ago an upgrade has begun to make the records of owners. */
  | { readonly code: 'owners_not_filled' }
  | { readonly code: 'plan_not_found' }
  | { readonly code: 'plan_exists' }
  | { readonly code: 'plan_in_use' }
  | { readonly code: 'too_many_plans' }
  /** A key or an owner is to have a plan that does not exist. */
  | { readonly code: 'no_such_plan'; readonly index?: number }
  | { readonly code: 'precondition_failed' }
  | { readonly code: 'idempotency_key_reused' }
  | { readonly code: 'storage_full' };

/** A hash that is there already. `index`: its place in the request. `keyId`: the key that has it, if that is stored. */
export type DuplicateHash = { readonly index: number; readonly keyId?: string };

/**
 * The Worker minted a key string with another prefix than the record calls for, and mints again with this one. This
 * never reaches a caller. It saves every creation and rotation a call that would only ask for the prefix.
 */
export type PrefixMismatch = { readonly code: 'prefix_mismatch'; readonly prefix: string };

export type Result<T, F = Failure> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: F };

/**
 * The result of a mutation. `replay` is set when it is the kept result of an earlier request with the same
 * `Idempotency-Key`.
 */
export type Mutated<T, F = Failure> = Result<T, F> & {
  readonly replay?: { readonly sealedSecrets: Uint8Array | null };
};

export const ok = <T>(value: T): { ok: true; value: T } => ({ ok: true, value });
export const fail = <const F>(failure: F): { ok: false; failure: F } => ({ ok: false, failure });
