/** What an operator sees: the first start, the printed lines, the next start, and the end. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Ready, toLog, toTerminal } from '../../selfhost/announcement.ts';
import { firstCall, WALKTHROUGH_HEADING, walkthrough } from '../../selfhost/walkthrough.ts';
import { Client } from './client.ts';
import { eventually, isListening, Launcher, ROOT, startServer, storedSecret, temporaryFolder } from './server.ts';
import { ArgumentRecorder, printedLines, run } from './walkthrough.ts';

const TOKEN = 'kst_EnvironmentToken0fThe5uite9w8e7r6t5z';

/** The responses that the lines bring, in order. */
const STORY = [
  { id: expect.stringMatching(/^t-/) },
  { id: expect.stringMatching(/^key_/), secret: expect.any(String), status: 'active' },
  { code: 'VALID', warnings: [] },
  { key: { status: 'active', secret: expect.any(String) }, rotated: { status: 'rotating' } },
  { code: 'VALID', warnings: [{ code: 'key_rotated' }] },
  { status: 'revoked' },
  { code: 'REVOKED', warnings: [] },
];

/** The response to the first call: the tenants that there are. */
const TENANTS = [{ data: expect.any(Array), page: expect.any(Object) }];

/** Servers that tests share which do not end them: one that made all its secrets, and one that was given its token. */
let plain: Launcher;
let given: Launcher;
const shared = temporaryFolder();

beforeAll(async () => {
  [plain, given] = await Promise.all([
    startServer(join(shared.path, 'plain')),
    startServer(join(shared.path, 'given'), { ADMIN_TOKEN: TOKEN }),
  ]);
});
afterAll(async () => {
  for (const server of [plain, given]) await server[Symbol.asyncDispose]();
  shared[Symbol.dispose]();
});

/** How the token reaches the shell, with the environment it needs. */
const PLACES = [
  ['in the file', () => plain, ({ dataDir }: Launcher) => ({ secretsPath: join(dataDir, 'secrets.json') }), {}],
  ['in the environment', () => given, () => 'environment' as const, { ADMIN_TOKEN: TOKEN }],
] as const;

test.each(PLACES)('the lines to paste can be pasted repeatedly, with the token %s', async (_where, of, source, env) => {
  const server = of();
  const token = source(server);
  const lines = walkthrough(server.url, token).join('\n');
  expect(await run(lines, 'bash', env)).toMatchObject(STORY);
  expect(await run(lines, 'sh', env)).toMatchObject(STORY);
  for (const shell of ['bash', 'sh']) {
    expect(await run(firstCall(server.url, token), shell, env)).toMatchObject(TENANTS);
  }
});

test('neither a token nor a key string is passed as an argument to a program', async () => {
  using folder = temporaryFolder();
  const programs = join(folder.path, 'programs');
  mkdirSync(programs);
  const server = plain;
  const recorder = new ArgumentRecorder(programs, process.env.PATH ?? '');
  const source = { secretsPath: join(server.dataDir, 'secrets.json') };
  const env = { PATH: recorder.path };
  const answers = [
    await run(walkthrough(server.url, source).join('\n'), 'bash', env),
    await run(firstCall(server.url, source), 'bash', env),
    await run(firstCall(server.url, 'environment'), 'bash', { ...env, ADMIN_TOKEN: server.adminToken }),
  ];
  const key = /"secret":"([^"]+)"/.exec(JSON.stringify(answers[0]))?.[1] ?? '';
  expect(key).toMatch(/^ks_/);
  expect(answers).toMatchObject([STORY, TENANTS, TENANTS]);
  expect(recorder.read()).toMatch(/^curl .*\/keys\/verify/m);
  expect(recorder.read()).not.toContain(server.adminToken);
  expect(recorder.read()).not.toContain(key);
});

test('without a terminal, one line of the log says where the token is, and there is no tutorial', async () => {
  const server = plain;
  const lines = server.stdout.trimEnd().split('\n');
  for (const line of lines) expect(JSON.parse(line), line).toHaveProperty('event');
  const said: unknown[] = lines.map((line) => JSON.parse(line)).filter(({ event }) => event !== 'request');
  expect(said).toEqual([
    {
      time: expect.stringMatching(/^\d{4}-.*Z$/),
      level: 'info',
      event: 'ready',
      url: server.url,
      dataDir: server.dataDir,
      adminToken: `in ${server.dataDir}/secrets.json`,
      try: expect.stringContaining('curl'),
    },
  ]);
  expect(server.stdout).not.toContain(server.adminToken);
  // Taken from the log as it is, without undoing any JSON escapes.
  const [, pasted = ''] = /"try":"(.*)"\}$/m.exec(server.stdout) ?? [];
  expect(await run(pasted)).toMatchObject(TENANTS);
});

const READY: Ready = {
  url: 'http://127.0.0.1:8787',
  dataDir: '/data',
  secretsPath: '/data/secrets.json',
  adminToken: { value: TOKEN, origin: 'generated' },
  hasGeneratedSecrets: true,
  isFirstStart: true,
  isExposed: false,
};

test('a terminal shows the token on the run that generated it, and the lines to paste at the first start', () => {
  const first = toTerminal(READY).join('\n');
  expect(first).toContain(`Admin token, shown this once: ${TOKEN}`);
  expect(printedLines(first)).toBe(`${walkthrough(READY.url, { secretsPath: READY.secretsPath }).join('\n')}\n`);
  // The lines must not hold the token, because they go into the shell's history.
  expect(printedLines(first)).not.toContain(TOKEN);

  const later = { ...READY, adminToken: { value: TOKEN, origin: 'stored' }, hasGeneratedSecrets: false } as const;
  const second = toTerminal({ ...later, isFirstStart: false }).join('\n');
  expect(second).not.toContain(TOKEN);
  expect(second).not.toContain(WALKTHROUGH_HEADING);
  expect(second).toContain(firstCall(READY.url, { secretsPath: READY.secretsPath }));

  const without = { ...READY, adminToken: { value: '', origin: 'environment' } } as const;
  expect(toTerminal(without).join('\n')).toContain('only management keys come in');
  expect(toTerminal(without).join('\n')).not.toContain('curl');
  expect(toLog(without, new Date(0))).not.toContain('curl');
  expect(toLog(READY, new Date(0))).not.toContain(TOKEN);
});

test.skipIf(spawnSync('script', ['--version']).status !== 0)(
  'npm start on a terminal works as a new user sees it',
  async () => {
    using folder = temporaryFolder();
    const log = join(folder.path, 'typescript');
    await using npm = new Launcher(join(folder.path, 'data'), {}, ['script', '-qefc', 'npm start', log]);
    const seen = () => (existsSync(log) ? readFileSync(log, 'utf8').replaceAll('\r', '') : '');
    await eventually('the server is ready', 90_000, () => seen().includes('Ctrl-C stops the server.'));
    expect(seen()).toContain(`Admin token, shown this once: ${npm.adminToken}`);
    expect(await run(printedLines(seen()))).toMatchObject(STORY);
  },
);

/** Ends a server by a signal: normally, with nothing left of it. */
async function endBy(signal: NodeJS.Signals, server: Launcher): Promise<void> {
  const { url } = server;
  server.signal(signal);
  expect(await server.exit()).toBe(0);
  expect(server.stderr).toBe('');
  expect(await isListening(url)).toBe(false);
  expect(existsSync(join(server.dataDir, 'server.json'))).toBe(false);
}

test('a later run reuses the secrets, keeps the keys, hides the token; SIGTERM and SIGINT end it', async () => {
  using folder = temporaryFolder();
  let secret = '';
  {
    await using first = await startServer(folder.path);
    const client = new Client(first);
    await client.createTenant('acme');
    ({ secret } = await client.createKey('acme'));
    await endBy('SIGTERM', first);
  }
  const stored = readFileSync(join(folder.path, 'secrets.json'), 'utf8');
  await using second = await startServer(folder.path);
  expect(readFileSync(join(folder.path, 'secrets.json'), 'utf8')).toBe(stored);
  expect(second.stdout).not.toContain(second.adminToken);
  expect(second.adminToken).not.toBe(plain.adminToken);
  expect(await new Client(second).verify(secret)).toMatchObject({ code: 'VALID' });
  expect(await run(second.firstCall)).toMatchObject([{ data: [{ id: 'acme' }] }]);
  await endBy('SIGINT', second);
});

test('secrets from the environment take precedence and are not written down', async () => {
  const stored = readFileSync(join(given.dataDir, 'secrets.json'), 'utf8');
  expect(Object.keys(JSON.parse(stored))).toEqual(['ENCRYPTION_KEY', 'HMAC_SECRET']);
  expect(given.stdout).not.toContain(TOKEN);
  expect(await run(given.firstCall, 'bash', { ADMIN_TOKEN: TOKEN })).toMatchObject(TENANTS);
});

test('generated secrets are strong and differ between deployments', () => {
  expect(plain.adminToken).toMatch(/^kst_[A-Za-z0-9_-]{43}$/);
  const keyrings = [plain, given].flatMap(({ dataDir }) => [
    storedSecret(dataDir, 'ENCRYPTION_KEY'),
    storedSecret(dataDir, 'HMAC_SECRET'),
  ]);
  for (const keyring of keyrings) expect(Buffer.from(keyring.slice(2), 'base64')).toHaveLength(32);
  expect(new Set(keyrings).size).toBe(4);
});

test('everything in the data folder is readable by its owner only', async () => {
  const { dataDir } = plain;
  await new Client(plain).createTenant('acme');
  expect(statSync(dataDir).mode & 0o777).toBe(0o700);
  const below = readdirSync(dataDir, { recursive: true, encoding: 'utf8' });
  expect(below).toContain('secrets.json');
  for (const path of below) expect(statSync(join(dataDir, path)).mode & 0o077, path).toBe(0);
});

test.each(['SIGINT', 'SIGTERM'] as const)('%s to npm start ends the server as well', async (signal) => {
  using folder = temporaryFolder();
  await using npm = new Launcher(folder.path, {}, ['npm', 'start']);
  const url = await npm.ready();
  npm.signal(signal);
  expect(await npm.exit()).toBe(0);
  expect(await isListening(url)).toBe(false);
});

test('a Ctrl-C, which reaches launcher and runtime at once, ends both normally', async () => {
  using folder = temporaryFolder();
  await using server = await startServer(folder.path);
  process.kill(-server.pid, 'SIGINT');
  expect(await server.exit()).toBe(0);
  expect(server.stderr).toBe('');
});

test('a signal during the start ends it with exit code 0', async () => {
  using folder = temporaryFolder();
  await using launcher = new Launcher(folder.path);
  await eventually('the data folder is taken', 10_000, () => existsSync(join(folder.path, 'lock')));
  launcher.signal('SIGTERM');
  expect(await launcher.exit()).toBe(0);
  expect(launcher.stderr).toBe('');
});

test('a launcher that is killed takes its runtime with it, and the data folder is free again', async () => {
  using folder = temporaryFolder();
  await using server = await startServer(folder.path);
  const { url } = server;
  process.kill(server.pid, 'SIGKILL');
  // At once, while the runtime may still be ending. The launcher waits for it.
  await using next = await startServer(folder.path);
  expect(await isListening(url)).toBe(false);
  expect(await new Client(next).createTenant('acme')).toMatchObject({ id: 'acme' });

  // A runtime that dies by itself is reported in one line.
  process.kill(next.runtimePid, 'SIGKILL');
  expect(await next.exit()).toBe(1);
  expect(next.stderr).toBe('keystead: the server ended by itself (SIGKILL)\n');
});

test('the server listens on IPv6 when HOST says so', async () => {
  using folder = temporaryFolder();
  await using server = await startServer(folder.path, { HOST: '::1' });
  expect(server.url).toMatch(/^http:\/\/\[::1\]:\d+$/);
  expect(await run(server.firstCall)).toMatchObject([{ data: [] }]);
});

test('self-hosting and Cloudflare use the same compatibility date', () => {
  const dateIn = (file: string) =>
    /ompatibility_?[dD]ate = "([\d-]+)"/.exec(readFileSync(join(ROOT, file), 'utf8'))?.[1];
  expect(dateIn('selfhost/workerd.capnp')).toBeDefined();
  expect(dateIn('selfhost/workerd.capnp')).toBe(dateIn('wrangler.toml'));
});

test("on Cloudflare only Keystead's own log is kept, without the URLs of requests", () => {
  const [, logs = ''] =
    /^\[observability\.logs\]\n((?:\w+ = .*\n)+)/m.exec(readFileSync(join(ROOT, 'wrangler.toml'), 'utf8')) ?? [];
  expect(logs.trim().split('\n')).toEqual(['enabled = true', 'invocation_logs = false']);
});
