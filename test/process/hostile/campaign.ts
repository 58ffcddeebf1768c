/**
 * Sends more of the suite's hostile requests (test/http/hostile.ts) to a running server, and reads its rows from its
 * files.
 */
import { HOSTILE_ROUTES, runHeavyOn, runHostileOn, type Tally, type Target, type Victims } from '../../http/hostile.ts';
import { demand, type Progress } from '../campaign.ts';
import { Client, type KeyWithSecret } from '../client.ts';
import { type Launcher, startServer, storedSecret, temporaryFolder } from '../server.ts';
import { Observer } from './observer.ts';
import { databases, StoredRows } from './rows.ts';

/** Scenes on one server. All rows are read again after each change, so the cost grows with the age of the server. */
const SCENES_PER_SERVER = 100;

/**
 * Routes at a time, each on its own server: while one waits for leases or for its rows, the other continues. The
 * heaviest requests are sent first, alone.
 */
const WORKERS = 2;

export async function hostile(requests: number, progress: Progress): Promise<object> {
  const tally: Tally = new Map();
  const each = Math.ceil(requests / HOSTILE_ROUTES.length);
  const routes = HOSTILE_ROUTES.values();
  let [made, resets, longest] = [0, 0, { ms: 0, by: '' }];
  const waitedFor: Record<string, number> = {};
  const work = async (heavily: boolean) => {
    await using scenes = new Scenes();
    for (const route of heavily ? HOSTILE_ROUTES : routes) {
      const startedAt = Date.now();
      if (heavily) {
        const heavy = await runHeavyOn(route, scenes, tally);
        waitedFor[`${route.method} ${route.path}`] = Math.round(heavy.ms);
        if (heavy.ms > longest.ms) longest = heavy;
      } else {
        await runHostileOn(route, scenes, { requests: each, tally });
        progress(`${route.method} ${route.path}: ${each} requests in ${Date.now() - startedAt} ms`);
      }
    }
    made += scenes.made;
    resets += scenes.resets;
  };
  const startedAt = Date.now();
  await work(true);
  progress(`the heaviest requests of each route in ${Date.now() - startedAt} ms; the longest that others waited:`);
  progress(`  ${Math.round(longest.ms)} ms for ${longest.by}`);
  await Promise.all(Array.from({ length: WORKERS }, () => work(false)));
  const answers = Object.fromEntries([...tally].sort(([a], [b]) => a - b));
  const othersWaited = { ms: Math.round(longest.ms), by: longest.by, byRoute: waitedFor };
  return {
    ...{ requests: each * HOSTILE_ROUTES.length, routes: HOSTILE_ROUTES.length },
    ...{ scenes: made, resets, answers, othersWaited },
  };
}

/** Creates victims one after the other, on one server after the other. */
class Scenes implements Target, AsyncDisposable {
  made = 0;
  /** Requests that had to be sent again because their connection was closed. */
  resets = 0;
  #stage: Stage | null = null;

  get origin(): string {
    return this.#open.origin;
  }

  get adminToken(): string {
    return this.#open.adminToken;
  }

  get secrets(): readonly string[] {
    return this.#open.secrets;
  }

  /**
   * The server may close a connection when it responds before it has read the whole request. The next request may just
   * have been sent on that connection.
   */
  async send(request: Request): Promise<Response> {
    const again = request.clone();
    this.#open.observer.begin();
    try {
      return await fetch(request);
    } catch {
      this.resets += 1;
      return fetch(again);
    }
  }

  async prepare(): Promise<Victims> {
    if (this.made % SCENES_PER_SERVER === 0) {
      await this[Symbol.asyncDispose]();
      this.#stage = await Stage.open();
    }
    this.made += 1;
    return this.#open.prepare(`victim-${this.made}`);
  }

  async snapshot(): Promise<string> {
    return this.#open.snapshot();
  }

  othersWaited(): Promise<number> {
    return this.#open.observer.end();
  }

  get #open(): Stage {
    if (this.#stage === null) throw new Error('there is no scene yet');
    return this.#stage;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stage?.[Symbol.asyncDispose]();
    this.#stage = null;
  }
}

/** A server, with the databases that hold the rows of the present victims. */
class Stage implements AsyncDisposable {
  readonly server: Launcher;
  // Looked up once, because it takes a search through the server's output and a read of its secrets file.
  readonly origin: string;
  readonly adminToken: string;
  readonly secrets: readonly string[];
  /** A key of another tenant than the victims', for the observer. */
  readonly observer: Observer;
  readonly #client: Client;
  readonly #shared: readonly StoredRows[];
  readonly #resources: AsyncDisposableStack;
  #victim: StoredRows | null = null;

  private constructor(
    server: Launcher,
    observer: Observer,
    shared: readonly StoredRows[],
    resources: AsyncDisposableStack,
  ) {
    this.server = server;
    this.origin = server.url;
    this.adminToken = server.adminToken;
    const names = ['ENCRYPTION_KEY', 'HMAC_SECRET'] as const;
    this.secrets = names.map((name) => storedSecret(server.dataDir, name).slice(2));
    this.observer = observer;
    this.#client = new Client({ url: this.origin, adminToken: this.adminToken });
    this.#shared = shared;
    this.#resources = resources;
  }

  static async open(): Promise<Stage> {
    await using resources = new AsyncDisposableStack();
    const folder = resources.use(temporaryFolder());
    const server = resources.use(await startServer(folder.path));
    const client = new Client(server);
    // The first management key makes the tenant of all management keys, which is then the only object besides the
    // directory.
    await client.send('POST', '/management-keys', { name: 'first', role: 'verifier' });
    await client.get('/tenants');
    const paths = [...databases(folder.path, 'keystead-tenant'), ...databases(folder.path, 'keystead-directory')];
    demand(paths.length === 2, `${paths.length} databases at the start`);
    const shared = paths.map((path) => resources.use(new StoredRows(path)));
    await client.createTenant('others');
    const observer = resources.use(new Observer(server, (await client.createKey('others')).secret));
    return new Stage(server, observer, shared, resources.move());
  }

  async prepare(tenant: string): Promise<Victims> {
    const before = new Set(databases(this.server.dataDir, 'keystead-tenant'));
    await this.#client.createTenant(tenant);
    const [path, ...more] = databases(this.server.dataDir, 'keystead-tenant').filter((found) => !before.has(found));
    demand(path !== undefined && more.length === 0, 'the database of a new tenant cannot be told');
    const [plain, rotating, revoked] = await this.#client.createKeys(
      tenant,
      [1, 2, 3].map((i) => ({ name: `key ${i}`, owner: i === 3 ? 'ended' : 'o' })),
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

  async [Symbol.asyncDispose](): Promise<void> {
    this.#victim?.[Symbol.dispose]();
    await this.#resources.disposeAsync();
  }
}
