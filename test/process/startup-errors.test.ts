/** Whatever the operator has to put right is one line on stderr and exit code 1: no stack, no secret. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Client } from './client.ts';
import { type Environment, Launcher, startServer, temporaryFolder } from './server.ts';

const WEAK = 'hunter2-hunter2';

/** Starts what must fail, and returns the one line it says. */
async function refusal(dataDir: string, env: Environment = {}): Promise<string> {
  await using launcher = new Launcher(dataDir, env);
  expect(await launcher.exit()).toBe(1);
  expect(launcher.stdout).toBe('');
  expect(launcher.stderr).toMatch(/^keystead: [^\n]+\n$/);
  return launcher.stderr.trim();
}

test('a taken port', async () => {
  using folder = temporaryFolder();
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => other.once('listening', done));
  const address = other.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  expect(await refusal(folder.path, { PORT: String(port) })).toContain(`port ${port} on 127.0.0.1 is taken`);
  other.close();
});

test.each(['http', '-1', '65536', '80.5', '8787 '])('PORT that is none: %s', async (PORT) => {
  using folder = temporaryFolder();
  expect(await refusal(folder.path, { PORT })).toContain('PORT must be a whole number from 0 to 65535');
});

test.each([
  ['no.such.host.invalid', 'HOST is neither'],
  ['192.0.2.1', 'is not an address of this machine'],
])('HOST that cannot be listened on: %s', async (HOST, problem) => {
  using folder = temporaryFolder();
  expect(await refusal(folder.path, { HOST })).toContain(problem);
});

test('a data folder that cannot be made or written', async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'file');
  writeFileSync(file, '');
  // Under a regular file, since no permission stops a test that runs as root.
  expect(await refusal(join(file, 'data'))).toContain('cannot be written (ENOTDIR)');
  expect(await refusal(file)).toContain('cannot be written');
  // Where nobody can make a folder, and the refusal is that there is none.
  if (existsSync('/proc/self')) expect(await refusal('/proc/keystead')).toContain('cannot be written (ENOENT)');
});

test.each(['ADMIN_TOKEN', 'ENCRYPTION_KEY', 'HMAC_SECRET'])('a weak %s is named, not shown', async (name) => {
  using folder = temporaryFolder();
  const line = await refusal(folder.path, { [name]: WEAK });
  expect(line).toContain(`${name} is `);
  expect(line).not.toContain('hunter2');
});

test.each(['{"ADMIN_TOKEN": "kst_half', '[]', '{"ADMIN_TOKEN": 5}'])('damaged stored secrets: %s', async (content) => {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, 'secrets.json'), content);
  const line = await refusal(folder.path);
  expect(line).toContain('secrets.json is damaged');
  expect(line).not.toContain('kst_half');
});

test('stored secrets that are a folder', async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, 'secrets.json'));
  expect(await refusal(folder.path)).toContain('secrets.json cannot be read (EISDIR)');
});

test('a data folder that another server uses', async () => {
  using folder = temporaryFolder();
  await using server = await startServer(folder.path);
  expect(await refusal(folder.path)).toContain(`is in use by another running Keystead (process ${server.pid})`);
  // The one that was there first goes on.
  expect(await new Client(server).createTenant('acme')).toMatchObject({ id: 'acme' });
});

test('data whose secrets are gone', async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, 'objects/keystead-tenant'), { recursive: true });
  expect(await refusal(folder.path)).toContain('has data, but ENCRYPTION_KEY is neither set nor in');
});
