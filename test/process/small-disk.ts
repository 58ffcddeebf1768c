/** A small file system in memory that can be filled up, where this machine allows mounting one (Linux, as root). */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, statSync, truncateSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorCode } from '../../selfhost/startup-error.ts';

const MiB = 2 ** 20;

export class SmallDisk implements Disposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Mounts a disk of this size, or returns why it cannot. */
  static mount(sizeMiB: number): SmallDisk | { readonly refusal: string } {
    const path = mkdtempSync(join(tmpdir(), 'keystead-disk-'));
    const { error, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m`, 'keystead-test', path], {
      encoding: 'utf8',
    });
    if (error === undefined && stderr === '') return new SmallDisk(path);
    rmSync(path, { recursive: true });
    return { refusal: error?.message ?? stderr.trim() };
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Takes up all free space except this many bytes. Gives some back where less is free. */
  fill(leaveBytes = 0): void {
    const missing = leaveBytes - this.freeBytes;
    if (missing > 0) {
      truncateSync(this.#filler, statSync(this.#filler).size - missing);
      return;
    }
    const file = openSync(this.#filler, 'a');
    try {
      // The last bytes of a page as well.
      for (const size of [MiB, 4096, 1]) {
        const chunk = Buffer.alloc(size, 1);
        while (this.freeBytes - size >= leaveBytes || (leaveBytes === 0 && size < MiB)) {
          if (writeSync(file, chunk) < size) break;
        }
      }
    } catch (error) {
      if (errorCode(error) !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
  }

  /** Gives all of it back. */
  empty(): void {
    rmSync(this.#filler, { force: true });
  }

  /** From now on nobody may write there, not even root. */
  makeReadOnly(): void {
    const { stderr } = spawnSync('mount', ['-o', 'remount,ro', this.path], { encoding: 'utf8' });
    if (stderr !== '') throw new Error(stderr);
  }

  makeWritable(): void {
    spawnSync('mount', ['-o', 'remount,rw', this.path]);
  }

  get #filler(): string {
    return join(this.path, 'filler');
  }

  [Symbol.dispose](): void {
    // Lazily, because a process that is just ending may have a file open there.
    spawnSync('umount', ['-l', this.path]);
    rmSync(this.path, { recursive: true, force: true });
  }
}
