/**
 * What `npm ci` installs: only what the lockfile names, checked against it. No package runs or fetches anything while
 * it is installed.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './server.ts';

type Locked = {
  readonly version: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly optional?: boolean;
  readonly os?: string | readonly string[];
  readonly cpu?: string | readonly string[];
  readonly bin?: Readonly<Record<string, string>>;
};

const { packages }: { readonly packages: Readonly<Record<string, Locked>> } = JSON.parse(
  readFileSync(join(ROOT, 'package-lock.json'), 'utf8'),
);
const locked = Object.entries(packages).filter(([path]) => path !== '');
const PLATFORMS = ['darwin arm64', 'darwin x64', 'linux arm64', 'linux x64'];

test('every package has an integrity hash in the lockfile, and comes from the registry that npm is set to', () => {
  expect(locked.length).toBeGreaterThan(80);
  for (const [path, { integrity, resolved }] of locked) {
    expect(integrity, path).toMatch(/^sha512-/);
    expect(resolved, path).toBeUndefined();
  }
});

test('no package runs an install script', () => {
  expect(readFileSync(join(ROOT, '.npmrc'), 'utf8')).toMatch(/^ignore-scripts=true$/m);
});

/** The optional packages of which npm installs the one that fits the machine. */
function platformsOf(holds: (path: string, locked: Locked) => boolean): string[] {
  const found = locked.filter(([path, entry]) => entry.optional === true && holds(path, entry));
  return found.map(([, { os, cpu }]) => `${[os].flat().join()} ${[cpu].flat().join()}`).sort();
}

test('the lockfile has Node and the runtime for each platform, all in one version', () => {
  expect(platformsOf((_path, { bin }) => bin?.node !== undefined)).toEqual(PLATFORMS);
  expect(platformsOf((path) => path.includes('/@cloudflare/workerd-'))).toEqual(expect.arrayContaining(PLATFORMS));
  const versions = locked.filter(([, { bin }]) => bin?.node !== undefined).map(([, { version }]) => version);
  expect(new Set(versions).size).toBe(1);
  expect(process.version).toBe(`v${versions[0]}`);
});

test('the scripts run on the Node of the lockfile', () => {
  expect(realpathSync(process.execPath)).toMatch(/\/node_modules\/node-[a-z0-9-]+\/bin\/node$/);
});
