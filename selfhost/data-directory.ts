/**
 * The data folder, which one running server uses at a time:
 *
 *   secrets.json   generated secrets, readable by the owner only (secrets.ts)
 *   objects/       the databases of the objects, one file each
 *   reserve/       space kept for when the disk is full (reserve.ts)
 *   lock           held by the running server
 *   server.json    the server's process ids, for messages and for cleaning up after a crash
 *
 * The lock is a lock of the operating system, taken through SQLite. It ends with the process that holds it, however
 * that ends. A file with a process id would have two faults. It would survive a crash and, once the number belongs to
 * another process, keep the server from starting (which happens at every restart of a container). And a second
 * container on the same volume could not tell whether that process still runs. The databases need the system's locks
 * anyway.
 */
import { accessSync, chmodSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { writePrivateFile } from './private-file.ts';
import { commandOf } from './process-command.ts';
import { errorCode, StartupError } from './startup-error.ts';

/** Only the owner may enter. */
const DIRECTORY_MODE = 0o700;
/** How long a runtime may take to end after its launcher was killed. It stops at once unless requests are under way. */
const LEFTOVER_WAIT_MS = 5_000;
const LEFTOVER_POLL_MS = 50;

export class DataDirectory {
  readonly path: string;
  readonly objectsPath: string;
  readonly secretsPath: string;
  readonly #serverPath: string;
  /** Held open as long as the process lives, because closing it would end the lock. */
  #lock: DatabaseSync | null = null;

  constructor(path: string) {
    this.path = path;
    this.objectsPath = join(path, 'objects');
    this.secretsPath = join(path, 'secrets.json');
    this.#serverPath = join(path, 'server.json');
  }

  /** Makes the folder if it is missing, and locks it for this process. */
  async open(): Promise<void> {
    try {
      makeFolder(this.objectsPath);
      // Only Keystead's own subfolder, because others may use DATA_DIR itself too.
      chmodSync(this.objectsPath, DIRECTORY_MODE);
      accessSync(this.path, constants.R_OK | constants.W_OK | constants.X_OK);
      accessSync(this.objectsPath, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (error) {
      throw new StartupError(`DATA_DIR ${this.path} cannot be written (${errorCode(error) ?? 'unknown error'})`);
    }
    this.#lock = this.#takeLock();
    await this.#waitForLeftover();
  }

  /** Whether an object has stored something here. */
  hasData(): boolean {
    return readdirSync(this.objectsPath).length > 0;
  }

  /** Records the process ids once the runtime runs. */
  noteServer(runtimePid: number): void {
    writePrivateFile(this.#serverPath, `${JSON.stringify({ launcher: process.pid, runtime: runtimePid })}\n`);
  }

  /** Must be called after the runtime has ended. */
  close(): void {
    rmSync(this.#serverPath, { force: true });
    this.#lock?.close();
  }

  #takeLock(): DatabaseSync {
    try {
      const lock = new DatabaseSync(join(this.path, 'lock'), { timeout: 0 });
      lock.exec('BEGIN EXCLUSIVE');
      return lock;
    } catch (error) {
      const busy = error instanceof Error && error.message.includes('locked');
      if (!busy) throw new StartupError(`DATA_DIR ${this.path} cannot be locked`);
      const pid = this.#servedBy('launcher');
      const who = pid === null ? '' : ` (process ${pid})`;
      throw new StartupError(`DATA_DIR ${this.path} is in use by another running Keystead${who}`);
    }
  }

  /**
   * Waits for the runtime of a killed launcher, which ends a moment later than the lock. Two runtimes on the same
   * databases would each assume that it is the only one.
   */
  async #waitForLeftover(): Promise<void> {
    const pid = this.#servedBy('runtime');
    if (pid === null) return;
    const runs = () => commandOf(pid).includes(this.objectsPath);
    for (const end = Date.now() + LEFTOVER_WAIT_MS; runs() && Date.now() < end; ) await sleep(LEFTOVER_POLL_MS);
    if (runs()) throw new StartupError(`DATA_DIR ${this.path} is still in use by process ${pid}: end that first`);
  }

  #servedBy(role: 'launcher' | 'runtime'): number | null {
    try {
      if (!existsSync(this.#serverPath)) return null;
      const pids: unknown = JSON.parse(readFileSync(this.#serverPath, 'utf8'));
      if (typeof pids !== 'object' || pids === null) return null;
      const pid: unknown = Reflect.get(pids, role);
      return typeof pid === 'number' ? pid : null;
    } catch {
      return null;
    }
  }
}

/**
 * Makes a folder and the missing folders above it. It does not use `recursive`, because Node then tries for ever when a
 * folder above refuses with ENOENT, as in /proc.
 */
export function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path, { mode: DIRECTORY_MODE });
}
