/** Who does what: comes with every mutation and becomes its audit entry. */

export type Actor = { readonly type: 'admin_token' | 'management_key' | 'system'; readonly id: string };

/** The actor with this id: an id tells what kind of actor it is of. */
export function actorOf(id: string): Actor {
  if (id === 'admin') return { type: 'admin_token', id };
  return { type: id.startsWith('key_') ? 'management_key' : 'system', id };
}

export type Command = {
  /** Minted once per mutation by the Worker, kept through its retries: the audit entry carries it, so a repeated call is recognised. */
  readonly id: string;
  readonly actor: Actor;
  /** For which person or program the caller acted, in its own words; null when it did not say. */
  readonly onBehalfOf: string | null;
  readonly requestId: string;
  /** Address of the caller as the platform reports it, null when it does not. */
  readonly ip: string | null;
  /** Whether this call repeats one whose answer was lost. Only then does the object look for the result of the first. */
  readonly retry: boolean;
  /** Whether the mutation adds data. Where room runs out such mutations are refused, and those that end something go on. */
  readonly grows: boolean;
  /** The caller's own protection against applying twice, null without an `Idempotency-Key`. */
  readonly idempotency: Idempotency | null;
  /** Versions of the key that the caller accepts (`If-Match`), null for any. */
  readonly ifVersions: readonly number[] | null;
};

export type Idempotency = {
  /** Digest of caller, route and `Idempotency-Key`. */
  readonly key: string;
  /** Digest of the request's body: the same key with another body is refused. */
  readonly requestHash: string;
  /** Key strings of the answer, sealed; null when the answer carries none. */
  readonly sealedSecrets: Uint8Array | null;
};
