/**
 * A disk that fills up under a running server. Keys of awake and sleeping tenants still verify. Revocations and other
 * endings succeed within the reserve. Everything else gets a 503 that says why. When there is space again, everything
 * works again in the same processes.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMany, demand, inParallel, oneOf, type Progress, range } from '../campaign.ts';
import { Client, type KeyWithSecret, type Method } from '../client.ts';
import { eventually, startServer } from '../server.ts';
import { SmallDisk } from '../small-disk.ts';

const MiB = 2 ** 20;
/**
 * The reserve is an eighth of the disk, half of which is for another use. The rest must hold the write-ahead logs of
 * the tenants that are changed: each grows to 4 MiB within some hundred changes and is then reused from its beginning.
 */
const DISK_MIB = 256;
/** The most space that a tenant and its keys take, with a margin (KiB a key). */
const KIB_PER_KEY = 8;
/** Time until an object is evicted. The runtime evicts after 10 s. */
const ASLEEP_AFTER_MS = 13_000;
/** Time until the launcher has looked at the disk, and the Worker at the launcher's marker. */
const NOTICED_WITHIN_MS = 10_000;
const TENANTS = { strict: 0, leased: 1, asleep: 0, 'to-disable': 0, 'to-delete': 1 } as const;
type TenantId = keyof typeof TENANTS;
/** The ways to end a key. */
const ENDINGS = ['revoke', 'disable', 'delete', 'owner'] as const;

type Problem = { readonly code: string; readonly detail: string };
type Key = KeyWithSecret & { readonly tenant: TenantId };

type FullDiskReport =
  | { readonly skipped: string }
  | { readonly keys: number; readonly ended: number; readonly refused: number; readonly verifications: number };

export async function fullDisk(keysWanted: number, progress: Progress = () => {}): Promise<FullDiskReport> {
  const disk = SmallDisk.mount(DISK_MIB + Math.ceil((keysWanted * KIB_PER_KEY) / 1024));
  if ('refusal' in disk) return { skipped: `no small disk can be mounted here: ${disk.refusal}` };
  using _ = disk;
  await using server = await startServer(join(disk.path, 'data'), { LOG_LEVEL: 'silent' });
  const client = new Client(server);
  const run = new Run(client, server.url);
  await run.fillTenants(Math.max(20, keysWanted));
  progress(`${run.keys.length} keys in ${Object.keys(TENANTS).length} tenants`);
  await sleep(ASLEEP_AFTER_MS);

  const [open, ballast] = ['open', 'ballast'].map((name) => join(server.dataDir, 'reserve', name)) as [string, string];
  const reserveBytes = statSync(ballast).size;
  const watch = run.watch();
  // First nearly full: growth has ended and the reserve is still there.
  disk.fill(reserveBytes / 4);
  await eventually('growth ends', NOTICED_WITHIN_MS, () => !existsSync(open));
  demand(existsSync(ballast), 'the reserve went before it was needed');
  await eventually('the Worker knows', NOTICED_WITHIN_MS, () => run.refusesGrowth());
  // Then completely full: the reserve is given back, and half of it goes to another use.
  disk.fill();
  await eventually('the reserve is given back', NOTICED_WITHIN_MS, () => !existsSync(ballast));
  disk.fill(reserveBytes / 2);
  progress(`full: ${Math.round(disk.freeBytes / MiB)} MiB left of the reserve`);

  await run.checkSleeper();
  await run.checkRefusals();
  await run.checkEndings();
  await run.checkRefusals();
  progress(`ended ${run.ended.size} keys`);

  disk.empty();
  await eventually('growth is allowed again', NOTICED_WITHIN_MS, () => existsSync(open));
  await eventually('the server is ready', NOTICED_WITHIN_MS, async () => (await run.readiness()) === 200);
  await eventually(
    'the reserve is back',
    NOTICED_WITHIN_MS,
    () => existsSync(ballast) && statSync(ballast).size === reserveBytes,
  );
  await run.checkGrowth();
  const verifications = await watch.end();
  await run.checkAll();
  return { keys: run.keys.length, ended: run.ended.size, refused: run.refused, verifications };
}

class Run {
  readonly keys: Key[] = [];
  /** The verification code of each key that was ended. */
  readonly ended = new Map<Key, string>();
  refused = 0;
  readonly #client: Client;
  readonly #url: string;

  constructor(client: Client, url: string) {
    this.#client = client;
    this.#url = url;
  }

  async fillTenants(keysWanted: number): Promise<void> {
    const tenants = Object.entries(TENANTS) as [TenantId, number][];
    for (const [tenant, leaseSeconds] of tenants) {
      await this.#client.createTenant(tenant, { leaseSeconds });
      const attributes = (i: number) => ({ owner: `${ENDINGS[i % 8] ?? 'kept'}-${i}` });
      const keys = await createMany(this.#client, tenant, Math.ceil(keysWanted / tenants.length), attributes);
      this.keys.push(...keys.map((key) => ({ ...key, tenant })));
    }
  }

  /** Verifies keys of awake tenants all the time. Each must be valid. */
  watch(): { end(): Promise<number> } {
    const kept = this.#keysOf('strict', 'leased').filter(({ name }) => isKept(name));
    let [goesOn, verified] = [true, 0];
    const workers = range(4).map(async () => {
      while (goesOn) {
        await this.#expectCode(oneOf(kept), 'VALID');
        verified += 1;
        await sleep(5);
      }
    });
    const all = Promise.all(workers);
    // The error is reported at the end, or where it is awaited.
    all.catch(() => {});
    return {
      async end() {
        goesOn = false;
        await all;
        return verified;
      },
    };
  }

  /** A tenant that was asleep when the disk filled up can be opened. */
  async checkSleeper(): Promise<void> {
    await inParallel(4, this.#keysOf('asleep'), (key) => this.#expectCode(key, 'VALID'));
  }

  async refusesGrowth(): Promise<boolean> {
    return (await this.#client.send('POST', '/tenants/strict/keys', { name: 'more' })).status === 503;
  }

  async readiness(): Promise<number> {
    return (await fetch(`${this.#url}/readyz`)).status;
  }

  /** Requests that would store more are refused, with the reason. */
  async checkRefusals(): Promise<void> {
    const key = this.#keysOf('strict').find(({ name }) => isKept(name));
    const more: [Method, string, object][] = [
      ['POST', '/tenants', { id: 'more' }],
      ['PATCH', '/tenants/leased', { name: 'More' }],
      ['POST', '/tenants/leased/keys', { name: 'more' }],
      ['POST', '/tenants/asleep/keys/bulk', { keys: [{ name: 'more' }, { name: 'more still' }] }],
      ['PATCH', `/tenants/strict/keys/${key?.id}`, { metadata: { more: 'more' } }],
      ['POST', `/tenants/strict/keys/${key?.id}/rotate`, {}],
      ['POST', '/management-keys', { name: 'more', role: 'verifier' }],
    ];
    for (const [method, path, body] of more) {
      const response = await this.#client.send<Problem>(method, path, body);
      demand(response.status === 503, `${method} ${path}: ${response.status}, not 503`);
      demand(
        /storage|disk|space|room|full/i.test(response.body.detail),
        `${method} ${path} says: ${response.body.detail}`,
      );
      this.refused += 1;
    }
    demand((await this.readiness()) === 503, '/readyz does not say that storage is full');
  }

  /** Endings succeed, and their effect lasts. */
  async checkEndings(): Promise<void> {
    const ending = this.#keysOf('strict', 'leased', 'asleep').filter(({ name }) => !isKept(name));
    await inParallel(8, ending, async (key) => {
      const code = await this.#end(key, ENDINGS[numberOf(key.name) % 8] ?? 'revoke');
      await this.#expectCode(key, code);
      this.ended.set(key, code);
    });
    await this.#succeeds('PATCH', '/tenants/to-disable', { status: 'disabled' });
    await this.#succeeds('DELETE', '/tenants/to-delete');
    for (const key of this.#keysOf('to-disable')) this.ended.set(key, 'TENANT_DISABLED');
    for (const key of this.#keysOf('to-delete')) this.ended.set(key, 'NOT_FOUND');
    await inParallel(4, this.#keysOf('to-disable', 'to-delete'), (key) =>
      this.#expectCode(key, this.ended.get(key) ?? 'VALID'),
    );
  }

  /** Ends a key and returns its verification code from then on. */
  async #end({ id, tenant, name }: Key, ending: (typeof ENDINGS)[number]): Promise<string> {
    const path = `/tenants/${tenant}/keys`;
    switch (ending) {
      case 'revoke':
        await this.#succeeds('POST', `${path}/${id}/revoke`, {});
        return 'REVOKED';
      case 'disable':
        await this.#succeeds('PATCH', `${path}/${id}`, { enabled: false });
        return 'DISABLED';
      case 'delete':
        await this.#succeeds('DELETE', `${path}/${id}`);
        return 'NOT_FOUND';
      case 'owner':
        await this.#succeeds('POST', `${path}/revoke`, { owner: `owner-${numberOf(name)}` });
        return 'REVOKED';
    }
  }

  /** When there is space again, everything that was refused succeeds. */
  async checkGrowth(): Promise<void> {
    await this.#client.createTenant('more');
    await eventually('keys are made', NOTICED_WITHIN_MS, async () => !(await this.refusesGrowth()));
    const { secret } = await this.#client.createKey('more');
    demand((await this.#client.verify(secret)).code === 'VALID', 'a key made since is not valid');
  }

  async checkAll(): Promise<void> {
    await inParallel(8, this.keys, (key) => this.#expectCode(key, this.ended.get(key) ?? 'VALID'));
  }

  async #succeeds(method: Method, path: string, body?: object): Promise<void> {
    const { status, body: said } = await this.#client.send(method, path, body);
    demand(status < 300, `${method} ${path}: ${status} ${JSON.stringify(said)}`);
  }

  async #expectCode(key: Key, expected: string): Promise<void> {
    const { code } = await this.#client.verify(key.secret);
    demand(code === expected, `a key of ${key.tenant} is ${code}, not ${expected}`);
  }

  #keysOf(...tenants: readonly TenantId[]): Key[] {
    return this.keys.filter(({ tenant }) => tenants.includes(tenant));
  }
}

/** Returns how to end the key with this number, or null. Of eight keys four are ended, each in another way. */
const numberOf = (name: string) => Number(name.replace('key-', ''));
const isKept = (name: string) => numberOf(name) % 8 >= ENDINGS.length;
