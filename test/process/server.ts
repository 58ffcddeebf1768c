/**
 * A self-hosted server as its operator runs it: the launcher started as a process of its own, on a new data folder and
 * a free port of this machine. Tests hold it with `await using`, so that a failing test leaves no process behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const ROOT = join(import.meta.dirname, '../..');
/** A first start builds the bundle, which takes seconds on a small machine. */
const READY_TIMEOUT_MS = 90_000;
const POLL_MS = 20;

/** As selfhost/run.sh sets them. Without the cache of compiled code a launcher needs twice as long to start. */
const PLACES = { PATH: process.env.PATH ?? '', NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '' };

export type Environment = Readonly<Record<string, string>>;

/** An empty folder that is removed when its scope ends. */
export function temporaryFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'keystead-test-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** The launcher, from its start to its end. */
export class Launcher implements AsyncDisposable {
  readonly dataDir: string;
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;
  #stdout = '';
  #stderr = '';

  /** Starts on the data folder. Of this process's environment it gets only where programs and compiled code are. */
  constructor(dataDir: string, env: Environment = {}, command = [process.execPath, 'selfhost/start.ts']) {
    this.dataDir = dataDir;
    const [program = '', ...args] = command;
    this.#process = spawn(program, args, {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...PLACES, PORT: '0', DATA_DIR: dataDir, ...env },
      // A process group of its own, which can be killed as a whole.
      detached: true,
    });
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
    this.#closed = once(this.#process, 'close');
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error('the launcher was not started');
    return this.#process.pid;
  }

  get stdout(): string {
    return this.#stdout;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Resolves with the server's URL when it says that it is ready. */
  async ready(): Promise<string> {
    for (const end = Date.now() + READY_TIMEOUT_MS; Date.now() < end; await sleep(POLL_MS)) {
      if (this.#announced() !== null) return this.url;
      if (this.#process.exitCode !== null || this.#process.signalCode !== null) break;
    }
    throw new Error(`the server did not get ready: ${this.#stderr}`);
  }

  get url(): string {
    const announced = this.#announced();
    if (announced === null) throw new Error('the server has not said where it listens');
    return announced.url;
  }

  /** The line that the server offers for a first try. */
  get firstCall(): string {
    return this.#announced()?.try ?? '';
  }

  /** What the launcher prints when the server is ready, among the lines of the log. */
  #announced(): { readonly url: string; readonly try?: string } | null {
    const line = /^\{[^\n]*"event":"ready"[^\n]*\}$/m.exec(this.#stdout)?.[0];
    return line === undefined ? null : JSON.parse(line);
  }

  get adminToken(): string {
    return storedSecret(this.dataDir, 'ADMIN_TOKEN');
  }

  /** The process id of the runtime. */
  get runtimePid(): number {
    return JSON.parse(readFileSync(join(this.dataDir, 'server.json'), 'utf8')).runtime;
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** Resolves when all output is here: with the exit code, or with null when a signal ended it. */
  async exit(): Promise<number | null> {
    await this.#closed;
    return this.#process.exitCode;
  }

  async stop(): Promise<number | null> {
    this.signal('SIGTERM');
    return this.exit();
  }

  /** `kill -9` of launcher, runtime and watcher at the same moment. */
  async killGroup(): Promise<void> {
    process.kill(-this.pid, 'SIGKILL');
    await this.exit();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      process.kill(-this.pid, 'SIGKILL');
    } catch {
      // All of them have ended already.
    }
    await this.#closed;
  }
}

/** Starts a server and waits until it is ready. */
export async function startServer(dataDir: string, env: Environment = {}): Promise<Launcher> {
  const launcher = new Launcher(dataDir, env);
  try {
    await launcher.ready();
    return launcher;
  } catch (error) {
    await launcher[Symbol.asyncDispose]();
    throw error;
  }
}

export function storedSecret(dataDir: string, name: 'ADMIN_TOKEN' | 'ENCRYPTION_KEY' | 'HMAC_SECRET'): string {
  return JSON.parse(readFileSync(join(dataDir, 'secrets.json'), 'utf8'))[name];
}

/** Whether anything accepts connections there. */
export async function isListening(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname.replace(/^\[(.*)\]$/, '$1'));
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Waits until the condition holds. Throws an error that names it when it does not hold in time. */
export async function eventually(what: string, timeoutMs: number, holds: () => Promise<boolean> | boolean) {
  for (const end = Date.now() + timeoutMs; Date.now() < end; await sleep(POLL_MS)) if (await holds()) return;
  throw new Error(`not within ${timeoutMs} ms: ${what}`);
}
