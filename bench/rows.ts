/** The rows: what each sends to which server, and what it is compared with. */

import { formatKeyString, parseKeyString } from '../domain/key-string/key-string.ts';
import type { LoadGenerator } from './load/client.ts';
import { request } from './load/client.ts';
import type { Row } from './measure.ts';
import type { Progress } from './progress.ts';
import { type Api, BULK, type Instance, type Key, keyBody, listPath, PAGE } from './servers/api.ts';
import type { Keystead } from './servers/keystead.ts';
import type { Peer } from './servers/peer.ts';
import type { Target } from './servers/target.ts';

/** Keys of the small tenant that large ones are compared with. */
export const SMALL = 1000;
/** Mutations of a turn that can be done only once to a key. */
const ONCE = 500;
/** Revocations that wait together. Sent one after the other, the later ones would not have to wait. */
const WAITING = 100;
/** Objects woken in a turn. */
const ASLEEP = 200;
const PREPARING_CONNECTIONS = 16;
const PREPARING_MAX_MS = 10_000;
const VALID = '"valid":true';

export class Rows {
  readonly #server: Keystead;
  readonly #api: Api;
  readonly #generator: LoadGenerator;
  readonly #prepared: KeysOf[] = [];
  #tenants = 0;

  constructor({ server, api }: Instance, generator: LoadGenerator) {
    this.#server = server;
    this.#api = api;
    this.#generator = generator;
  }

  verify(name: string, keys: readonly Key[], against?: Row): Row {
    const requests = this.#verifications(keys.map(({ secret }) => secret));
    return this.#row(name, VALID, () => requests, { against });
  }

  /** Verifications of keys that were issued elsewhere, in their tenant. */
  verifyImported(name: string, { tenantId, keys }: KeysOf, against: Row): Row {
    const requests = keys.map(({ secret }) => this.#post('/v1/keys/verify', { key: secret, tenantId }));
    return this.#row(name, VALID, () => requests, { against });
  }

  /** Verifications that name a limit, which applies only then. */
  verifyLimit(name: string, keys: readonly Key[], limit: string, against?: Row): Row {
    const limits = [{ name: limit }];
    const requests = keys.map(({ secret }) => this.#post('/v1/keys/verify', { key: secret, limits }));
    return this.#row(name, VALID, () => requests, { against });
  }

  /** Verifications that ask the object although the isolate may hold the record. */
  verifyFresh(name: string, keys: readonly Key[], against: Row): Row {
    const requests = keys.map(({ secret }) => this.#post('/v1/keys/verify', { key: secret, fresh: true }));
    return this.#row(name, VALID, () => requests, { against });
  }

  /**
   * Verifications in tenants whose objects have been idle long enough to sleep. Each turn goes on where the last
   * stopped.
   */
  verifyAsleep(name: string, keys: readonly Key[], against: Row): Row {
    const requests = this.#verifications(keys.map(({ secret }) => secret));
    let next = 0;
    const turn = () => {
      const some = Array.from(
        { length: Math.min(ASLEEP, requests.length) },
        (_, i) => requests[(next + i) % requests.length],
      );
      next += some.length;
      return some.filter((asked) => asked !== undefined);
    };
    return this.#row(name, VALID, turn, { against, once: true });
  }

  /** Verifications of keys that were all verified just before, so that their objects are awake. */
  verifyAwake(name: string, keys: readonly Key[], against: Row): Row {
    const requests = this.#verifications(keys.map(({ secret }) => secret));
    const turn = async () => {
      await this.#sendOnce(requests);
      return requests;
    };
    return this.#row(name, VALID, turn, { against });
  }

  /** Key strings that are correct except for their signature. */
  forged(name: string, keys: readonly Key[], against: Row): Row {
    const requests = this.#verifications(keys.map(({ secret }) => forgedFrom(secret)));
    return this.#row(name, '"FORGED"', () => requests, { against });
  }

  /** Creations in the tenant that each turn is given. */
  create(name: string, tenantId: () => string | Promise<string>, against?: Row): Row {
    const requests = async () => [this.#post(`/v1/tenants/${await tenantId()}/keys`, keyBody(0))];
    return this.#row(name, '"secret"', requests, { against, whole: true });
  }

  /** Rotations: each turn rotates keys that were not rotated before. */
  rotate(name: string, keys: () => Promise<KeysOf>, against?: Row): Row {
    return this.#row(name, '"secret"', () => this.#onEach(keys, 'rotate', ONCE), { against, once: true });
  }

  revoke(name: string, keys: () => Promise<KeysOf>, against: Row): Row {
    return this.#row(name, '"status":"revoked"', () => this.#onEach(keys, 'revoke', ONCE), { against, once: true });
  }

  /** Revocations of keys that were verified just before, so that each revocation waits for a lease. */
  revokeLeased(name: string, keys: () => Promise<KeysOf>): Row {
    const requests = async () => {
      const { tenantId, keys: all } = await keys();
      const some = all.slice(0, WAITING);
      await this.#sendOnce(this.#verifications(some.map(({ secret }) => secret)));
      return some.map(({ id }) => this.#post(`/v1/tenants/${tenantId}/keys/${id}/revoke`, {}));
    };
    return this.#row(name, '"status":"revoked"', requests, { once: true, connections: WAITING });
  }

  /** Changes of a plan, each of which changes its name. */
  changePlan(name: string, tenantId: string, planId: string, against?: Row): Row {
    const path = `/v1/tenants/${tenantId}/plans/${planId}`;
    const requests = ['one', 'other'].map((text) => request('PATCH', path, this.#server.token, { name: text }));
    return this.#row(name, `"id":"${planId}"`, () => requests, { against });
  }

  /** Reads of one key. */
  key(name: string, tenantId: string, { id }: Key): Row {
    const requests = [request('GET', `/v1/tenants/${tenantId}/keys/${id}`, this.#server.token, undefined)];
    return this.#row(name, `"id":"${id}"`, () => requests, {});
  }

  list(name: string, tenantId: string, cursor: string | null, against?: Row, limit = PAGE): Row {
    const requests = [request('GET', listPath(tenantId, cursor, limit), this.#server.token, undefined)];
    return this.#row(name, '"data"', () => requests, { against });
  }

  /** Makes small tenants before the measurement, so that making them is not in any turn's processor time. */
  async prepare(count: number, settings: Readonly<Record<string, number>>): Promise<void> {
    while (this.#prepared.length < count) this.#prepared.push(await this.small(settings));
  }

  /** Returns the next of the prepared tenants, awake. */
  async prepared(): Promise<KeysOf> {
    const next = this.#prepared.pop();
    if (next === undefined) throw new Error('too few tenants were prepared');
    await this.#api.nextCursor(next.tenantId, null);
    return next;
  }

  /**
   * Makes a tenant with `SMALL` keys, or as many as are wanted. `plan` is made before them, `extra` holds more fields
   * for each key.
   */
  async small(
    settings: Readonly<Record<string, number>>,
    count = SMALL,
    { plan, extra = {} }: { readonly plan?: object; readonly extra?: object } = {},
  ): Promise<KeysOf> {
    this.#tenants += 1;
    const tenantId = `bench-small-${this.#tenants}`;
    await this.#api.createTenant(tenantId, settings);
    if (plan !== undefined) await this.#api.createPlan(tenantId, plan);
    return { tenantId, keys: await this.#api.fill(tenantId, count, count, () => {}, extra) };
  }

  /** Makes a tenant with keys that were issued elsewhere. */
  async imported(settings: Readonly<Record<string, number>>, count: number): Promise<KeysOf> {
    this.#tenants += 1;
    const tenantId = `bench-imported-${this.#tenants}`;
    await this.#api.createTenant(tenantId, settings);
    const keys: Key[] = [];
    for (let left = count; left > 0; left -= BULK) {
      keys.push(...(await this.#api.importKeys(tenantId, Math.min(left, BULK))));
    }
    return { tenantId, keys };
  }

  async #sendOnce(requests: readonly Uint8Array[]): Promise<void> {
    const { host, port } = this.#server.target;
    const load = { host, port, connections: PREPARING_CONNECTIONS, requests, expected: VALID, once: true };
    await this.#generator.run({ ...load, durationMs: PREPARING_MAX_MS });
  }

  async #onEach(keys: () => Promise<KeysOf>, action: 'rotate' | 'revoke', count: number): Promise<Uint8Array[]> {
    const { tenantId, keys: some } = await keys();
    return some.slice(0, count).map(({ id }) => this.#post(`/v1/tenants/${tenantId}/keys/${id}/${action}`, {}));
  }

  #verifications(secrets: readonly string[]): Uint8Array[] {
    return secrets.map((key) => this.#post('/v1/keys/verify', { key }));
  }

  #post(path: string, body: object): Uint8Array {
    return request('POST', path, this.#server.token, body);
  }

  #row(
    name: string,
    expected: string,
    requests: Row['requests'],
    rest: Pick<Row, 'once' | 'whole' | 'connections'> & { readonly against?: Row | undefined },
  ): Row {
    const { against, ...others } = rest;
    return {
      name,
      target: this.#server.target,
      expected,
      requests,
      ...others,
      ...(against === undefined ? {} : { against }),
    };
  }
}

export type KeysOf = { readonly tenantId: string; readonly keys: readonly Key[] };

/** A row of a floor, sent what a verification is sent. */
export function floorRow(name: string, path: '/a' | '/b' | '/c', target: Target, key: Key): Row {
  const requests = [request('POST', path, 'a token as long as an admin token is, in characters', { key: key.secret })];
  return { name, target, expected: VALID, requests: () => requests };
}

export function peerRow(name: string, peer: Peer, against: Row): Row {
  const requests = peer.keys.map((key) => request('POST', '/verify', '', { key }));
  return { name, target: peer.server.target, expected: VALID, requests: () => requests, against };
}

/** Returns the cursor of a list's last page, found by walking there. */
export async function lastPage(api: Api, tenantId: string, keys: number, progress: Progress): Promise<string | null> {
  let cursor: string | null = null;
  for (let page = 1; page < keys / PAGE; page++) {
    const next = await api.nextCursor(tenantId, cursor);
    if (next === null) return cursor;
    cursor = next;
    progress.detail(`page ${page}`);
  }
  return cursor;
}

function forgedFrom(secret: string): string {
  const parsed = parseKeyString(secret);
  if (parsed === null) throw new Error('the server made a key string that is none');
  const bytes = Uint8Array.from(parsed.bytes, (byte, i) => (i === parsed.bytes.length - 1 ? byte ^ 1 : byte));
  return formatKeyString(parsed.prefix, bytes);
}
