/** The suite's hostile requests (test/http/hostile.ts) against a running server, more of them, with its rows read from its files. */
import { HOSTILE_ROUTES, runHostileOn, type Tally, type Victims } from '../../http/hostile.ts';
import { demand, type Progress } from '../campaign.ts';
import { Client, type KeyWithSecret } from '../client.ts';
import { type Launcher, startServer, storedSecret, temporaryFolder } from '../server.ts';
import { databases, StoredRows } from './rows.ts';

export async function hostile(requests: number, progress: Progress): Promise<object> {
  using folder = temporaryFolder();
  await using server = await startServer(folder.path);
  using scenes = await Scenes.open(server);
  const target = {
    origin: server.url,
    adminToken: server.adminToken,
    secrets: (['ENCRYPTION_KEY', 'HMAC_SECRET'] as const).map((name) => storedSecret(folder.path, name).slice(2)),
    send: (request: Request) => fetch(request),
    prepare: () => scenes.prepare(),
    snapshot: async () => scenes.snapshot(),
  };
  const tally: Tally = new Map();
  const each = Math.ceil(requests / HOSTILE_ROUTES.length);
  for (const route of HOSTILE_ROUTES) {
    const startedAt = Date.now();
    await runHostileOn(route, target, { requests: each, tally });
    progress(`${route.method} ${route.path}: ${each} requests in ${Date.now() - startedAt} ms`);
  }
  const answers = Object.fromEntries([...tally].sort(([a], [b]) => a - b));
  return { requests: each * HOSTILE_ROUTES.length, routes: HOSTILE_ROUTES.length, scenes: scenes.made, answers };
}

/** Victims one after the other, and the databases that their rows are in. */
class Scenes implements Disposable {
  made = 0;
  readonly #client: Client;
  readonly #dataDir: string;
  readonly #shared: readonly StoredRows[];
  #victim: StoredRows | null = null;

  private constructor(client: Client, dataDir: string, shared: readonly StoredRows[]) {
    this.#client = client;
    this.#dataDir = dataDir;
    this.#shared = shared;
  }

  static async open(server: Launcher): Promise<Scenes> {
    const client = new Client(server);
    // The first management key makes the tenant of all of them, beside the directory the only object there is.
    await client.send('POST', '/management-keys', { name: 'first', role: 'verifier' });
    await client.get('/tenants');
    const shared = [
      ...databases(server.dataDir, 'keystead-tenant'),
      ...databases(server.dataDir, 'keystead-directory'),
    ];
    demand(shared.length === 2, `${shared.length} databases at the start`);
    return new Scenes(
      client,
      server.dataDir,
      shared.map((path) => new StoredRows(path)),
    );
  }

  async prepare(): Promise<Victims> {
    this.made += 1;
    const tenant = `victim-${this.made}`;
    const before = new Set(databases(this.#dataDir, 'keystead-tenant'));
    await this.#client.createTenant(tenant);
    const [path, ...more] = databases(this.#dataDir, 'keystead-tenant').filter((found) => !before.has(found));
    demand(path !== undefined && more.length === 0, 'the database of a new tenant cannot be told');
    const [plain, rotating, revoked] = await this.#client.createKeys(
      tenant,
      [1, 2, 3].map((i) => ({ name: `key ${i}`, owner: 'o' })),
    );
    demand(plain !== undefined && rotating !== undefined && revoked !== undefined, 'three keys were asked for');
    await this.#client.rotateKey(tenant, rotating.id);
    await this.#client.revokeKey(tenant, revoked.id);
    const grant = { name: 'm', role: 'verifier', tenantId: tenant };
    const { body: management } = await this.#client.send<KeyWithSecret>('POST', '/management-keys', grant);
    this.#victim?.[Symbol.dispose]();
    this.#victim = new StoredRows(path);
    return {
      ...{ tenant, key: plain.id, rotating: rotating.id, revoked: revoked.id, secret: plain.secret },
      ...{ managementKey: management.id, managementSecret: management.secret },
    };
  }

  snapshot(): string {
    return [this.#victim, ...this.#shared].map((rows) => rows?.read()).join('\n');
  }

  [Symbol.dispose](): void {
    for (const rows of [this.#victim, ...this.#shared]) rows?.[Symbol.dispose]();
  }
}
