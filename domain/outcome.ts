/**
 * What an object answers. Expected failures are data, because the class of a thrown error is lost on its way through an RPC; an
 * exception from an object is always a bug or the platform.
 */

/** Failures that an object decides. `src/http/problem.ts` maps each of them to HTTP, exhaustively. */
export type Failure =
  | { readonly code: 'tenant_not_found' }
  | { readonly code: 'tenant_exists' }
  | { readonly code: 'key_not_found' }
  | { readonly code: 'keys_not_found'; readonly ids: readonly string[] }
  | { readonly code: 'key_not_active'; readonly status: string }
  | { readonly code: 'key_already_rotating'; readonly replacedBy: string | null }
  | { readonly code: 'key_not_rotating'; readonly status: string }
  | { readonly code: 'successor_rotated' }
  | { readonly code: 'expiry_in_past'; readonly index?: number }
  | { readonly code: 'would_widen' }
  | { readonly code: 'outlives_caller' }
  | { readonly code: 'not_for_confined'; readonly what: 'status' | 'settings' }
  | { readonly code: 'precondition_failed' }
  | { readonly code: 'idempotency_key_reused' }
  | { readonly code: 'storage_full' };

/**
 * The Worker minted a key string with another prefix than the record calls for; it mints again with this one. Never reaches a
 * caller: it spares every creation and rotation a call that would only ask for the prefix.
 */
export type PrefixMismatch = { readonly code: 'prefix_mismatch'; readonly prefix: string };

export type Result<T, F = Failure> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: F };

/** The answer to a mutation. `replay` is set when it is the kept answer to an earlier request with the same `Idempotency-Key`. */
export type Mutated<T, F = Failure> = Result<T, F> & {
  readonly replay?: { readonly sealedSecrets: Uint8Array | null };
};

export const ok = <T>(value: T): { ok: true; value: T } => ({ ok: true, value });
export const fail = <const F>(failure: F): { ok: false; failure: F } => ({ ok: false, failure });
