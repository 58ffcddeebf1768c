/** A client in a process of its own. It verifies by leases; all other requests go to its isolate as they are. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type ApiResponse, Client, type Method } from '../client.ts';
import type { Done, Task } from './client-process.ts';

export class ClientInProcess extends Client implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #adminToken: string;
  readonly #waiting = new Map<number, (done: Done) => void>();
  #tasks = 0;
  #isDisposed = false;
  /** Verifications, and those of them that were answered without any request. */
  verifications = 0;
  fromMemory = 0;
  /** Those that got no answer and were repeated. */
  unanswered = 0;

  constructor(target: { readonly url: string; readonly adminToken: string }) {
    super(target);
    this.#adminToken = target.adminToken;
    this.#process = fork(join(import.meta.dirname, 'client-process.ts'), [target.url]);
    this.#process.once('exit', (code, signal) => {
      if (!this.#isDisposed) throw new Error(`a client's process ended with ${signal ?? code}`);
    });
    this.#process.on('message', (done: Done) => {
      this.#waiting.get(done.id)?.(done);
      this.#waiting.delete(done.id);
    });
  }

  override async send<T>(
    method: Method,
    path: string,
    body?: unknown,
    requestId?: string,
    headers: Readonly<Record<string, string>> = {},
    signal: AbortSignal | null = null,
  ): Promise<ApiResponse<T>> {
    if (path !== '/keys/verify') return super.send(method, path, body, requestId, headers, signal);
    const { key, ...input } = Object(body);
    const token = headers.Authorization?.replace('Bearer ', '') ?? this.#adminToken;
    for (;;) {
      const { status, body: answer, isAsked } = await this.#verified({ token, key, input });
      this.verifications += 1;
      if (!isAsked) this.fromMemory += 1;
      // No answer came: after a pause, the connections of the process are closed. It has let nobody in.
      if (status === 0) this.unanswered += 1;
      // As `Client.send`, which does not know what the caller expects either.
      else return { status, body: answer as T, headers: new Headers() };
    }
  }

  #verified(what: Pick<Task & { type: 'verify' }, 'token' | 'key' | 'input'>): Promise<Done> {
    const id = this.#tasks++;
    const done = new Promise<Done>((resolve) => this.#waiting.set(id, resolve));
    this.#tell({ type: 'verify', id, ...what });
    return done;
  }

  moveClock(byMs: number): void {
    this.#tell({ type: 'move clock', byMs });
  }

  /** A campaign that has failed may still have trials under way, whose errors would hide the first. */
  #tell(task: Task): void {
    if (!this.#isDisposed) this.#process.send(task);
  }

  /** Stops the process, and lets it go on after a while. */
  async pause(wait: () => Promise<unknown>): Promise<void> {
    this.#process.kill('SIGSTOP');
    await wait();
    this.#process.kill('SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    const closed = once(this.#process, 'close');
    this.#process.kill('SIGKILL');
    await closed;
  }
}
