/** The benchmark's side of the load generator: a child process that runs one load at a time. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Load, LoadResult } from './protocol.ts';

type Reply = { readonly result: LoadResult } | { readonly error: string };

export class LoadGenerator implements Disposable {
  readonly #process: ChildProcess = fork(join(import.meta.dirname, 'generator.ts'), {
    // Sends buffers as bytes, not as JSON.
    serialization: 'advanced',
  });

  async run(load: Load): Promise<LoadResult> {
    this.#process.send(load);
    const [reply]: Reply[] = await once(this.#process, 'message');
    if (reply === undefined) throw new Error('the load generator ended');
    if ('error' in reply) throw new Error(`the load generator failed: ${reply.error}`);
    return reply.result;
  }

  [Symbol.dispose](): void {
    this.#process.kill('SIGKILL');
  }
}

/** A JSON request in the form that the generator sends. */
export function request(method: string, path: string, token: string, body: unknown): Buffer {
  const text = body === undefined ? '' : JSON.stringify(body);
  const head = [
    `${method} ${path} HTTP/1.1`,
    'Host: localhost',
    `Authorization: Bearer ${token}`,
    ...(text === '' ? [] : ['Content-Type: application/json']),
    `Content-Length: ${Buffer.byteLength(text)}`,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${text}`);
}
