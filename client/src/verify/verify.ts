/** Verification: one call to Keystead for each key. */
import type { KeysVerifyBody, Verification } from '../api/types.ts';
import type { AbortSignalLike } from '../http/platform.ts';
import type { Transport } from '../http/transport.ts';

export type { Verification };

/** What is asked of a key, beside whether it is good at all. */
export interface VerifyOptions extends Omit<KeysVerifyBody, 'key'> {
  /** Ends the call. */
  readonly signal?: AbortSignalLike | undefined;
  /** How long one attempt may take, instead of the time of the client. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Repeated once, and only after a lost connection: Keystead itself has tried again before it answers 503, and who waits
 * for the answer is a customer.
 */
const RETRIES = { retries: 1, retryLostOnly: true };

export async function verify(transport: Transport, key: string, options: VerifyOptions = {}): Promise<Verification> {
  const { signal, timeoutMs, ...wanted } = options;
  const body: KeysVerifyBody = { ...wanted, key };
  const call = { method: 'POST', path: '/v1/keys/verify', body, signal, timeoutMs } as const;
  return (await transport.request({ ...call, ...RETRIES, idempotencyKey: false })).body as Verification;
}
