/**
 * The load generator: a separate process that sends prebuilt requests over raw keep-alive sockets, one at a time on
 * each connection. Of each response it reads only the status, the length and whether an expected text occurs. `fetch`
 * would use more processor time than the server it measures.
 *
 * The loop is closed (a connection sends its next request after the response to the last), so latencies are those at
 * full load, not those at a given rate.
 */
import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Load, LoadResult } from './protocol.ts';

const HEADERS_END = Buffer.from('\r\n\r\n');
const CONTENT_LENGTH = Buffer.from('content-length: ');
/** The status starts after this text of `HTTP/1.1 200`. */
const STATUS_AT = 9;
const QUOTED_BYTES = 400;

class Run {
  readonly #load: Load;
  readonly #expected: Buffer;
  readonly #latencies: number[] = [];
  #next = 0;
  #wrong = 0;
  #firstWrong: string | null = null;
  #endAt = 0;

  constructor(load: Load) {
    this.#load = load;
    this.#expected = Buffer.from(load.expected);
  }

  async result(): Promise<LoadResult> {
    const sockets = await Promise.all(Array.from({ length: this.#load.connections }, () => this.#connected()));
    const cpuBefore = process.cpuUsage();
    const startedAt = performance.now();
    this.#endAt = startedAt + this.#load.durationMs;
    await Promise.all(sockets.map((socket) => this.#drive(socket)));
    const seconds = (performance.now() - startedAt) / 1000;
    const cpu = process.cpuUsage(cpuBefore);
    for (const socket of sockets) socket.destroy();
    const latencies = Float64Array.from(this.#latencies).sort();
    return {
      answered: latencies.length,
      wrong: this.#wrong,
      firstWrong: this.#firstWrong,
      seconds,
      p50Ms: quantile(latencies, 0.5),
      p99Ms: quantile(latencies, 0.99),
      generatorShare: (cpu.user + cpu.system) / 1e6 / seconds,
    };
  }

  #connected(): Promise<Socket> {
    return new Promise((done, failed) => {
      const { host, port } = this.#load;
      const socket = connect({ host, port, noDelay: true }, () => done(socket));
      socket.once('error', failed);
    });
  }

  /** Sends on this connection until the time is over or the requests are used up. */
  #drive(socket: Socket): Promise<void> {
    return new Promise((done, failed) => {
      let sentAt = 0;
      let buffered: Buffer | null = null;
      const send = () => {
        const request = performance.now() < this.#endAt ? this.#take() : undefined;
        if (request === undefined) return done();
        sentAt = performance.now();
        socket.write(request);
      };
      socket.on('data', (chunk: Buffer) => {
        const response: Buffer = buffered === null ? chunk : Buffer.concat([buffered, chunk]);
        const bodyAt = completeBodyAt(response);
        buffered = bodyAt === null ? response : null;
        if (bodyAt === null) return;
        this.#latencies.push(performance.now() - sentAt);
        this.#check(response, bodyAt);
        send();
      });
      socket.once('error', failed);
      socket.once('close', () => failed(new Error('the server closed a connection')));
      send();
    });
  }

  #take(): Uint8Array | undefined {
    const { requests, once } = this.#load;
    if (this.#next === requests.length && !once) this.#next = 0;
    return requests[this.#next++];
  }

  #check(response: Buffer, bodyAt: number): void {
    if (response[STATUS_AT] === 0x32 && response.indexOf(this.#expected, bodyAt) >= 0) return;
    this.#wrong += 1;
    this.#firstWrong ??= response.toString('latin1', 0, QUOTED_BYTES);
  }
}

/**
 * Returns where the body starts, or null while the response is incomplete. A response without a length (204) has no
 * body.
 */
function completeBodyAt(response: Buffer): number | null {
  const headersEnd = response.indexOf(HEADERS_END);
  if (headersEnd < 0) return null;
  const bodyAt = headersEnd + HEADERS_END.length;
  const length = contentLength(response, headersEnd);
  return response.length < bodyAt + length ? null : bodyAt;
}

function contentLength(response: Buffer, headersEnd: number): number {
  // Servers write the header's name in two ways. Lower-casing the whole head would cost more than searching twice.
  let at = response.indexOf('Content-Length: ');
  if (at < 0 || at > headersEnd) at = response.indexOf(CONTENT_LENGTH);
  if (at < 0 || at > headersEnd) return 0;
  let length = 0;
  for (let i = at + CONTENT_LENGTH.length; ; i++) {
    const digit = (response[i] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) return length;
    length = length * 10 + digit;
  }
}

function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

process.on('message', async (load: Load) => {
  try {
    process.send?.({ result: await new Run(load).result() });
  } catch (error) {
    process.send?.({ error: error instanceof Error ? error.message : String(error) });
  }
});
