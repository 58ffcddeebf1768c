/**
 * Commands: a change together with who asks for it. A command goes with every mutation and is recorded in its audit
 * entries.
 */

export type Actor = {
  readonly type: 'admin_token' | 'management_key' | 'service_binding' | 'system';
  readonly id: string;
};

/**
 * The actor with this id. The kind of actor follows from the id: `admin`, a key id, `binding:` with a name, or else the
 * system.
 */
export function actorOf(id: string): Actor {
  if (id === 'admin') return { type: 'admin_token', id };
  if (id.startsWith('binding:')) return { type: 'service_binding', id };
  return { type: id.startsWith('key_') ? 'management_key' : 'system', id };
}

export type Command = {
  /**
   * Minted by the Worker once for each mutation and kept when the call is repeated. The audit entry carries it, so the
   * object recognises a repeated call.
   */
  readonly id: string;
  readonly actor: Actor;
  /** The person or program that the caller acted for, in the caller's own words; null when it did not say. */
  readonly onBehalfOf: string | null;
  readonly requestId: string;
  /** Address of the caller as the platform reports it; null when it reports none. */
  readonly ip: string | null;
  /**
   * Whether this call repeats an earlier one whose result was lost on the way. Only then does the object look for the
   * result of the first.
   */
  readonly retry: boolean;
  /**
   * Whether the mutation adds data. When storage runs out such mutations are refused, while those that end something
   * still work.
   */
  readonly grows: boolean;
  /** The caller's own protection against applying a change twice; null without an `Idempotency-Key`. */
  readonly idempotency: Idempotency | null;
  /** Versions of the key that the caller accepts (`If-Match`); null for any. */
  readonly ifVersions: readonly number[] | null;
};

/** What an `Idempotency-Key` is bound to, and what is kept for it. */
export type Idempotency = {
  /** SHA-256 over caller, method, path and `Idempotency-Key`, in hexadecimal. */
  readonly key: string;
  /**
   * SHA-256 over the request's body and `onBehalfOf`, in hexadecimal. The same `Idempotency-Key` with another hash is
   * refused.
   */
  readonly requestHash: string;
  /** The key strings that the response carries, sealed; null when it carries none. */
  readonly sealedSecrets: Uint8Array | null;
};
