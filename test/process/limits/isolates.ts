/** Four isolates that share objects. They are killed and started again on the same data, with the same secrets. */
import { join } from 'node:path';
import { oneOf } from '../campaign.ts';
import type { Client } from '../client.ts';
import { newSecrets, Runtime } from '../runtime.ts';

const ISOLATES = ['first', 'second', 'third', 'fourth'] as const;

type Calls = { readonly verifyKey: number; readonly renewLease: number };

export class Isolates implements AsyncDisposable {
  readonly #dataDir: string;
  readonly #env = newSecrets();
  #runtime: Runtime | null = null;
  #clients: readonly Client[] = [];

  constructor(dataDir: string) {
    this.#dataDir = dataDir;
  }

  async start(): Promise<void> {
    const sockets = [...ISOLATES, 'calls'];
    const config = join(import.meta.dirname, 'isolates.capnp');
    const runtime = await Runtime.start(config, this.#dataDir, { sockets, env: this.#env });
    this.#runtime = runtime;
    this.#clients = ISOLATES.map((socket) => runtime.clientOf(socket));
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    this.#clients = [];
    await this.#runtime?.[Symbol.asyncDispose]();
    this.#runtime = null;
  }

  /** A client of each isolate; none while they do not run. */
  get clients(): readonly Client[] {
    return this.#clients;
  }

  /** A client of any isolate. */
  get any(): Client {
    return oneOf(this.#clients);
  }

  /** How many calls verifications made to objects since the start, and renewals of leases. */
  async calls(): Promise<Calls> {
    const response = await fetch(`${this.#runtime?.urlOf('calls')}/calls`);
    const byTenant = Object.values((await response.json()) as Readonly<Record<string, Calls>>);
    const sum = (method: keyof Calls) => byTenant.reduce((total, calls) => total + calls[method], 0);
    return { verifyKey: sum('verifyKey'), renewLease: sum('renewLease') };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}
