/**
 * An API that lets its callers in by keys of Keystead, and hands out keys itself. It has no token: its service binding
 * says what it may do (wrangler.toml).
 *
 * It verifies at every request and keeps no answer: Keystead answers from memory where it may, and a revoked key is
 * refused from the moment the revocation has returned. Where Keystead does not answer, nobody is let in.
 */

type Problem = { readonly status: number; readonly code: string; readonly detail: string };
type Result<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: Problem };
type Verification = { readonly valid: boolean; readonly code: string; readonly owner?: string | null };

type Env = {
  readonly KEYSTEAD: {
    verify(input: { key: string; scopes?: string[]; cost?: number }): Promise<Result<Verification>>;
    call(
      operationId: string,
      input: { path?: Record<string, string>; query?: Record<string, unknown>; body?: unknown },
      options?: { idempotencyKey?: string; onBehalfOf?: string },
    ): Promise<Result<unknown>>;
  };
};

/** How long a request waits for Keystead (ms). A verification takes some milliseconds. */
const TIMEOUT_MS = 2000;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const key = /^Bearer (\S+)$/.exec(request.headers.get('Authorization') ?? '')?.[1];
    if (key === undefined) return refused(401, 'an API key is required');
    const isNewKey = request.method === 'POST' && new URL(request.url).pathname === '/keys';
    const verification = await verified(env, key, isNewKey ? 'keys:write' : 'orders:read');
    if (verification === null) return refused(503, 'keys cannot be verified at the moment');
    if (verification.code === 'INSUFFICIENT_SCOPES') return refused(403, 'the API key does not permit this');
    if (!verification.valid) return refused(401, 'the API key is not valid');
    const owner = verification.owner ?? null;
    if (!isNewKey) return Response.json({ orders: [], owner });
    if (owner === null) return refused(403, 'the API key belongs to nobody');
    return newKey(request, env, owner);
  },
};

/** What Keystead says of the key, null when it does not say. */
async function verified({ KEYSTEAD }: Env, key: string, scope: string): Promise<Verification | null> {
  const late = new Promise<null>((resolve) => setTimeout(() => resolve(null), TIMEOUT_MS));
  try {
    const result = await Promise.race([KEYSTEAD.verify({ key, scopes: [scope] }), late]);
    return result?.ok ? result.value : null;
  } catch {
    return null;
  }
}

/** Makes a key for the customer who asks, once even when the request is repeated. */
async function newKey(request: Request, { KEYSTEAD }: Env, owner: string): Promise<Response> {
  const idempotencyKey = request.headers.get('Idempotency-Key');
  const made = await KEYSTEAD.call(
    'keys.create',
    { path: { tenantId: 'orders' }, body: { name: 'Made by the customer', owner, scopes: ['orders:read'] } },
    { onBehalfOf: owner, ...(idempotencyKey === null ? {} : { idempotencyKey }) },
  );
  return made.ok ? Response.json(made.value, { status: 201 }) : refused(502, made.problem.code);
}

function refused(status: number, error: string): Response {
  const headers: Record<string, string> = status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {};
  return Response.json({ error }, { status, headers });
}
