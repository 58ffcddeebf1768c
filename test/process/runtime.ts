/** The runtime started with a test's own configuration, without the launcher, for settings that no operator changes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { ensureBuilt } from '../../selfhost/build.ts';
import { runtimePath } from '../../selfhost/runtime-path.ts';
import { Client } from './client.ts';

export class Runtime implements AsyncDisposable {
  readonly client: Client;
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;

  private constructor(process: ChildProcess, url: string, adminToken: string) {
    this.#process = process;
    this.#closed = once(process, 'close');
    this.client = new Client({ url, adminToken });
  }

  /** Starts on a data folder; resolves when the configuration's socket listens. */
  static async start(config: string, dataDir: string): Promise<Runtime> {
    await ensureBuilt(new AbortController().signal);
    const adminToken = randomBytes(32).toString('base64url');
    const ring = () => `1:${randomBytes(32).toString('base64')}`;
    const runtime = spawn(runtimePath(), ['serve', config, `--directory-path=data=${dataDir}`, '--control-fd=3'], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
      env: { PATH: process.env.PATH ?? '', ADMIN_TOKEN: adminToken, ENCRYPTION_KEY: ring(), HMAC_SECRET: ring() },
    });
    return new Runtime(runtime, `http://127.0.0.1:${await portOf(runtime)}`, adminToken);
  }

  get alive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** The memory of the process (MB). */
  get rssMb(): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, 'utf8');
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#closed;
  }
}

async function portOf(runtime: ChildProcess): Promise<number> {
  const control = runtime.stdio[3];
  if (control === null || control === undefined || !('setEncoding' in control)) throw new Error('no control channel');
  let text = '';
  for await (const chunk of control.setEncoding('utf8')) {
    text += chunk;
    for (const line of text.split('\n').slice(0, -1)) {
      const { event, port } = JSON.parse(line);
      if (event === 'listen') return port;
    }
    text = text.slice(text.lastIndexOf('\n') + 1);
  }
  throw new Error('the runtime ended before it listened');
}
