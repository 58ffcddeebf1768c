/**
 * Lists are read by cursor while keys are created, deleted and changed. Every key that existed and matched throughout
 * is seen exactly once, in order, and no key twice.
 */
import { createMany, demand, inParallel, oneOf, type Progress, percentile, range } from '../campaign.ts';
import { Client, type KeyResource } from '../client.ts';
import { startServer, temporaryFolder } from '../server.ts';

const TENANT = 'walked';
/** One in this many keys does not stay. */
const PASSING = 4;
const CHURNERS = 2;
const WALKERS = 3;
const OWNERS = ['o1', 'o2'];
const FAR = '2200-01-01T00:00:00.000Z';

type Stable = { readonly id: string; readonly i: number };

/** A filter, and which of the staying keys match it. */
const FILTERS: readonly (readonly [query: string, matches: (i: number) => boolean])[] = [
  ['', () => true],
  ['&status=active', () => true],
  ['&owner=o1', (i) => attributesOf(i).owner === 'o1'],
  ['&prefix=even', (i) => i % 2 === 0],
  // One filter that few keys match, which is read whole, and one that many match, which is read page by page.
  ['&name=key-77', (i) => `key-${i}`.startsWith('key-77')],
  ['&name=key-', () => true],
  ['&expiresBefore=2300-01-01T00:00:00Z', (i) => i % 10 === 0],
  ['&owner=o2&status=active&prefix=odd', (i) => attributesOf(i).owner === 'o2' && i % 2 === 1],
];

const attributesOf = (i: number) => ({
  owner: OWNERS[i % 3 === 0 ? 0 : 1],
  prefix: i % 2 === 0 ? 'even' : 'odd',
  expiresAt: i % 10 === 0 ? FAR : null,
});

export async function walk(keys: number, progress: Progress): Promise<object> {
  using folder = temporaryFolder();
  await using server = await startServer(folder.path);
  const client = new Client(server);
  await client.createTenant(TENANT);
  const all = await createMany(client, TENANT, keys + Math.ceil(keys / PASSING), attributesOf);
  const stays = ({ i }: Stable) => i % (PASSING + 1) !== 0;
  const numbered = all.map(({ id }, i) => ({ id, i }));
  const stable = numbered.filter(stays);
  progress(`${stable.length} keys that stay among ${all.length}`);

  const churn = new Churn(
    client,
    numbered.filter((key) => !stays(key)).map(({ id }) => id),
  );
  const pageTimes: number[] = [];
  const walks = FILTERS.flatMap(([query, matches]) =>
    (['asc', 'desc'] as const).map((order) => ({ query, order, wanted: stable.filter(({ i }) => matches(i)) })),
  );
  try {
    await Promise.race([
      churn.failed,
      inParallel(WALKERS, walks, async ({ query, order, wanted }) => {
        const before = churn.changes;
        const seen = await walkOnce(client, `order=${order}${query}`, pageTimes);
        const ids = wanted.map(({ id }) => id);
        checkWalk(`${order}${query}`, seen, order === 'asc' ? ids : ids.toReversed());
        progress(`${order} ${query}: ${seen.length} keys during ${churn.changes - before} changes`);
      }),
    ]);
  } finally {
    await churn.stop();
  }
  return { keys: stable.length, walks: walks.length, changes: churn.changes, pageP99Ms: percentile(pageTimes, 0.99) };
}

type Page = { readonly data: readonly KeyResource[]; readonly page: { readonly nextCursor: string | null } };

/** Returns the ids in the order in which they were listed, in pages of random sizes. */
async function walkOnce(client: Client, query: string, times: number[]): Promise<string[]> {
  const seen: string[] = [];
  let cursor = '';
  for (;;) {
    const limit = Math.random() < 0.8 ? 100 : 1 + Math.floor(Math.random() * 100);
    const startedAt = performance.now();
    const { data, page } = await client.get<Page>(`/tenants/${TENANT}/keys?limit=${limit}&${query}${cursor}`);
    times.push(performance.now() - startedAt);
    demand(data.length <= limit, `${data.length} keys on a page of ${limit}`);
    seen.push(...data.map(({ id }) => id));
    if (page.nextCursor === null) return seen;
    cursor = `&cursor=${encodeURIComponent(page.nextCursor)}`;
  }
}

function checkWalk(what: string, seen: readonly string[], wanted: readonly string[]): void {
  demand(new Set(seen).size === seen.length, `${what}: a key was seen twice`);
  const expected = new Set(wanted);
  const found = seen.filter((id) => expected.has(id));
  demand(found.length === wanted.length, `${what}: ${wanted.length - found.length} of ${wanted.length} were not seen`);
  demand(
    found.every((id, at) => id === wanted[at]),
    `${what}: keys are out of order`,
  );
}

/** Keys that are created, changed and deleted while others are listed. */
class Churn {
  changes = 0;
  /** Rejects with the fault that was found; never resolves. */
  readonly failed: Promise<never>;
  readonly #client: Client;
  readonly #passing: string[];
  readonly #running: Promise<unknown>;
  #stopped = false;

  constructor(client: Client, passing: string[]) {
    this.#client = client;
    this.#passing = passing;
    this.#running = Promise.all(range(CHURNERS).map(() => this.#run()));
    this.failed = new Promise((_, reject) => this.#running.catch(reject));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.changes += 1;
      const choice = Math.random();
      if (choice < 0.45 || this.#passing.length < 2) {
        // The newest keys are deleted too, so that their row numbers are used again.
        const attributes = { ...attributesOf(Math.floor(Math.random() * 60)), name: `key-77${choice}` };
        const { id } = await this.#client.createKey(TENANT, attributes);
        this.#passing.push(id);
        if (Math.random() < 0.2) await this.#delete(this.#passing.pop() ?? id);
        continue;
      }
      const id = oneOf(this.#passing);
      this.#passing.splice(this.#passing.indexOf(id), 1);
      if (choice < 0.9) await this.#delete(id);
      else if (choice < 0.95) await this.#client.revokeKey(TENANT, id);
      else if (choice < 0.98) this.#passing.push((await this.#client.rotateKey(TENANT, id)).key.id);
      else {
        // While such a revocation is being written, lists by status use another query.
        const { id: leaving } = await this.#client.createKey(TENANT, { owner: 'leaver' });
        await this.#client.send('POST', `/tenants/${TENANT}/keys/revoke`, { owner: 'leaver' });
        this.#passing.push(leaving);
      }
    }
  }

  async #delete(id: string): Promise<void> {
    const { status } = await this.#client.send('DELETE', `/tenants/${TENANT}/keys/${id}`);
    demand(status === 204, `a key could not be deleted: ${status}`);
  }
}
