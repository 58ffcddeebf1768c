/** A server whose objects count the calls that the verifications of one isolate make. */
import { join } from 'node:path';
import type { Client } from '../client.ts';
import { Runtime } from '../runtime.ts';

type Calls = { readonly verifyKey: number; readonly renewLease: number };

export class CountedServer implements AsyncDisposable {
  readonly #runtime: Runtime;

  private constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  static async start(dataDir: string): Promise<CountedServer> {
    const config = join(import.meta.dirname, 'counted.capnp');
    return new CountedServer(await Runtime.start(config, dataDir, { sockets: ['http', 'calls'] }));
  }

  get client(): Client {
    return this.#runtime.client;
  }

  get url(): string {
    return this.#runtime.urlOf('http');
  }

  /** The calls to each tenant's object since the start. */
  async callsByTenant(): Promise<readonly Calls[]> {
    const response = await fetch(`${this.#runtime.urlOf('calls')}/calls`);
    return Object.values((await response.json()) as Readonly<Record<string, Calls>>);
  }

  /** The calls to all tenants' objects since the start. */
  async calls(): Promise<Calls> {
    const all = await this.callsByTenant();
    const sum = (method: keyof Calls) => all.reduce((total, calls) => total + calls[method], 0);
    return { verifyKey: sum('verifyKey'), renewLease: sum('renewLease') };
  }

  /** Lets each later call take so long at least. */
  async delayCalls(ms: number): Promise<void> {
    await fetch(`${this.#runtime.urlOf('calls')}/delay`, { method: 'POST', body: String(ms) });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#runtime[Symbol.asyncDispose]();
  }
}
