/**
 * A client of the management API for the process tests, which calls the server from outside as the administrator. Its
 * types name what the tests read of the responses. They follow the contract and are not taken from the program, because
 * its mistakes would then go unnoticed. Each answer is held against the description of the API.
 */
import { check } from './described.ts';

export type TenantResource = { readonly id: string; readonly name: string };

export type KeyResource = {
  readonly id: string;
  readonly name: string;
  readonly status: 'active' | 'rotating' | 'rotated' | 'disabled' | 'expired' | 'revoked';
  readonly version: number;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly rotation: {
    readonly replaces: string | null;
    readonly replacedBy: string | null;
    readonly graceEndsAt: string | null;
  };
};
export type KeyWithSecret = KeyResource & { readonly secret: string };
export type RotationResult = { readonly key: KeyWithSecret; readonly rotated: KeyResource };

export type Verification = { readonly valid: boolean; readonly code: string };

export type AuditEntry = {
  readonly action: string;
  readonly keyId?: string;
  readonly requestId: string;
  readonly changes?: Readonly<Record<string, unknown>>;
};

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';
export type ApiResponse<T> = { readonly status: number; readonly body: T; readonly headers: Headers };
type List<T> = { readonly data: readonly T[]; readonly page: { readonly nextCursor: string | null } };
type CleanupReport = { readonly trigger: string; readonly startedAt: string; readonly expired: number };

export class Client {
  /** The server, and the token that requests have. */
  readonly target: { readonly url: string; readonly adminToken: string };
  readonly #base: string;
  readonly #token: string;

  constructor(target: { readonly url: string; readonly adminToken: string }) {
    this.target = target;
    this.#base = `${target.url}/v1`;
    this.#token = target.adminToken;
  }

  /** Sends one request and rejects when no response came. A `null` body stands for an empty response. */
  async send<T>(
    method: Method,
    path: string,
    body?: unknown,
    requestId?: string,
    headers: Readonly<Record<string, string>> = {},
    signal: AbortSignal | null = null,
  ): Promise<ApiResponse<T>> {
    const response = await fetch(this.#base + path, {
      method,
      signal,
      headers: {
        Authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(requestId === undefined ? {} : { 'X-Request-Id': requestId }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const answer: unknown = text === '' ? undefined : JSON.parse(text);
    const { status } = response;
    check.expectDescribed({ method, pathAndQuery: `/v1${path}`, status, headers: response.headers, body: answer });
    return { status, body: text === '' ? null : JSON.parse(text), headers: response.headers };
  }

  /** Returns the body of a response that must be a success. */
  async get<T>(path: string): Promise<T> {
    return this.#successful<T>('GET', path);
  }

  createTenant(id: string, settings: Readonly<Record<string, unknown>> = {}): Promise<TenantResource> {
    return this.#successful('POST', '/tenants', { id, settings });
  }

  createKey(tenantId: string, body: Readonly<Record<string, unknown>> = {}): Promise<KeyWithSecret> {
    return this.#successful('POST', `/tenants/${tenantId}/keys`, { name: 'key', ...body });
  }

  /** Creates all keys or none; at most 500. */
  async createKeys(tenantId: string, keys: readonly object[], headers = {}): Promise<readonly KeyWithSecret[]> {
    const path = `/tenants/${tenantId}/keys/bulk`;
    return (await this.#successful<{ data: KeyWithSecret[] }>('POST', path, { keys }, headers)).data;
  }

  rotateKey(tenantId: string, keyId: string, body: Readonly<Record<string, unknown>> = {}): Promise<RotationResult> {
    return this.#successful('POST', `/tenants/${tenantId}/keys/${keyId}/rotate`, body);
  }

  revokeKey(tenantId: string, keyId: string): Promise<KeyResource> {
    return this.#successful('POST', `/tenants/${tenantId}/keys/${keyId}/revoke`);
  }

  verify(key: string): Promise<Verification> {
    return this.#successful('POST', '/keys/verify', { key });
  }

  cleanups(tenantId: string): Promise<{ readonly data: readonly CleanupReport[] }> {
    return this.get(`/tenants/${tenantId}/cleanup`);
  }

  /** Returns all keys, oldest first. */
  keys(tenantId: string): Promise<KeyResource[]> {
    return this.all(`/tenants/${tenantId}/keys?order=asc&limit=100`);
  }

  /** Returns the whole audit log, newest first. */
  audit(tenantId: string): Promise<AuditEntry[]> {
    return this.all(`/tenants/${tenantId}/audit?limit=100`);
  }

  /** Reads a whole list by cursor. `path` has a query. */
  async all<T>(path: string): Promise<T[]> {
    const items: T[] = [];
    let next = '';
    for (;;) {
      const { data, page } = await this.get<List<T>>(path + next);
      items.push(...data);
      if (page.nextCursor === null) return items;
      next = `&cursor=${encodeURIComponent(page.nextCursor)}`;
    }
  }

  async #successful<T>(method: Method, path: string, body?: unknown, headers = {}): Promise<T> {
    const response = await this.send<T>(method, path, body, undefined, headers);
    if (response.status >= 300)
      throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(response.body)}`);
    return response.body;
  }
}
