/**
 * A TCP proxy on loopback that loses responses: it passes a request on and cuts the connection before or during the
 * response.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * When a connection is cut. `at once`: when the request was passed on; `answered`: at the first byte of the response;
 * `half`: after a part of the response.
 */
type Loss = 'none' | 'at once' | 'answered' | 'half';

/** How many responses in 100 are lost in each way. */
const LOSSES: readonly (readonly [Loss, number])[] = [
  ['at once', 15],
  ['answered', 20],
  ['half', 10],
];
/** The part of a half response that is passed on, which is less than its head. */
const HALF_BYTES = 60;

export class LossyProxy implements AsyncDisposable {
  readonly lost = new Map<Loss, number>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(target: string): Promise<LossyProxy> {
    const { hostname, port } = new URL(target);
    const proxy = new LossyProxy(createServer());
    proxy.#server.on('connection', (client) => proxy.#pass(client, connect(Number(port), hostname)));
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    const address = this.#server.address();
    if (typeof address !== 'object' || address === null) throw new Error('the proxy does not listen');
    return `http://127.0.0.1:${address.port}`;
  }

  /**
   * Clients send one request at a time on a connection, so upstream data is a request and downstream data its response.
   */
  #pass(client: Socket, upstream: Socket): void {
    let loss: Loss | null = null;
    const cut = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket);
      socket.on('error', cut).on('close', () => {
        this.#sockets.delete(socket);
        cut();
      });
    }
    client.on('data', (bytes) => {
      loss ??= this.#choose();
      upstream.write(bytes, () => {
        if (loss === 'at once') cut();
      });
    });
    upstream.on('data', (bytes: Buffer) => {
      if (loss === 'answered') return cut();
      if (loss === 'half') client.write(bytes.subarray(0, HALF_BYTES), cut);
      else client.write(bytes);
      loss = null;
    });
  }

  #choose(): Loss {
    let left = Math.random() * 100;
    for (const [loss, share] of LOSSES) {
      left -= share;
      if (left >= 0) continue;
      this.lost.set(loss, (this.lost.get(loss) ?? 0) + 1);
      return loss;
    }
    return 'none';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
