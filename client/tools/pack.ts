/**
 * Builds the package and packs it: `npm run pack:client` writes keystead-client-VERSION.tgz into client/dist, ready for
 * `npm publish` or `npm install`.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildClient, readManifest } from './build.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Writes the package as a folder: what the tarball holds. */
export async function stagePackage(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  await buildClient(join(folder, 'dist'));
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(readManifest(), null, 2)}\n`);
  cpSync(join(ROOT, 'client/README.md'), join(folder, 'README.md'));
  cpSync(join(ROOT, 'LICENSE'), join(folder, 'LICENSE'));
}

/** Packs a staged folder and returns the path of the tarball. */
export function packFolder(folder: string, into: string): string {
  const args = ['pack', folder, '--json', '--pack-destination', into];
  const [{ filename }] = JSON.parse(execFileSync('npm', args, { encoding: 'utf8' }));
  return join(into, filename);
}

if (import.meta.main) {
  const folder = mkdtempSync(join(tmpdir(), 'keystead-client-'));
  try {
    await stagePackage(folder);
    mkdirSync(join(ROOT, 'client/dist'), { recursive: true });
    console.log(packFolder(folder, join(ROOT, 'client/dist')));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
