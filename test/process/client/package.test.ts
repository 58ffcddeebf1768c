/** The package as somebody installs it: packed, linted, type-checked in an empty project, and run against a server. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Keystead } from '../../../client/src/keystead.ts';
import { packFolder, stagePackage } from '../../../client/tools/pack.ts';
import { errorOf } from '../../client/fake.ts';
import { pageAt } from '../docs.ts';
import { LossyProxy } from '../lost-answers/proxy.ts';
import { type Launcher, ROOT, startServer, temporaryFolder } from '../server.ts';

/** What the client may weigh in an application, minified and compressed. */
const MAX_GZIPPED_BYTES = 12_000;

const folder = temporaryFolder();
const staged = join(folder.path, 'package');
const project = join(folder.path, 'project');
const installed = join(project, 'node_modules/@keystead/client');
let server: Launcher;
let tarball: string;

const run = (program: string, args: readonly string[], cwd = project, env = {}) => {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { status, output: stdout + stderr };
};

beforeAll(async () => {
  const starting = startServer(join(folder.path, 'data'));
  await stagePackage(staged);
  tarball = packFolder(staged, folder.path);
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{"private":true,"type":"module"}');
  execFileSync('npm', ['install', '--offline', '--no-audit', '--no-fund', tarball], { cwd: project, stdio: 'pipe' });
  server = await starting;
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

describe('the package', () => {
  test('holds its code, its types, a licence, and nothing that it depends on', () => {
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(manifest).toMatchObject({ name: '@keystead/client', version, license: 'MIT', type: 'module' });
    expect(Object.keys(manifest.dependencies ?? {})).toEqual([]);
    expect(readdirSync(join(project, 'node_modules')).filter((name) => !name.startsWith('.'))).toEqual(['@keystead']);
    expect(readdirSync(installed).sort()).toEqual(['LICENSE', 'README.md', 'dist', 'package.json']);
    const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
    const others = files.filter((name) => /^dist\/.*\./.test(name) && !/\.d\.ts$|^dist\/[\w-]+\.js$/.test(name));
    expect(others).toEqual([]);
  });

  test('imports nothing from outside of it', () => {
    const files = readdirSync(installed, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.(?:js|ts)$/.test(name),
    );
    for (const name of files.filter((name) => name !== 'dist/cli.js')) {
      const text = readFileSync(join(installed, name), 'utf8');
      const imports = [...text.matchAll(/\bfrom\s*["']([^"']+)["']/g)].map(([, path = '']) => path);
      for (const path of imports.filter((path) => path.startsWith('.'))) {
        const target = join(installed, name, '..', path);
        expect(existsSync(name.endsWith('.d.ts') ? target.replace(/js$/, 'd.ts') : target), `${name}: ${path}`).toBe(
          true,
        );
      }
      // A guard may have the types of its framework.
      if (name.endsWith('.js'))
        expect(
          imports.filter((path) => !path.startsWith('.')),
          name,
        ).toEqual([]);
    }
  });

  test('is small', async () => {
    const entry = { contents: "export * from '@keystead/client'", resolveDir: project };
    const { outputFiles } = await build({ stdin: entry, bundle: true, minify: true, format: 'esm', write: false });
    expect(gzipSync(outputFiles[0]?.contents ?? '').length).toBeLessThan(MAX_GZIPPED_BYTES);
  });

  test('is clean by publint', async () => {
    const { buffer, byteOffset, byteLength } = readFileSync(tarball);
    const packed = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
    const { messages } = await publint({ pkgDir: 'package', pack: { tarball: packed }, strict: true });
    expect(messages).toEqual([]);
  });

  test('is clean by arethetypeswrong', () => {
    const attw = join(ROOT, 'node_modules/.bin/attw');
    const { status, output } = run(attw, ['--profile', 'esm-only', '--no-color', tarball]);
    expect(status, output).toBe(0);
  });
});

/** A program that uses the client in each way that its types allow, and in some that they do not. */
const PROGRAM = `
import { Keystead, KeysteadError, type Key, type Verification } from '@keystead/client';

declare const env: { KEYSTEAD_URL?: string; KEYSTEAD_TOKEN?: string };
const keystead = new Keystead({ url: env.KEYSTEAD_URL, token: env.KEYSTEAD_TOKEN, timeoutMs: 1000 });

export async function use(signal?: { stop: boolean }): Promise<Key | undefined> {
  const verification: Verification = await keystead.verify('ks_1', { scopes: ['a'] as const, cost: 2 });
  const owner: string | null | undefined = verification.owner;
  // @ts-expect-error There is no such scope.
  await keystead.verify('ks_1', { scopes: [1] });
  const { secret, version } = await keystead.keys.create('acme', { name: 'a', owner, expiresAt: new Date() });
  // @ts-expect-error A key needs a name.
  await keystead.keys.create('acme', {});
  // @ts-expect-error The plan of a tenant has no versions.
  await keystead.tenants.update('acme', { name: secret }, { ifMatch: version });
  await keystead.keys.rotate('acme', 'key_1', { gracePeriodSeconds: 60 }, { ifMatch: version, onBehalfOf: 'me' });
  const page = await keystead.keys.list('acme').page({ limit: 5 });
  const byOffset = await keystead.keys.list('acme').page({ offset: 5 });
  if (page.page.nextCursor === null || byOffset.page.total > 5) return undefined;
  try {
    for await (const key of keystead.keys.list('acme', { status: ['active'] })) if (key.owner === owner) return key;
  } catch (error) {
    if (error instanceof KeysteadError && error.code === 'forbidden') throw new Error(error.permission);
  }
  return undefined;
}
`;
const PLATFORM = `
new Keystead({ url: '', token: async () => 'token', fetch });
new Keystead({ url: '', token: '', fetch: (input, init) => fetch(input, init) });
await keystead.verify('ks_1', { signal: AbortSignal.timeout(1000) });
`;

/** Type-checks a file of the project as strictly as a user might, and resolves modules in the given way. */
function compile(file: string, resolution: string, platform: readonly string[]) {
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--skipLibCheck', 'false'];
  const modules = ['--module', resolution === 'bundler' ? 'esnext' : 'node16', '--moduleResolution', resolution];
  const types = ['--typeRoots', join(ROOT, 'node_modules/@types'), ...platform];
  const args = ['--noEmit', '--target', 'es2022', ...strict, ...modules, ...types, join(project, file)];
  return run(join(ROOT, 'node_modules/.bin/tsc'), args);
}

describe('in an empty project its types', () => {
  test.each([
    ['Node', 'node16', ['--types', 'node', '--lib', 'es2024'], PROGRAM + PLATFORM],
    ['a browser', 'bundler', ['--types', '', '--lib', 'es2024,dom'], PROGRAM + PLATFORM],
    ['no platform', 'bundler', ['--types', '', '--lib', 'es2018'], PROGRAM],
  ])('fit %s', (_name, resolution, platform, text) => {
    const file = `program-${resolution}.ts`;
    writeFileSync(join(project, file), text);
    expect(compile(file, resolution, platform)).toEqual({ status: 0, output: '' });
  });
});

/** Does a little of everything with a server, and says what came of it. */
const SCRIPT = `
import { Keystead, KeysteadError } from '@keystead/client';
const [url, token, tenant] = (globalThis.process?.argv ?? []).slice(2);
const keystead = new Keystead({ url, token });
await keystead.tenants.create({ id: tenant, settings: { leaseSeconds: 0 } });
await keystead.keys.createMany(tenant, { keys: ['a', 'b', 'c'].map((name) => ({ name })) });
const names = [];
for await (const { name } of keystead.keys.list(tenant, { order: 'asc', limit: 2 })) names.push(name);
const { id, secret } = await keystead.keys.create(tenant, { name: 'd' });
const before = await keystead.verify(secret);
await keystead.keys.revoke(tenant, id);
const after = await keystead.verify(secret);
const error = await new Keystead({ url, token: 'wrong' }).verify(secret).catch((reason) => reason);
console.log(names.join(''), before.code, after.code, error instanceof KeysteadError, error.code, error.status);
`;

describe('the installed package runs', () => {
  const outside = (process.env.PATH ?? '').split(delimiter).filter((path) => !path.startsWith(ROOT));
  const found = (name: string) => outside.map((path) => join(path, name)).find((path) => existsSync(path));
  const PROGRAMS = [
    ['the Node of the project', process.execPath, []],
    ["the machine's Node", found('node'), []],
    ['Bun', found('bun'), []],
    ['Deno', found('deno'), ['run', '-A']],
  ] as const;

  for (const [i, [name, program, args]] of PROGRAMS.entries()) {
    // Not every machine has all of them.
    test.skipIf(program === undefined)(`on ${name}`, () => {
      writeFileSync(join(project, 'script.mjs'), SCRIPT);
      const result = run(program ?? '', [...args, 'script.mjs', server.url, server.adminToken, `runs-${i}`]);
      expect(result).toEqual({ status: 0, output: 'abc VALID REVOKED true unauthenticated 401\n' });
    });
  }
});

test('the examples of docs/client.md have the right types and print what the page shows', () => {
  const [, program = ''] = /^<!-- client -->$(.*)^<!-- \/client -->$/ms.exec(pageAt('docs/client.md')) ?? [];
  const blocks = (language: string) =>
    [...program.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, text = '']) => text);
  const code = blocks('ts').join('\n');
  expect(code).toMatch(/^import \{ Keystead/);
  writeFileSync(join(project, 'examples.ts'), code);
  expect(compile('examples.ts', 'node16', ['--types', 'node', '--lib', 'es2024'])).toEqual({ status: 0, output: '' });
  const env = { KEYSTEAD_URL: server.url, KEYSTEAD_TOKEN: server.adminToken };
  expect(run(process.execPath, ['examples.ts'], project, env)).toEqual({ status: 0, output: blocks('text').join('') });
});

describe('over a network', () => {
  const clientOf = (url: string, options = {}) =>
    new Keystead({ url, token: server.adminToken, leases: false, ...options });

  test('that loses answers, each change is applied once', async () => {
    await using proxy = await LossyProxy.start(server.url);
    const keystead = clientOf(server.url);
    await keystead.tenants.create({ id: 'network', settings: { leaseSeconds: 0 } });
    const lossy = clientOf(proxy.url, { retries: 30 });
    const created: string[] = [];
    const losses = () => [...proxy.lost.values()].reduce((sum, n) => sum + n, 0);
    while (losses() < 4) created.push((await lossy.keys.create('network', { name: `key ${created.length}` })).id);
    const found: string[] = [];
    for await (const { id } of keystead.keys.list('network')) found.push(id);
    expect(found.sort()).toEqual(created.sort());
  });

  test('where nobody answers, the error says so, and whether in time', async () => {
    const closed = await LossyProxy.start(server.url);
    const { url } = closed;
    await closed[Symbol.asyncDispose]();
    const nobody = await errorOf(clientOf(url, { retries: 1 }).tenants.get('acme'));
    expect(nobody).toMatchObject({ code: 'network', status: 0, message: 'No answer from Keystead: ECONNREFUSED' });
    server.signal('SIGSTOP');
    process.kill(server.runtimePid, 'SIGSTOP');
    try {
      const late = await errorOf(clientOf(server.url).verify('ks_1', { timeoutMs: 50 }));
      expect(late).toMatchObject({ code: 'timeout', message: 'No answer within 50 ms' });
      const signal = AbortSignal.timeout(50);
      expect(await errorOf(clientOf(server.url).tenants.get('acme', { signal }))).toMatchObject({ code: 'aborted' });
    } finally {
      process.kill(server.runtimePid, 'SIGCONT');
      server.signal('SIGCONT');
    }
    expect(await clientOf(server.url).verify('ks_1')).toMatchObject({ code: 'MALFORMED' });
  });
});
