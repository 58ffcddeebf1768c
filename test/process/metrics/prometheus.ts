/** A real Prometheus with the files of examples/prometheus. Only the address, the token and the interval are put in. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../gateways/programs.ts';
import { eventually, isListening, ROOT } from '../server.ts';

export const EXAMPLE = join(ROOT, 'examples/prometheus');

/** What `promtool` says of the example's files, with this program: throws when it finds a fault. */
export function checkRules(promtool: string, folder: string): void {
  for (const args of [
    ['check', 'config', 'prometheus.yml'],
    ['check', 'rules', 'alerts.yml'],
    ['test', 'rules', 'alerts-test.yml'],
  ]) {
    const { status, stdout, stderr } = spawnSync(promtool, args, { cwd: folder, encoding: 'utf8' });
    if (status !== 0) throw new Error(`promtool ${args.join(' ')}: ${stdout}${stderr}`);
  }
}

/** Writes the example's files into a folder, for the server at `keystead` (`host:port`). */
export function configure(folder: string, keystead: string, token: string): void {
  const text = readFileSync(join(EXAMPLE, 'prometheus.yml'), 'utf8');
  for (const part of ['127.0.0.1:8787', 'scrape_interval: 15s', 'evaluation_interval: 15s']) {
    if (!text.includes(part)) throw new Error(`the example does not have ${part}`);
  }
  const adapted = text.replace('127.0.0.1:8787', keystead).replaceAll('interval: 15s', 'interval: 1s');
  writeFileSync(join(folder, 'prometheus.yml'), adapted);
  writeFileSync(join(folder, 'keystead-token'), token, { mode: 0o600 });
  for (const name of ['alerts.yml', 'alerts-test.yml']) copyFileSync(join(EXAMPLE, name), join(folder, name));
}

type Answer<T> = { readonly status: string; readonly data: T };
type Vector = { readonly result: readonly { readonly value: readonly [number, string] }[] };

export class Prometheus implements AsyncDisposable {
  readonly url: string;
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;
  #output = '';

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.#process = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
    });
    this.#closed = once(child, 'close');
  }

  static async start(program: string, folder: string): Promise<Prometheus> {
    const own = `127.0.0.1:${await freePort()}`;
    const args = ['--config.file=prometheus.yml', `--storage.tsdb.path=${join(folder, 'data')}`];
    const child = spawn(program, [...args, `--web.listen-address=${own}`], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { PATH: process.env.PATH ?? '' },
    });
    const prometheus = new Prometheus(`http://${own}`, child);
    try {
      await eventually('Prometheus is ready', 20_000, async () => {
        if (child.exitCode !== null) throw new Error(`Prometheus ended: ${prometheus.#output}`);
        return (await isListening(prometheus.url)) && (await fetch(`${prometheus.url}/-/ready`)).ok;
      });
      return prometheus;
    } catch (error) {
      await prometheus[Symbol.asyncDispose]();
      throw error;
    }
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.url}/api/v1/${path}`);
    const { status, data } = (await response.json()) as Answer<T>;
    if (status !== 'success') throw new Error(`Prometheus refused ${path}`);
    return data;
  }

  /** The sum of what a query finds; null for nothing. */
  async ask(query: string): Promise<number | null> {
    const { result } = await this.get<Vector>(`query?query=${encodeURIComponent(query)}`);
    return result.length === 0 ? null : result.reduce((sum, { value }) => sum + Number(value[1]), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGTERM');
    await this.#closed;
  }
}
