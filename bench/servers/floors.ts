/** The floors in a runtime of their own, with storage on the same disk as Keystead's. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { ChildServer } from './child.ts';

const SOURCES = join(import.meta.dirname, '../floors');

/** Starts the floors with all their files in the given folder. */
export async function startFloors(folder: string): Promise<ChildServer> {
  const objects = join(folder, 'objects');
  mkdirSync(objects, { recursive: true });
  const config = join(folder, 'workerd.capnp');
  copyFileSync(join(SOURCES, 'workerd.capnp'), config);
  writeFileSync(join(folder, 'worker.js'), stripTypeScriptTypes(readFileSync(join(SOURCES, 'worker.ts'), 'utf8')));
  const runtime: unknown = createRequire(import.meta.url)('workerd').default;
  if (typeof runtime !== 'string') throw new Error('workerd is not installed');
  return ChildServer.start(runtime, ['serve', config, `--directory-path=data=${objects}`, '--control-fd=3']);
}
