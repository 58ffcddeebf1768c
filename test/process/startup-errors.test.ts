/**
 * A problem that the operator has to solve is reported as one line on stderr, with exit code 1, without a stack trace
 * or a secret.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readSettings } from '../../selfhost/settings.ts';
import { Client } from './client.ts';
import { type Environment, Launcher, startServer, temporaryFolder } from './server.ts';

const PORT_PROBLEM = 'PORT must be a whole number from 0 to 65535';
const WEAK = 'hunter2-hunter2';

/** Starts a launcher that must fail, and returns its one line. */
async function refusal(dataDir: string, env: Environment = {}): Promise<string> {
  await using launcher = new Launcher(dataDir, env);
  expect(await launcher.exit()).toBe(1);
  expect(launcher.stdout).toBe('');
  expect(launcher.stderr).toMatch(/^keystead: [^\n]+\n$/);
  return launcher.stderr.trim();
}

test('a port that is taken', async () => {
  using folder = temporaryFolder();
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => other.once('listening', done));
  const address = other.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  expect(await refusal(folder.path, { PORT: String(port) })).toContain(`port ${port} on 127.0.0.1 is taken`);
  other.close();
});

test('a PORT that is not a port', async () => {
  using folder = temporaryFolder();
  expect(await refusal(folder.path, { PORT: 'http' })).toContain(PORT_PROBLEM);
  for (const PORT of ['-1', '65536', '80.5', '8787 ']) {
    await expect(readSettings({ PORT }), PORT).rejects.toThrow(PORT_PROBLEM);
  }
});

test.each([
  ['no.such.host.invalid', 'HOST is neither'],
  ['192.0.2.1', 'is not an address of this machine'],
])('a HOST that cannot be listened on: %s', async (HOST, problem) => {
  using folder = temporaryFolder();
  expect(await refusal(folder.path, { HOST })).toContain(problem);
});

test('DOCS that is neither on nor off, while off switches the page off', async () => {
  using folder = temporaryFolder();
  expect(await refusal(folder.path, { DOCS: 'no' })).toContain('DOCS is not one of on, off');
  await using server = await startServer(folder.path, { DOCS: 'off' });
  const statusOf = async (path: string) => (await fetch(`${server.url}${path}`)).status;
  expect([await statusOf('/docs'), await statusOf('/openapi.json')]).toEqual([404, 200]);
});

test('a data folder that cannot be created or written', async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, 'file');
  writeFileSync(file, '');
  // Under a regular file, because no permission stops a test that runs as root.
  expect(await refusal(join(file, 'data'))).toContain('cannot be written (ENOTDIR)');
  expect(await refusal(file)).toContain('cannot be written');
  // Where nobody can create a folder, and the error code says that it does not exist.
  if (existsSync('/proc/self')) expect(await refusal('/proc/keystead')).toContain('cannot be written (ENOENT)');
});

test.each(['ADMIN_TOKEN', 'ENCRYPTION_KEY', 'HMAC_SECRET'])('a weak %s is named but not shown', async (name) => {
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

test('a folder in place of the stored secrets', async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, 'secrets.json'));
  expect(await refusal(folder.path)).toContain('secrets.json cannot be read (EISDIR)');
});

test('a data folder that another server uses', async () => {
  using folder = temporaryFolder();
  await using server = await startServer(folder.path);
  expect(await refusal(folder.path)).toContain(`is in use by another running Keystead (process ${server.pid})`);
  // The first server goes on.
  expect(await new Client(server).createTenant('acme')).toMatchObject({ id: 'acme' });
});

test('data whose secrets are missing', async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, 'objects/keystead-tenant'), { recursive: true });
  expect(await refusal(folder.path)).toContain('has data, but ENCRYPTION_KEY is neither set nor in');
});
