/**
 * The command line against a real server: what a person at a terminal and a script do with it. Only what depends on the
 * process itself runs as one.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Flag } from '../../../client/src/cli/arguments/flags.ts';
import { GLOBAL_FLAGS } from '../../../client/src/cli/arguments/global-flags.ts';
import { COMMANDS } from '../../../client/src/cli/commands/all-commands.ts';
import { EXIT } from '../../../client/src/cli/exit.ts';
import type { FetchLike } from '../../../client/src/http/platform.ts';
import { pageAt, rowsOf, SEARCH_PATH, Shell, stepsOf } from '../docs.ts';
import { type Launcher, ROOT, startServer, temporaryFolder } from '../server.ts';
import { keystead } from './cli.ts';

const namesOf = ({ name, aliases }: Flag) => [name, ...aliases];

const folder = temporaryFolder();
/** The program as it is published: one file. */
const PROGRAM = join(folder.path, 'cli.mjs');
let server: Launcher;

beforeAll(async () => {
  const entryPoints = [join(ROOT, 'client/src/cli/bin.ts')];
  await build({ entryPoints, outfile: PROGRAM, bundle: true, format: 'esm', target: 'es2022', platform: 'node' });
  server = await startServer(join(folder.path, 'data'));
  const login = await run(['login', '--url', server.url, '--tenant', 'acme'], server.adminToken);
  expect(login).toMatchObject({ code: 0, stdout: '' });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const run = (argv: readonly string[], stdin = '', env: Record<string, string> = {}) =>
  keystead(argv, {
    env,
    stdin,
    home: folder.path,
    now: Date.now(),
    fetch: fetch as unknown as FetchLike,
  });

/** The same, as a process of its own. */
async function start(argv: readonly string[], stdin: string) {
  const child = spawn(process.execPath, [PROGRAM, ...argv], {
    env: { HOME: folder.path },
    cwd: folder.path,
  });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text;
    });
  }
  // It may end before it has read all.
  child.stdin.on('error', () => {});
  child.stdin.end(stdin);
  const [code] = await once(child, 'close');
  return { code: code as number, ...texts };
}

test('a key from its creation to its end', async () => {
  expect(await run(['tenants', 'create', 'acme', '--name', 'Acme', '--grace', '1h'])).toMatchObject({ code: 0 });
  const flags = ['--name', 'Backend', '--owner', 'customer-17', '--scope', 'invoices:*', '--secret-only'];
  const created = await run(['keys', 'create', ...flags]);
  expect(created.stdout).toMatch(/^ks_[0-9A-Za-z]{92}\n$/);
  expect(created.stderr).not.toContain(created.stdout.trim());
  const [, id = ''] = /(key_\w{17})/.exec(created.stderr) ?? [];

  const verified = await start(['verify', '-', '--scope', 'invoices:read', '--json'], created.stdout);
  expect(verified).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(verified.stdout)).toMatchObject({ valid: true, keyId: id });
  expect(await start(['verify', '-', '-q', '--tenant', 'another'], created.stdout)).toMatchObject({
    code: 1,
    stdout: '',
  });
  expect(await run(['verify', '-', '--scope', 'admin', '--json'], created.stdout)).toMatchObject({ code: 1 });
  expect(await run(['verify', '-', '-q'], 'nonsense')).toMatchObject({ code: 1, stdout: '' });

  expect((await run(['keys', 'list'])).stdout).toMatch(new RegExp(`^ID .*\n${id} +Backend +active +customer-17`));
  const rotated = JSON.parse((await run(['keys', 'rotate', id, '--grace', '7d', '--json'])).stdout);
  expect(rotated).toMatchObject({ key: { status: 'active' }, rotated: { id, status: 'rotating' } });
  expect(await run(['keys', 'update', id, '--name', 'x', '--if-version', '1'])).toMatchObject({ code: 3 });
  const revoked = await run(['keys', 'revoke', id, '--lineage', '--reason', 'leaked', '--yes', '--json']);
  expect(JSON.parse(revoked.stdout)).toMatchObject({ id, status: 'revoked' });
  expect(await run(['verify', '-', '-q'], rotated.key.secret)).toMatchObject({ code: 1 });

  const audit = await run(['audit', 'list', '--json', '--key-id', id]);
  expect(
    audit.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).action),
  ).toContain('key.revoke');
  const usage = await run(['usage', 'read', '--format', 'csv', '--group-by', 'code']);
  expect(usage).toMatchObject({ code: 0, stderr: '' });
  expect(usage.stdout).toMatch(/^start,/);
});

test('limits, credits, plans, owners and settings by flags', async () => {
  const lines = [
    'tenants create limited --name Limited',
    'tenants update limited --rate-limit name=login,limit=1,window=1h',
    'plans create gold --tenant limited --quota name=calls,limit=10,period=day --allowed-scope a:*',
    'owners create o1 --tenant limited --plan gold --credits remaining=10,refill.amount=5,refill.interval=day',
    'credits owner o1 --tenant limited --operation increment --amount 5',
    'keys create --tenant limited --name K --owner o1 --rate-limit name=r,limit=5,window=1m --metadata {"a":1}',
    'limits check --tenant limited --name login --identifier 192.0.2.7',
    'encryption reseal --tenant limited',
    'cleanup run --tenant limited',
    'encryption get --tenant limited',
    'service health',
  ];
  for (const line of lines) expect(await run(line.split(' ')), line).toMatchObject({ code: 0, stderr: '' });
  const again = await run(['limits', 'check', '--tenant', 'limited', '--name', 'login', '--identifier', '192.0.2.7']);
  expect(again.code).toBe(1);
  const owner = JSON.parse((await run(['owners', 'get', 'o1', '--tenant', 'limited', '--json'])).stdout);
  expect(owner).toMatchObject({ plan: 'gold', credits: { remaining: 15 } });
  expect(await run(['keys', 'revoke-many', '--owner', 'o1', '--tenant', 'limited', '--yes', '--json'])).toMatchObject({
    code: 0,
    stdout: '{"revoked":1}\n',
  });
});

test('what is too long for a key string is refused', async () => {
  expect(await start(['verify', '-'], 'x'.repeat(1_000_000))).toMatchObject({ code: 2, stdout: '' });
});

test('the examples of the page print what it shows', async () => {
  using home = temporaryFolder();
  await using own = await startServer(join(home.path, 'data'));
  const programs = join(home.path, 'programs');
  mkdirSync(programs);
  // Hints go to stderr, which the page does not show.
  const program = `exec '${process.execPath}' '${PROGRAM}' "$@" 2>>'${home.path}/hints'`;
  writeFileSync(join(programs, 'keystead'), `#!/bin/sh\n${program}\n`, { mode: 0o755 });
  await using shell = new Shell(home.path, `${programs}${delimiter}${SEARCH_PATH}`);
  await shell.run(
    `export KEYSTEAD_TOKEN='${own.adminToken}' KEYSTEAD_URL='${own.url}' KEYSTEAD_TENANT=acme HOME='${home.path}'`,
    own.url,
  );
  const steps = stepsOf('keystead', pageAt('docs/command-line.md'));
  expect(steps.length).toBeGreaterThan(3);
  for (const step of steps) {
    if (step.kind === 'run') expect(await shell.run(step.script, own.url), step.script).toBe(step.shown ?? '');
  }
  const hints = readFileSync(join(home.path, 'hints'), 'utf8');
  expect(hints).not.toMatch(/keystead:|ks_[0-9A-Za-z]{20}/);
});

test('the page names each exit code, and no flag that there is not', () => {
  const page = pageAt('docs/command-line.md');
  expect(rowsOf(page, 'Code', 'Meaning').map(([code]) => Number(code))).toEqual(Object.values(EXIT));
  const known = new Set([...GLOBAL_FLAGS, ...COMMANDS.flatMap(({ flags }) => flags)].flatMap(namesOf));
  const named = [...page.matchAll(/--(?:no-)?([a-z][a-z-]*)/g)].map(([, name = '']) => name);
  expect(named.length).toBeGreaterThan(40);
  // That of npm.
  expect(named.filter((name) => !known.has(name) && name !== 'global')).toEqual([]);
});

test('a service that refuses, and one that is not there', async () => {
  expect(await run(['keys', 'list', '--tenant', 'nobody'])).toMatchObject({ code: 3, stdout: '' });
  const env = { KEYSTEAD_URL: server.url, KEYSTEAD_TOKEN: 'wrong' };
  expect((await run(['tenants', 'list'], '', env)).stderr).toMatch(/^keystead: 401 unauthenticated: /);
  const nowhere = { KEYSTEAD_URL: 'http://127.0.0.1:1', KEYSTEAD_TOKEN: 'x' };
  expect(await run(['tenants', 'list'], '', nowhere)).toMatchObject({ code: 4, stdout: '' });
});
