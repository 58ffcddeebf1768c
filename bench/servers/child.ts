/** A server of the benchmark as a child process. It announces its port as a line of JSON. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { startWatcher } from '../../selfhost/watcher.ts';
import type { Target } from './target.ts';

const HOST = '127.0.0.1';

export class ChildServer implements AsyncDisposable {
  readonly target: Target;
  /** The line with the port, and what else the server wrote on it. */
  readonly announcement: object;
  readonly #process: ChildProcess;
  /** Ends the server when the benchmark is killed. */
  readonly #watcher: ChildProcess;

  private constructor(target: Target, announcement: object, child: ChildProcess, watcher: ChildProcess) {
    this.target = target;
    this.announcement = announcement;
    this.#process = child;
    this.#watcher = watcher;
  }

  /** Starts the program, which writes `{"port": …}` to descriptor 3 once it listens. */
  static async start(program: string, args: readonly string[]): Promise<ChildServer> {
    const child = spawn(program, args, {
      stdio: ['ignore', 'inherit', 'inherit', 'pipe'],
      env: { PATH: process.env.PATH ?? '' },
    });
    if (child.pid === undefined) throw new Error(`${program} cannot be started`);
    const watcher = startWatcher(child.pid);
    const announced = await announcementOf(child);
    if (announced === null) throw new Error(`${program} ended at its start`);
    const { port } = announced;
    return new ChildServer({ host: HOST, port, pid: child.pid }, announced.message, child, watcher);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit');
      this.#process.kill('SIGKILL');
      await ended;
    }
    this.#watcher.kill('SIGKILL');
  }
}

/** Returns the first line that names a port, or null when the server ended before it. */
async function announcementOf(
  child: ChildProcess,
): Promise<{ readonly port: number; readonly message: object } | null> {
  const control = child.stdio[3];
  if (!(control instanceof Readable)) throw new Error('the control descriptor is not a pipe');
  for await (const line of createInterface({ input: control })) {
    const message: unknown = JSON.parse(line);
    if (typeof message !== 'object' || message === null) continue;
    const port: unknown = Reflect.get(message, 'port');
    if (typeof port === 'number') return { port, message };
  }
  return null;
}
