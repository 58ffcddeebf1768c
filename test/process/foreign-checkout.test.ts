/**
 * A checkout that the server's user may not write to. The server serves the bundle that the checkout's owner has built,
 * and no other.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, type TestContext, test } from 'vitest';
import { SOURCES } from '../../selfhost/build.ts';
import { Launcher, ROOT, temporaryFolder } from './server.ts';
import { SmallDisk } from './small-disk.ts';

/** Copies what the server needs to a disk that can be made read-only. */
function checkout({ skip }: TestContext): SmallDisk {
  const disk = SmallDisk.mount(40);
  if ('refusal' in disk) return skip(`no small disk can be mounted here: ${disk.refusal}`);
  for (const path of [...SOURCES, 'selfhost']) {
    cpSync(join(ROOT, path), join(disk.path, path), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(disk.path, 'node_modules'));
  return disk;
}

const start = (disk: SmallDisk, dataDir: string) =>
  new Launcher(dataDir, {}, [process.execPath, join(disk.path, 'selfhost/start.ts')]);

function build(disk: SmallDisk): string {
  // With the umask of an owner who keeps other files private.
  const command = `umask 077; exec '${process.execPath}' selfhost/build.ts`;
  const { stdout, stderr } = spawnSync('sh', ['-c', command], { cwd: disk.path, encoding: 'utf8' });
  return stdout + stderr;
}

test('it serves the bundle that its owner built, whatever the times of the files', async (context) => {
  using disk = checkout(context);
  using folder = temporaryFolder();
  expect(build(disk)).toBe('');
  // Readable for everybody who may read the sources.
  expect(statSync(join(disk.path, 'dist/index.js')).mode & 0o777).toBe(0o644);
  expect(statSync(join(disk.path, 'dist')).mode & 0o777).toBe(0o755);
  utimesSync(join(disk.path, 'src/index.ts'), new Date(), new Date(Date.now() + 60_000));
  disk.makeReadOnly();
  await using server = start(disk, folder.path);
  expect(await server.ready()).toMatch(/^http/);
});

test('without a bundle, or with one of other sources, it says in one line what to do', async (context) => {
  using disk = checkout(context);
  using folder = temporaryFolder();
  const refusal = async () => {
    disk.makeReadOnly();
    await using launcher = start(disk, folder.path);
    expect(await launcher.exit()).toBe(1);
    disk.makeWritable();
    return launcher.stdout + launcher.stderr;
  };
  const remedy = `and this user may not write to ${disk.path}: run npm run build there as its owner\n`;
  expect(await refusal()).toBe(`keystead: there is no bundle yet, ${remedy}`);
  mkdirSync(join(disk.path, 'dist'));
  writeFileSync(join(disk.path, 'dist/index.js'), `// sources: ${'0'.repeat(64)}\n`);
  expect(await refusal()).toBe(`keystead: the bundle was made from other sources, ${remedy}`);
  // The build itself, run by a user who may not write.
  disk.makeReadOnly();
  expect(build(disk)).toBe(`keystead: this user may not write to ${disk.path}: run npm run build there as its owner\n`);
  expect(existsSync(join(folder.path, 'secrets.json'))).toBe(false);
});
