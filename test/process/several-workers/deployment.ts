/**
 * A deployment of several Workers with their bindings, in one runtime: Keystead with its objects, a second isolate of
 * it on the same objects, and a customer's Worker (customer.ts) with a service binding to Keystead. Three more
 * customers' Workers have bindings to services that do not answer as Keystead does.
 */
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { Log, LogLevel, Miniflare, type MiniflareOptions } from 'miniflare';
import { ensureBuilt } from '../../../selfhost/build.ts';
import { TEST_SECRETS } from '../../support/test-secrets.ts';
import { ROOT } from '../server.ts';

type Worker = MiniflareOptions['workers'][number];
type WorkerEnv = NonNullable<Extract<Worker, { config: unknown }>['config']['env']>;

/** What a customer's Worker is bound to in place of Keystead, by what happens there. */
const OUTAGES = {
  throws: "export default { fetch() { throw new Error('down'); } };",
  refuses: 'export default { fetch: () => new Response(null, { status: 503 }) };',
  'is silent': 'export default { fetch: () => new Promise((resolve) => setTimeout(resolve, 600_000)) };',
} as const;
export type Outage = keyof typeof OUTAGES;
export const OUTAGE_NAMES = Object.keys(OUTAGES) as Outage[];

export type Answer = { readonly status: number; readonly body: unknown };

export class Deployment implements AsyncDisposable {
  readonly #miniflare: Miniflare;

  constructor(miniflare: Miniflare) {
    this.#miniflare = miniflare;
  }

  /** A request to the management API, by the administrator, through one of the isolates of Keystead. */
  async api(isolate: Isolate, method: string, path: string, body?: unknown): Promise<Answer> {
    const headers = { Authorization: `Bearer ${TEST_SECRETS.ADMIN_TOKEN}`, 'Content-Type': 'application/json' };
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
    return this.#send(isolate, `/v1${path}`, init);
  }

  /** A request to the API of a customer whose Keystead works, or has an outage. */
  customer(key: string | null, method = 'GET', outage?: Outage): Promise<Answer> {
    const headers: Record<string, string> = key === null ? {} : { Authorization: `Bearer ${key}` };
    return this.#send(outage === undefined ? 'customer' : `customer of ${outage}`, '/orders', { method, headers });
  }

  async #send(
    worker: string,
    path: string,
    init: { readonly method: string; readonly headers: Record<string, string>; readonly body?: string },
  ): Promise<Answer> {
    const { fetch } = await this.#miniflare.getWorker(worker);
    const response = await fetch(`http://deployment.test${path}`, init);
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#miniflare.dispose();
  }
}

/** The isolates of Keystead. The first has the objects. */
export const ISOLATES = ['keystead', 'keystead-2'] as const;
export type Isolate = (typeof ISOLATES)[number];

export async function deploy(): Promise<Deployment> {
  await ensureBuilt(new AbortController().signal);
  const keystead = readFileSync(join(ROOT, 'dist/index.js'), 'utf8');
  const customer = stripTypeScriptTypes(readFileSync(join(import.meta.dirname, 'customer.ts'), 'utf8'));
  const secrets = texts(TEST_SECRETS);
  const objects: WorkerEnv = {
    TENANTS: { type: 'durable-object', worker: 'keystead', exportName: 'Tenant' },
    DIRECTORY: { type: 'durable-object', worker: 'keystead', exportName: 'Directory' },
  };
  // Bindings are there before a management key can be made, so the administrator's token takes its place.
  const boundTo = (service: string): WorkerEnv => ({
    KEYSTEAD: { type: 'worker', worker: service },
    ...texts({ KEYSTEAD_TOKEN: TEST_SECRETS.ADMIN_TOKEN }),
  });
  const miniflare = new Miniflare({
    log: new Log(LogLevel.NONE),
    logRequests: false,
    workers: [
      worker(
        'keystead',
        keystead,
        { ...secrets, ...objects },
        {
          Tenant: { type: 'durable-object', storage: 'sqlite' },
          Directory: { type: 'durable-object', storage: 'sqlite' },
        },
      ),
      worker('keystead-2', keystead, { ...secrets, ...objects }),
      worker('customer', customer, boundTo('keystead')),
      ...OUTAGE_NAMES.flatMap((outage) => [
        worker(outage, OUTAGES[outage]),
        worker(`customer of ${outage}`, customer, boundTo(outage)),
      ]),
    ],
  });
  try {
    await miniflare.ready;
  } catch (error) {
    await miniflare.dispose();
    throw error;
  }
  return new Deployment(miniflare);
}

function worker(name: string, source: string, env: WorkerEnv = {}, exports = {}): Worker {
  const modules = { 'index.js': { type: 'esm', contents: source } } as const;
  const manifest = { mainModule: 'index.js', modulesRoot: '/', modules };
  return { config: { name, compatibilityDate: '2026-10-01', manifest, env, exports } };
}

const texts = (values: Readonly<Record<string, string>>): WorkerEnv =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { type: 'text', value }]));
