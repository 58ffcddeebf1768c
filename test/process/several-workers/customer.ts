/**
 * An API that lets its callers in by keys of Keystead, over a service binding: the call to Keystead does not leave
 * Cloudflare's network. In its wrangler.toml:
 *
 *     services = [{ binding = "KEYSTEAD", service = "keystead" }]
 *
 * KEYSTEAD_TOKEN is a secret: a management key with the role "verifier".
 *
 * It verifies at every request and keeps no answer: Keystead answers from memory where it may, and a revoked key is
 * refused from the moment the revocation has returned. Where Keystead does not answer, nobody is let in.
 */

type Env = {
  readonly KEYSTEAD: { fetch(url: string, init: RequestInit): Promise<Response> };
  readonly KEYSTEAD_TOKEN: string;
};
type Verification = { readonly valid: boolean; readonly code: string; readonly owner?: string | null };

/** How long a request waits for Keystead (ms). A verification takes some milliseconds. */
const TIMEOUT_MS = 2000;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const key = /^Bearer (\S+)$/.exec(request.headers.get('Authorization') ?? '')?.[1];
    if (key === undefined) return refused(401, 'an API key is required');
    const verification = await verify(key, request.method === 'GET' ? 'orders:read' : 'orders:write', env);
    if (verification === null) return refused(503, 'keys cannot be verified at the moment');
    if (verification.code === 'INSUFFICIENT_SCOPES') return refused(403, 'the API key does not permit this');
    if (!verification.valid) return refused(401, 'the API key is not valid');
    return Response.json({ orders: [], owner: verification.owner ?? null });
  },
};

/** What Keystead says of the key, null when it does not say. */
async function verify(key: string, scope: string, { KEYSTEAD, KEYSTEAD_TOKEN }: Env): Promise<Verification | null> {
  try {
    const response = await KEYSTEAD.fetch('https://keystead/v1/keys/verify', {
      method: 'POST',
      headers: { Authorization: `Bearer ${KEYSTEAD_TOKEN}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ key, scopes: [scope] }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return response.ok ? ((await response.json()) as Verification) : null;
  } catch {
    return null;
  }
}

function refused(status: number, error: string): Response {
  const headers: Record<string, string> = status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {};
  return Response.json({ error }, { status, headers });
}
