/** The runtime started with a test's own configuration, without the launcher, for settings that no operator changes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { ensureBuilt } from '../../selfhost/build.ts';
import { runtimePath } from '../../selfhost/runtime-path.ts';
import { Client } from './client.ts';

/** The environment of a runtime: secrets, and what else its configuration takes from there. */
export type RuntimeEnv = Readonly<Record<string, string>> & { readonly ADMIN_TOKEN: string };

/** New secrets. A runtime that is to read the data of an earlier one needs those of the earlier one. */
export function newSecrets(): RuntimeEnv {
  const ring = () => `1:${randomBytes(32).toString('base64')}`;
  return { ADMIN_TOKEN: randomBytes(32).toString('base64url'), ENCRYPTION_KEY: ring(), HMAC_SECRET: ring() };
}

let building: Promise<unknown> | null = null;

/** Builds the bundle if that is needed, once for all tests of this process. */
export function built(): Promise<unknown> {
  building ??= ensureBuilt(new AbortController().signal);
  return building;
}

export class Runtime implements AsyncDisposable {
  /** The URLs of the sockets that were asked for, by name. */
  readonly #urls: ReadonlyMap<string, string>;
  readonly #adminToken: string;
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;

  private constructor(process: ChildProcess, urls: ReadonlyMap<string, string>, adminToken: string) {
    this.#process = process;
    this.#closed = once(process, 'close');
    this.#urls = urls;
    this.#adminToken = adminToken;
  }

  /** Starts on a data folder; resolves when the configuration's sockets with these names listen. */
  static async start(
    config: string,
    dataDir: string,
    { sockets = ['http'], env = newSecrets() }: { sockets?: readonly string[]; env?: RuntimeEnv } = {},
  ): Promise<Runtime> {
    await built();
    const runtime = spawn(runtimePath(), ['serve', config, `--directory-path=data=${dataDir}`, '--control-fd=3'], {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
      env: { PATH: process.env.PATH ?? '', ...env },
    });
    return new Runtime(runtime, await urlsOf(runtime, sockets), env.ADMIN_TOKEN);
  }

  urlOf(socket: string): string {
    const url = this.#urls.get(socket);
    if (url === undefined) throw new Error(`no socket ${socket} was asked for`);
    return url;
  }

  /** A client that calls through this socket. */
  clientOf(socket: string): Client {
    return new Client({ url: this.urlOf(socket), adminToken: this.#adminToken });
  }

  get client(): Client {
    return this.clientOf('http');
  }

  get alive(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  /** The memory of the process (MB). */
  get rssMb(): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, 'utf8');
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
  }

  /** `kill -9`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#closed;
  }
}

/** Reads the ports from the control channel, until all of these sockets listen. */
async function urlsOf(runtime: ChildProcess, sockets: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const control = runtime.stdio[3];
  if (control === null || control === undefined || !('setEncoding' in control)) throw new Error('no control channel');
  const urls = new Map<string, string>();
  let text = '';
  for await (const chunk of control.setEncoding('utf8')) {
    text += chunk;
    for (const line of text.split('\n').slice(0, -1)) {
      const { event, socket, port } = JSON.parse(line);
      if (event === 'listen') urls.set(socket, `http://127.0.0.1:${port}`);
    }
    text = text.slice(text.lastIndexOf('\n') + 1);
    if (sockets.every((socket) => urls.has(socket))) return urls;
  }
  throw new Error('the runtime ended before it listened');
}
