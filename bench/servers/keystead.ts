/**
 * Keystead as `npm start` runs it: the same bundle, the same configuration of the runtime and a fresh data folder, but
 * without the launcher's announcement. It logs from level `warn`, so that the measurement does not include writing a
 * line for each request.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt } from '../../selfhost/build.ts';
import { DataDirectory } from '../../selfhost/data-directory.ts';
import { Reserve } from '../../selfhost/reserve.ts';
import { loadSecrets } from '../../selfhost/secrets.ts';
import { Server } from '../../selfhost/server.ts';
import { type Target, targetOf } from './target.ts';

export class Keystead implements AsyncDisposable {
  readonly target: Target;
  readonly url: string;
  readonly token: string;
  readonly #server: Server;
  readonly #directory: DataDirectory;
  readonly #reserve: Reserve;
  #stopped = false;

  private constructor(server: Server, directory: DataDirectory, reserve: Reserve, token: string) {
    this.#server = server;
    this.#directory = directory;
    this.#reserve = reserve;
    this.url = server.url;
    this.target = targetOf(server.url, server.pid);
    this.token = token;
  }

  static async start(dataDir: string, signal: AbortSignal): Promise<Keystead> {
    const directory = new DataDirectory(dataDir);
    await directory.open();
    const secrets = loadSecrets({ LOG_LEVEL: 'warn' }, directory);
    await ensureBuilt(signal);
    secrets.store();
    const settings = { host: '127.0.0.1', port: 0, dataDir };
    const reserve = Reserve.keep(directory.path, () => {});
    const server = await Server.start(settings, { objects: directory.objectsPath, reserve: reserve.path }, secrets);
    if (!(await server.ready(signal, () => true))) throw new Error('interrupted');
    return new Keystead(server, directory, reserve, secrets.values.ADMIN_TOKEN);
  }

  /** The database files of the tenants' objects. */
  databases(): string[] {
    const folder = join(this.#directory.objectsPath, 'keystead-tenant');
    return readdirSync(folder)
      .filter((name) => name.endsWith('.sqlite'))
      .map((name) => join(folder, name));
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.#server.stop();
    this.#reserve.close();
    this.#directory.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
