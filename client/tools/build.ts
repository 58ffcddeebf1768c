/**
 * Builds the package: client/dist with the code of each entry point and its types. `npm run build:client` runs it.
 * client/package.json names the entry points; the code of what they share lies in files of its own.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const ROOT = join(import.meta.dirname, '../..');
const CLIENT = join(ROOT, 'client');

/** The command line, which runs in Node and uses what Node has. */
const COMMAND = join(CLIENT, 'src/cli/bin.ts');

type Target = { readonly types: string; readonly default: string };
export type Manifest = {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, Target | string>>;
  readonly bin?: Readonly<Record<string, string>>;
};

/** client/package.json, without the entry points whose sources are not there. */
export function readManifest(): Manifest {
  const { bin, ...manifest }: Manifest = JSON.parse(readFileSync(join(CLIENT, 'package.json'), 'utf8'));
  const isThere = ([, target]: [string, Target | string]) => typeof target === 'string' || existsSync(sourceOf(target));
  const exports = Object.fromEntries(Object.entries(manifest.exports).filter(isThere));
  return { ...manifest, exports, ...(bin !== undefined && existsSync(COMMAND) ? { bin } : {}) };
}

const sourceOf = ({ types }: Target) =>
  join(CLIENT, types.replace('./dist/types/client/', '').replace(/\.d\.ts$/, '.ts'));

/** The sources of the entry points, by the names of their files in dist. */
const sourcesOf = ({ exports }: Manifest): Record<string, string> =>
  Object.fromEntries(
    Object.values(exports).flatMap((target) =>
      typeof target === 'string' ? [] : [[target.default.replace(/^\.\/dist\/(.*)\.js$/, '$1'), sourceOf(target)]],
    ),
  );

export async function buildClient(outDir = join(CLIENT, 'dist')): Promise<void> {
  rmSync(outDir, { recursive: true, force: true });
  const common = { bundle: true, format: 'esm', target: 'es2022', logLevel: 'warning', outdir: outDir } as const;
  const manifest = readManifest();
  await build({ ...common, entryPoints: sourcesOf(manifest), splitting: true, platform: 'neutral' });
  if (manifest.bin !== undefined)
    await build({ ...common, entryPoints: { cli: COMMAND }, platform: 'node', banner: { js: '#!/usr/bin/env node' } });

  const types = join(outDir, 'types');
  const options = ['--noEmit', 'false', '--declaration', '--emitDeclarationOnly', '--outDir', types];
  execFileSync(join(ROOT, 'node_modules/.bin/tsc'), ['-p', CLIENT, ...options], { stdio: 'inherit' });
  for (const name of readdirSync(types, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.d.ts')) continue;
    const path = join(types, name);
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replaceAll(/(\b(?:from |import\()(['"])\.[^'"]*)\.ts\2/g, '$1.js$2'),
    );
  }
}

if (import.meta.main) await buildClient();
