/** Verification: one call to Keystead for each key. */
import type { AbortSignalLike } from '../http/platform.ts';
import type { Transport } from '../http/transport.ts';

/** What Keystead says of a key. */
export type Verification = { readonly valid: boolean; readonly code: string };

export interface VerifyOptions {
  readonly signal?: AbortSignalLike;
}

export async function verify(transport: Transport, key: string, options: VerifyOptions = {}): Promise<Verification> {
  const { signal, ...wanted } = options;
  const body = { key, ...wanted };
  const request = { method: 'POST', path: '/v1/keys/verify', body, idempotencyKey: false, signal } as const;
  return (await transport.request({ ...request, retries: 1, retryLostOnly: true })).body as Verification;
}
