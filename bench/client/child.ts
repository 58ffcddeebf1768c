/** The benchmark's side of a subject. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Reply, TurnRequest, TurnResult } from './protocol.ts';

export class Child implements Disposable {
  readonly #process: ChildProcess;
  readonly #program: string;

  private constructor(program: string, args: readonly string[]) {
    this.#program = program;
    // A library's advice about its options is not for who runs the benchmark.
    this.#process = fork(program, args, { env: { ...process.env, NODE_NO_WARNINGS: '1' } });
  }

  /** Starts a program that serves turns. `setup` is sent to it first. */
  static async start(program: string, args: readonly string[] = [], setup?: object): Promise<Child> {
    const child = new Child(program, args);
    if (setup !== undefined) child.#process.send(setup);
    await child.#reply();
    return child;
  }

  async turn(request: TurnRequest): Promise<TurnResult> {
    this.#process.send(request);
    const reply = await this.#reply();
    if (!('verifications' in reply)) throw new Error(`${this.#program} has answered something else`);
    return reply;
  }

  async #reply(): Promise<Reply> {
    const waiting = new AbortController();
    const { signal } = waiting;
    try {
      const message: Promise<Reply[]> = once(this.#process, 'message', { signal });
      const [reply] = await Promise.race([message, once(this.#process, 'exit', { signal }).then(() => [])]);
      if (reply === undefined) throw new Error(`${this.#program} has ended`);
      if ('error' in reply) throw new Error(`${this.#program} failed: ${reply.error}`);
      return reply;
    } finally {
      waiting.abort();
    }
  }

  [Symbol.dispose](): void {
    this.#process.kill('SIGKILL');
  }
}
