/**
 * Real gateways in front of an API, with the configurations of examples/. Only addresses and the token are put into
 * them.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, chmodSync, constants, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { eventually, isListening, ROOT } from '../server.ts';

/** Where a gateway finds what, as `host:port`, and its token. */
export type Places = { readonly keystead: string; readonly api: string; readonly token: string };

export type GatewayKind = {
  readonly name: 'nginx' | 'caddy';
  /** How to get the program where it is missing. */
  readonly install: string;
  /** Writes the configuration into the folder, and returns arguments and environment of the program. */
  readonly configure: (
    folder: string,
    places: Places & { readonly own: string },
  ) => { readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> };
};

function configured(example: string, { keystead, api, own }: Places & { readonly own: string }): string {
  const text = readFileSync(join(ROOT, 'examples', example), 'utf8');
  for (const place of ['127.0.0.1:8787', '127.0.0.1:9000', '127.0.0.1:8080']) {
    if (!text.includes(place)) throw new Error(`${example} does not name ${place}`);
  }
  return text
    .replaceAll('127.0.0.1:8787', keystead)
    .replaceAll('127.0.0.1:9000', api)
    .replaceAll('127.0.0.1:8080', own);
}

export const GATEWAYS: readonly GatewayKind[] = [
  {
    name: 'nginx',
    install: 'apt-get install nginx',
    configure: (folder, places) => {
      writeFileSync(join(folder, 'nginx.conf'), configured('nginx/nginx.conf', places));
      copyFileSync(join(ROOT, 'examples/nginx/keystead-check.conf'), join(folder, 'keystead-check.conf'));
      const line = `proxy_set_header X-Keystead-Token "${places.token}";\n`;
      writeFileSync(join(folder, 'keystead-token.conf'), line);
      return { args: ['-p', folder, '-c', 'nginx.conf', '-g', 'daemon off;'], env: {} };
    },
  },
  {
    name: 'caddy',
    install: 'apt-get install caddy',
    configure: (folder, places) => {
      writeFileSync(join(folder, 'Caddyfile'), configured('caddy/Caddyfile', places));
      const args = ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'];
      return { args, env: { KEYSTEAD_TOKEN: places.token, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder } };
    },
  },
];

/** The path of a program, null where it is not installed. Packages put gateways where only root looks. */
export function pathOf(program: string): string | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  const paths = folders.map((folder) => join(folder, program));
  return paths.find((path) => isExecutable(path)) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The first line in which a program tells its version. */
export function versionOf(name: GatewayKind['name'], path: string): string {
  const { stdout, stderr } = spawnSync(path, [name === 'nginx' ? '-v' : 'version'], { encoding: 'utf8' });
  return `${stdout}${stderr}`.trim().split('\n')[0] ?? '';
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A gateway, from its start to its end. */
export class Gateway implements AsyncDisposable {
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;
  #output = '';

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    }
    this.#closed = once(child, 'close');
  }

  /** Starts it in a folder of its own, and waits until it accepts connections. */
  static async start(kind: GatewayKind, program: string, folder: string, places: Places): Promise<Gateway> {
    const own = `127.0.0.1:${await freePort()}`;
    const home = join(folder, kind.name);
    mkdirSync(home);
    // nginx that root starts works as another user.
    for (const path of [folder, home]) chmodSync(path, 0o755);
    const { args, env } = kind.configure(home, { ...places, own });
    const child = spawn(program, args, {
      cwd: home,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH ?? '', HOME: home, ...env },
    });
    const gateway = new Gateway(`http://${own}`, child);
    try {
      await eventually(`${kind.name} accepts connections`, 10_000, () => {
        if (child.exitCode !== null) throw new Error(`${kind.name} ended: ${gateway.#output}`);
        return isListening(gateway.url);
      });
      return gateway;
    } catch (error) {
      await gateway[Symbol.asyncDispose]();
      throw error;
    }
  }

  get output(): string {
    return this.#output;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Not KILL, which would leave the workers of nginx behind.
    this.#process.kill('SIGTERM');
    await this.#closed;
  }
}
