/**
 * Files that only their owner may read. Each is replaced as a whole: after a crash it has the old content or the new,
 * never a part.
 */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const FILE_MODE = 0o600;

export function writePrivateFile(path: string, content: string): void {
  const temporary = `${path}.new`;
  // A file that a crash left behind may have another mode.
  rmSync(temporary, { force: true });
  const file = openSync(temporary, 'wx', FILE_MODE);
  try {
    writeFileSync(file, content);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  // The new name is durable only after the folder is synced.
  const folder = openSync(dirname(path), 'r');
  fsyncSync(folder);
  closeSync(folder);
}
