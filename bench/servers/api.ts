/** Calls of Keystead's HTTP interface that prepare a measurement. They are not measured, or only as a whole. */
import { createHash, randomBytes } from 'node:crypto';
import type { Keystead } from './keystead.ts';

/** The fields of a key that the benchmark needs. */
export type Key = { readonly id: string; readonly secret: string };
export type TenantSettings = Readonly<Record<string, number>>;

export type CleanupReport = {
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly expired: number;
  readonly remaining: number;
};

/** Keys in one bulk request (the contract's maximum). */
export const BULK = 500;
export const PAGE = 100;

/** A running Keystead and the client that calls it. */
export type Instance = { readonly server: Keystead; readonly api: Api };

export class Api {
  readonly #server: Keystead;

  constructor(server: Keystead) {
    this.#server = server;
  }

  async call(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(this.#server.url + path, {
      method,
      headers: {
        Authorization: `Bearer ${this.#server.token}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text.slice(0, 500)}`);
    return text === '' ? null : JSON.parse(text);
  }

  async createTenant(id: string, settings: TenantSettings): Promise<void> {
    await this.call('POST', '/v1/tenants', { id, name: id, settings });
  }

  async createPlan(tenantId: string, plan: object): Promise<void> {
    await this.call('POST', `/v1/tenants/${tenantId}/plans`, plan);
  }

  /** Creates up to `BULK` keys. `extra` holds more fields for each key. */
  async createKeys(tenantId: string, count: number, firstNumber = 0, extra: object = {}): Promise<Key[]> {
    const keys = Array.from({ length: count }, (_, i) => ({ ...keyBody(firstNumber + i), ...extra }));
    return dataOf(await this.call('POST', `/v1/tenants/${tenantId}/keys/bulk`, { keys })).map(toKey);
  }

  /** Imports up to `BULK` keys that were issued elsewhere. */
  async importKeys(tenantId: string, count: number): Promise<Key[]> {
    const secrets = Array.from({ length: count }, () => `sk_live_${randomBytes(24).toString('base64url')}`);
    const keys = secrets.map((secret, i) => {
      const value = createHash('sha256').update(secret).digest('base64url');
      return { ...keyBody(i), hash: { algorithm: 'sha256', value, encoding: 'base64url' } };
    });
    const made = dataOf(await this.call('POST', `/v1/tenants/${tenantId}/keys/import`, { keys }));
    return made.map((key, i) => ({ id: String(field(key, 'id')), secret: secrets[i] ?? '' }));
  }

  /** Creates many keys and returns `sample` of them, spread evenly. */
  async fill(tenantId: string, count: number, sample: number, onProgress: (done: number) => void, extra: object = {}) {
    const kept: Key[] = [];
    const every = count / sample;
    for (let done = 0; done < count; done += BULK) {
      const keys = await this.createKeys(tenantId, Math.min(BULK, count - done), done, extra);
      for (const [i, key] of keys.entries()) if (kept.length * every <= done + i) kept.push(key);
      onProgress(done + keys.length);
    }
    return kept;
  }

  /** Reads one page of a tenant's keys and returns only the cursor of the next page. */
  async nextCursor(tenantId: string, cursor: string | null): Promise<string | null> {
    const body = await this.call('GET', listPath(tenantId, cursor));
    const page = field(body, 'page');
    const next = field(page, 'nextCursor');
    return typeof next === 'string' ? next : null;
  }

  /** Returns the passes that cleanup reported, newest first. */
  async cleanups(tenantId: string): Promise<readonly CleanupReport[]> {
    return dataOf(await this.call('GET', `/v1/tenants/${tenantId}/cleanup`)).map((report) => ({
      startedAt: Date.parse(String(field(report, 'startedAt'))),
      expired: Number(field(report, 'expired')),
      remaining: Number(field(report, 'remaining')),
    }));
  }
}

/** A request body for one key of the benchmark: a name, an owner and two scopes. */
export function keyBody(number: number): object {
  return { name: `Key ${number}`, owner: `owner-${number % 1000}`, scopes: ['invoices:read', 'invoices:write'] };
}

export function listPath(tenantId: string, cursor: string | null, limit = PAGE): string {
  const from = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
  return `/v1/tenants/${tenantId}/keys?limit=${limit}${from}`;
}

function toKey(resource: unknown): Key {
  const [id, secret] = [field(resource, 'id'), field(resource, 'secret')];
  if (typeof id !== 'string' || typeof secret !== 'string') throw new Error('the response has no key');
  return { id, secret };
}

function dataOf(body: unknown): unknown[] {
  const data = field(body, 'data');
  if (!Array.isArray(data)) throw new Error('the response has no list');
  return data;
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
