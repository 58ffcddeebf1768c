/**
 * Runs the runtime as a child process: `workerd serve` with the static configuration beside this file. Secrets reach it
 * only through its environment, never through arguments or a file.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { runtimePath } from './runtime-path.ts';
import type { Secrets } from './secrets.ts';
import { hostAndPort, reachableHost, type Settings } from './settings.ts';
import { StartupError } from './startup-error.ts';
import { startWatcher } from './watcher.ts';

const CONFIG = join(import.meta.dirname, 'workerd.capnp');
/** A start takes well under a second; this allows for a cold disk and a slow machine. */
const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 25;
/**
 * Time for requests under way when the server is told to stop. Less than the 10 s after which container engines kill.
 */
const STOP_TIMEOUT_MS = 8_000;
/** A Ctrl-C reaches both processes at once, and the launcher may notice the runtime's end before its own signal. */
const SIGNAL_LAG_MS = 100;

export type Folders = { readonly objects: string; readonly reserve: string };

export class Server {
  readonly url: string;
  readonly pid: number;
  readonly #runtime: ChildProcess;
  readonly #watcher: ChildProcess;

  private constructor(url: string, pid: number, runtime: ChildProcess, watcher: ChildProcess) {
    this.url = url;
    this.pid = pid;
    this.#runtime = runtime;
    this.#watcher = watcher;
  }

  /** Starts the runtime. `settings.port` 0 takes any free port. */
  static async start(settings: Settings, folders: Folders, secrets: Secrets): Promise<Server> {
    const runtime = spawn(
      runtimePath(),
      [
        'serve',
        CONFIG,
        `--socket-addr=http=${hostAndPort(settings.host, settings.port)}`,
        `--directory-path=data=${folders.objects}`,
        `--directory-path=reserve=${folders.reserve}`,
        '--control-fd=3',
      ],
      // Passes on nothing of the launcher's own environment, which may hold secrets of other programs.
      {
        stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
        env: { ...secrets.values, LOG_LEVEL: secrets.logLevel, DOCS: secrets.docs },
      },
    );
    const port = await Promise.race([listeningPort(runtime), endOf(runtime)]);
    if (typeof port === 'string' || runtime.pid === undefined) {
      throw new StartupError(`the server ended at its start (${port})`);
    }
    const url = `http://${hostAndPort(reachableHost(settings.host), port)}`;
    return new Server(url, runtime.pid, runtime, startWatcher(runtime.pid));
  }

  /**
   * Resolves with true when the server responds and its storage works, and with false when `signal` came first. On a
   * disk without room (`hasRoom`), responding is enough, because verifications and revocations may still work.
   */
  async ready(signal: AbortSignal, hasRoom: () => boolean): Promise<boolean> {
    for (const end = Date.now() + READY_TIMEOUT_MS; Date.now() < end; await sleep(READY_POLL_MS)) {
      if (signal.aborted) return false;
      if (hasEnded(this.#runtime)) throw new StartupError('the server ended at its start');
      const state = await readiness(this.url);
      if (state === true || (state === 'unavailable' && !hasRoom())) return true;
      if (typeof state === 'object') {
        await this.stop();
        throw new StartupError(state.problem.replace(/\.$/, ''));
      }
    }
    await this.stop();
    throw new StartupError(`the server did not get ready within ${READY_TIMEOUT_MS / 1000} seconds`);
  }

  /** Resolves with the reason when the runtime has ended and nothing of it is left. */
  async ended(): Promise<string> {
    const how = await endOf(this.#runtime);
    this.#watcher.kill('SIGKILL');
    await sleep(SIGNAL_LAG_MS);
    return how;
  }

  /** Lets the runtime finish the requests under way, then ends it. */
  async stop(): Promise<void> {
    this.#runtime.kill('SIGTERM');
    const lastResort = setTimeout(() => this.#runtime.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.ended();
    clearTimeout(lastResort);
  }
}

/** Returns the port that the runtime reports on its control descriptor once it listens. */
async function listeningPort(runtime: ChildProcess): Promise<number> {
  const control = runtime.stdio[3];
  if (!(control instanceof Readable)) throw new Error('the control descriptor is not a pipe');
  for await (const line of createInterface({ input: control })) {
    const message: unknown = JSON.parse(line);
    if (typeof message !== 'object' || message === null) continue;
    const port: unknown = Reflect.get(message, 'port');
    if (Reflect.get(message, 'event') === 'listen' && typeof port === 'number') return port;
  }
  // The pipe closed because the runtime ended, which `ready` reports with more detail.
  return new Promise(() => {});
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

async function endOf(child: ChildProcess): Promise<string> {
  if (!hasEnded(child)) {
    try {
      await once(child, 'exit');
    } catch (error) {
      return error instanceof Error ? error.message : 'unknown error';
    }
  }
  return child.signalCode ?? `exit code ${child.exitCode}`;
}

/**
 * Asks the server whether it is ready. Returns `unavailable` when it may be ready later, a problem when it never will
 * be, and false when it does not respond yet.
 */
async function readiness(url: string): Promise<boolean | 'unavailable' | { readonly problem: string }> {
  try {
    const response = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(READY_TIMEOUT_MS) });
    const body: unknown = await response.json();
    if (response.ok) return true;
    const isFinal = hasText(body, 'code') && hasText(body, 'detail') && body.code === 'misconfigured';
    return isFinal ? { problem: body.detail } : 'unavailable';
  } catch {
    return false;
  }
}

function hasText<N extends string>(value: unknown, name: N): value is Record<N, string> {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, name) === 'string';
}
