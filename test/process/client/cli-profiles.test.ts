/** Profiles of the command line: where they lie, who may read them, and where their tokens go. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../server.ts';
import { keystead, type Options, problem, TOKEN, URL_OF_FAKE } from './cli.ts';

const known = { service: () => ({ body: { data: [], page: { nextCursor: null } } }) };

/** A home with the profile `default` for the fake service. */
async function loggedIn(home: string, flags: readonly string[] = [], options: Options = {}) {
  const argv = ['login', '--url', URL_OF_FAKE, ...flags];
  const ran = await keystead(argv, { ...known, home, env: {}, stdin: `${TOKEN}\n`, ...options });
  expect(ran).toMatchObject({ code: 0, stdout: '' });
  expect(ran.stderr).not.toContain(TOKEN);
  return ran;
}

const pathIn = (home: string) => join(home, '.config/keystead/profiles.json');

test('login stores URL, token and tenant for the owner alone, after the token was tried', async () => {
  using folder = temporaryFolder();
  const { requests } = await loggedIn(folder.path, ['--tenant', 'acme']);
  expect(requests[0]).toMatchObject({ path: '/v1/tenants', headers: { authorization: `Bearer ${TOKEN}` } });
  const path = pathIn(folder.path);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
  expect(readdirSync(dirname(path))).toEqual(['profiles.json']);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({
    profiles: { default: { url: URL_OF_FAKE, token: TOKEN, tenant: 'acme' } },
  });
  const { requests: later } = await keystead(['owners', 'list'], { ...known, home: folder.path, env: {} });
  expect(later[0]).toMatchObject({ path: '/v1/tenants/acme/owners', headers: { authorization: `Bearer ${TOKEN}` } });
});

test('login asks on a terminal, for the token without showing it', async () => {
  using folder = temporaryFolder();
  const options = { ...known, home: folder.path, env: {}, answers: [URL_OF_FAKE, TOKEN] };
  const { code, questions, stderr } = await keystead(['login', '--profile', 'staging'], options);
  expect(code).toBe(0);
  expect(questions).toEqual([
    { question: 'URL of Keystead: ', hidden: false },
    { question: 'Token: ', hidden: true },
  ]);
  expect(stderr).not.toContain(TOKEN);
  const { stdout } = await keystead(['profiles'], { home: folder.path, env: {} });
  expect(stdout).toBe(`NAME     URL                       TENANT\nstaging  ${URL_OF_FAKE}  -\n`);
});

test('login stores no token that is not known, and one of a caller that may not list tenants', async () => {
  using folder = temporaryFolder();
  const argv = ['login', '--url', URL_OF_FAKE];
  const options = { home: folder.path, env: {}, stdin: TOKEN };
  const refused = await keystead(argv, { ...options, service: () => problem(401, 'unauthenticated') });
  expect(refused.code).toBe(3);
  expect((await keystead(['profiles'], options)).stderr).toContain('There are none.');
  expect(await keystead(argv, { ...options, service: () => problem(403, 'forbidden') })).toMatchObject({ code: 0 });
});

test('login refuses a URL with a password in it, and a token with line ends', async () => {
  using folder = temporaryFolder();
  const options = { home: folder.path, env: {}, stdin: `${TOKEN}\n${TOKEN}` };
  for (const url of ['https://user:pw@keys.example.com', 'ftp://x', 'keys.example.com', URL_OF_FAKE]) {
    const { code, requests, stderr } = await keystead(['login', '--url', url], options);
    expect([code, requests]).toEqual([2, []]);
    expect(stderr).toMatch(/^keystead: [^\n]+\n$/);
    expect(stderr).not.toMatch(/pw|ksm_/);
  }
});

test('login says when the way has no encryption', async () => {
  using folder = temporaryFolder();
  const options = { ...known, home: folder.path, env: {}, stdin: TOKEN };
  expect((await keystead(['login', '--url', 'http://keys.internal'], options)).stderr).toContain('no TLS');
  expect((await keystead(['login', '--url', 'http://127.0.0.1:8787'], options)).stderr).not.toContain('no TLS');
});

test.skipIf(process.platform === 'win32')('a file that others can read is refused, with what to do', async () => {
  using folder = temporaryFolder();
  await loggedIn(folder.path);
  const path = pathIn(folder.path);
  for (const mode of [0o640, 0o604, 0o660, 0o602]) {
    chmodSync(path, mode);
    const { code, requests, stderr } = await keystead(['tenants', 'list'], { ...known, home: folder.path, env: {} });
    expect([code, requests]).toEqual([2, []]);
    expect(stderr).toBe(`keystead: Others can read ${path}. Close it with: chmod 600 ${path}\n`);
  }
  chmodSync(path, 0o600);
  expect(await keystead(['tenants', 'list'], { ...known, home: folder.path, env: {} })).toMatchObject({ code: 0 });
});

test('a file with other content is refused, and not shown', async () => {
  using folder = temporaryFolder();
  mkdirSync(dirname(pathIn(folder.path)), { recursive: true });
  for (const text of ['', `{"profiles": ${TOKEN}`, '[]', '{"profiles":{"default":{"url":1}}}', '{"profiles":null}']) {
    writeFileSync(pathIn(folder.path), text, { mode: 0o600 });
    const { code, stderr } = await keystead(['tenants', 'list'], { home: folder.path, env: {} });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^keystead: \S+ is not a file of profiles\. Remove it, and run: keystead login\n$/);
  }
});

test('XDG_CONFIG_HOME says where the file is, if it is an absolute path', async () => {
  using folder = temporaryFolder();
  const env = { XDG_CONFIG_HOME: join(folder.path, 'xdg') };
  await loggedIn('/nonexistent', [], { env });
  expect(statSync(join(folder.path, 'xdg/keystead/profiles.json')).mode & 0o777).toBe(0o600);
  await loggedIn(folder.path, [], { env: { XDG_CONFIG_HOME: 'relative' } });
  expect(statSync(pathIn(folder.path)).isFile()).toBe(true);
});

test('a stored token goes to no URL but its own', async () => {
  using folder = temporaryFolder();
  await loggedIn(folder.path);
  const at = (env: Record<string, string>, ...flags: string[]) =>
    keystead(['tenants', 'list', ...flags], { ...known, home: folder.path, env });
  for (const ran of [
    await at({ KEYSTEAD_URL: 'https://evil.example' }),
    await at({}, '--url', 'https://evil.example'),
    await at({}, '--url', `${URL_OF_FAKE}.evil.example`, '--profile', 'default'),
  ]) {
    expect(ran).toMatchObject({ code: 2, requests: [] });
    expect(ran.stderr).toContain('The token of the profile is for another URL.');
  }
  expect(await at({ KEYSTEAD_URL: `${URL_OF_FAKE}/` })).toMatchObject({ code: 0 });
});

test('a profile that is named comes before the environment, and the environment before the default', async () => {
  using folder = temporaryFolder();
  await loggedIn(folder.path, ['--tenant', 'stored']);
  const env = { KEYSTEAD_URL: 'http://localhost', KEYSTEAD_TOKEN: 'other', KEYSTEAD_TENANT: 'set' };
  const options = { ...known, home: folder.path, env };
  const headers = (authorization: string) => ({ authorization: `Bearer ${authorization}` });
  expect((await keystead(['owners', 'list'], options)).requests[0]).toMatchObject({
    path: '/v1/tenants/set/owners',
    headers: headers('other'),
  });
  expect((await keystead(['owners', 'list', '--profile', 'default'], options)).requests[0]).toMatchObject({
    path: '/v1/tenants/stored/owners',
    headers: headers(TOKEN),
  });
});

test('without a connection the command says how to make one', async () => {
  const options = { home: '/nonexistent', env: {} };
  const { code, stderr } = await keystead(['tenants', 'list'], options);
  expect([code, stderr]).toEqual([2, 'keystead: There is no URL. Run `keystead login`, or set KEYSTEAD_URL\n']);
  const missing = await keystead(['tenants', 'list', '--profile', 'staging'], options);
  expect(missing.stderr).toBe(
    'keystead: There is no profile staging. Make it with: keystead login --profile staging\n',
  );
});

test('logout removes a profile and leaves the others', async () => {
  using folder = temporaryFolder();
  await loggedIn(folder.path);
  await loggedIn(folder.path, ['--profile', 'staging']);
  const options = { home: folder.path, env: {} };
  expect(await keystead(['logout'], options)).toMatchObject({ code: 0 });
  expect((await keystead(['profiles', '--json'], options)).stdout).toBe(
    `{"name":"staging","url":"${URL_OF_FAKE}","tenant":null}\n`,
  );
  expect(await keystead(['logout'], options)).toMatchObject({ code: 2 });
});

test('a link in place of the file is replaced, and what it leads to stays', async () => {
  using folder = temporaryFolder();
  const target = join(folder.path, 'target');
  writeFileSync(target, '{"profiles":{}}', { mode: 0o600 });
  mkdirSync(dirname(pathIn(folder.path)), { recursive: true });
  symlinkSync(target, pathIn(folder.path));
  await loggedIn(folder.path);
  expect(readFileSync(target, 'utf8')).toBe('{"profiles":{}}');
});
