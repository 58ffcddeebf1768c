/**
 * Clients that continue while a tenant is resealed and the server is killed, and a record of what must be true of each
 * key in the end.
 */
import { demand, oneOf, type RestartingServer } from '../campaign.ts';
import type { KeyResource, KeyWithSecret, RotationResult, Verification } from '../client.ts';

export type Known = {
  readonly id: string;
  readonly secret: string;
  kind: 'bulk' | 'created' | 'predecessor' | 'successor' | 'revoked';
};

/** A request whose response had key strings, which the server stores sealed until the request is repeated. */
export type KeptResult = {
  readonly path: string;
  readonly body: unknown;
  readonly idempotencyKey: string;
  readonly response: unknown;
};

export class ResealTraffic {
  readonly keys: Known[] = [];
  readonly kept: KeptResult[] = [];
  verified = 0;
  readonly #server: RestartingServer;
  readonly #tenantId: string;
  #stopped = false;

  constructor(server: RestartingServer, tenantId: string) {
    this.#server = server;
    this.#tenantId = tenantId;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Up to 500 keys in one request. */
  async createBulk(n: number): Promise<void> {
    const keys = Array.from({ length: n }, (_, i) => ({ name: `bulk-${i}` }));
    const { data } = await this.#create<{ data: KeyWithSecret[] }>('/bulk', { keys });
    for (const { id, secret } of data) this.keys.push({ id, secret, kind: 'bulk' });
  }

  /** Makes one key of each further kind, so that each kind exists however soon the campaign ends. */
  async createEachKind(): Promise<void> {
    const own = [await this.#createOne(), await this.#createOne()];
    for (const key of own.splice(0, 1)) await this.#rotate(key);
    for (const key of own) await this.#revoke(key);
    await this.#createOne();
  }

  /** One client, until stopped. It rotates and revokes only its own keys, so that it knows their state. */
  async run(): Promise<void> {
    const own: Known[] = [];
    while (!this.#stopped) {
      const choice = Math.random();
      const key = own[Math.floor(Math.random() * own.length)];
      if (choice < 0.3) await this.#verify(oneOf(this.keys));
      else if (key === undefined || choice < 0.6) own.push(await this.#createOne());
      else {
        own.splice(own.indexOf(key), 1);
        if (choice < 0.9) own.push(await this.#rotate(key));
        else await this.#revoke(key);
      }
    }
  }

  async #createOne(): Promise<Known> {
    const { id, secret } = await this.#create<KeyWithSecret>('', { name: 'created' });
    return this.#known({ id, secret, kind: 'created' });
  }

  /** Returns the successor. */
  async #rotate(key: Known): Promise<Known> {
    const { key: next } = await this.#create<RotationResult>(`/${key.id}/rotate`, {});
    key.kind = 'predecessor';
    return this.#known({ id: next.id, secret: next.secret, kind: 'successor' });
  }

  async #revoke(key: Known): Promise<void> {
    await this.#server.ask<KeyResource>('POST', `/tenants/${this.#tenantId}/keys/${key.id}/revoke`);
    key.kind = 'revoked';
  }

  async #verify(key: Known): Promise<void> {
    const before = key.kind;
    const { body } = await this.#server.ask<Verification>('POST', '/keys/verify', { key: key.secret });
    this.verified += 1;
    // A key that is being revoked may be either.
    if (before === 'revoked') demand(body.code === 'REVOKED', `${key.id} is revoked and verifies as ${body.code}`);
    else demand(['VALID', 'REVOKED'].includes(body.code), `${key.id} (${before}) verifies as ${body.code}`);
    if (body.code === 'REVOKED') demand(before !== 'bulk', `${key.id} was never revoked and reads so`);
  }

  #known(key: Known): Known {
    this.keys.push(key);
    return key;
  }

  async #create<T>(path: string, body: unknown): Promise<T> {
    const request = { path: `/tenants/${this.#tenantId}/keys${path}`, body, idempotencyKey: crypto.randomUUID() };
    const response = await this.#server.ask<T>('POST', request.path, body, request.idempotencyKey);
    demand(response.status === 201, `${request.path}: ${response.status} ${JSON.stringify(response.body)}`);
    this.kept.push({ ...request, response: response.body });
    return response.body;
  }
}
