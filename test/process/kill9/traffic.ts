/**
 * Traffic for a server that is about to be killed: clients that create, rotate, revoke and patch keys as fast as they
 * can, and a record of every attempt with its response, if any. There is no seed, because the moment of the kill
 * decides what happens and cannot be repeated.
 */
import type { Client, KeyResource, KeyWithSecret, Method, RotationResult } from '../client.ts';

export type Attempt = {
  /** Also the request id, by which the audit log names the attempt. */
  readonly id: string;
  readonly action: 'key.create' | 'key.rotate' | 'key.revoke' | 'key.update';
  /** The key to change, null for a creation. */
  readonly keyId: string | null;
  /** Null when no response came, or a 5xx, which leaves open whether the change was made. */
  readonly status: number | null;
};

export type IssuedSecret = { readonly keyId: string; readonly secret: string };

const CLIENTS_PER_TENANT = 4;
/** Concurrent rotations of one key, of which exactly one may succeed. */
const RACING = 3;

/** What happened to one tenant until the server was gone. */
export class TenantTraffic {
  readonly tenantId: string;
  readonly attempts: Attempt[] = [];
  readonly secrets: IssuedSecret[] = [];
  readonly #client: Client;
  #gone = false;

  constructor(tenantId: string, client: Client) {
    this.tenantId = tenantId;
    this.#client = client;
  }

  /** Sends until the server is gone. */
  async run(): Promise<void> {
    await Promise.all(Array.from({ length: CLIENTS_PER_TENANT }, () => this.#runClient()));
  }

  /** One client, which changes only its own keys, one request after the other except for deliberate races. */
  async #runClient(): Promise<void> {
    const active: string[] = [];
    while (!this.#gone) {
      const keyId = active[Math.floor(Math.random() * active.length)];
      const choice = Math.random();
      if (keyId === undefined || choice < 0.35) {
        const created = await this.#attempt<KeyWithSecret>('key.create', null, 'POST', '', (id) => ({ name: id }));
        if (created !== null) active.push(this.#issued(created));
      } else if (choice < 0.6) {
        active.splice(active.indexOf(keyId), 1);
        const successor = await this.#rotate(keyId);
        if (successor !== null) active.push(successor);
      } else if (choice < 0.7) {
        active.splice(active.indexOf(keyId), 1);
        const successors = await Promise.all(Array.from({ length: RACING }, () => this.#rotate(keyId)));
        active.push(...successors.filter((successor) => successor !== null));
      } else if (choice < 0.85) {
        active.splice(active.indexOf(keyId), 1);
        await this.#attempt<KeyResource>('key.revoke', keyId, 'POST', '/revoke', (id) => ({ reason: id }));
      } else {
        await this.#attempt<KeyResource>('key.update', keyId, 'PATCH', '', (id) => ({ name: id }));
      }
    }
  }

  async #rotate(keyId: string): Promise<string | null> {
    const rotated = await this.#attempt<RotationResult>('key.rotate', keyId, 'POST', '/rotate', (id) => ({ name: id }));
    return rotated === null ? null : this.#issued(rotated.key);
  }

  #issued({ id, secret }: KeyWithSecret): string {
    this.secrets.push({ keyId: id, secret });
    return id;
  }

  /** Sends one mutation and records it. Returns the body of a success, else null. */
  async #attempt<T>(
    action: Attempt['action'],
    keyId: string | null,
    method: Method,
    pathEnd: string,
    bodyFor: (id: string) => unknown,
  ): Promise<T | null> {
    const id = `${this.tenantId}-${crypto.randomUUID()}`;
    const path = `/tenants/${this.tenantId}/keys${keyId === null ? '' : `/${keyId}`}${pathEnd}`;
    try {
      const { status, body } = await this.#client.send<T>(method, path, bodyFor(id), id);
      this.attempts.push({ id, action, keyId, status: status < 500 ? status : null });
      return status < 300 ? body : null;
    } catch {
      this.attempts.push({ id, action, keyId, status: null });
      this.#gone = true;
      return null;
    }
  }
}
