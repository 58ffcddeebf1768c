/**
 * The first steps with the client, as docs/integrate.md and the examples show them: from an empty folder to a protected
 * endpoint, with the package as it is packed and without the network.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import express, { type Express } from 'express';
import fastify from 'fastify';
import { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Client } from '../client.ts';
import { fenced, pageAt, Shell, stepsOf } from '../docs.ts';
import { eventually, type Launcher, ROOT, startServer, temporaryFolder } from '../server.ts';

const PAGE = pageAt('docs/integrate.md');
const EXAMPLES = join(ROOT, 'examples');

/** npm is slow on a busy machine. */
const NPM_TIMEOUT_MS = 100_000;

const folder = temporaryFolder();
const checkout = join(folder.path, 'keystead');
/** The project that the page makes, and the package that is installed there. */
const project = join(folder.path, 'invoices');
const installed = join(project, 'node_modules/@keystead/client');
const [makeKeys, makeProject, call, ...furtherSteps] = stepsOf('five minutes', PAGE).map((step) =>
  step.kind === 'run' ? step : never(),
);

function never(): never {
  throw new Error('the page has changed');
}

let server: Launcher;
let client: Client;
let shell: Shell;
let port: number;

/** Runs a step of the page. Its ports may be taken. */
const follow = (script: string = never()) =>
  shell.run(script.replaceAll('127.0.0.1:3000', `127.0.0.1:${port}`), server.url, NPM_TIMEOUT_MS);

beforeAll(async () => {
  mkdirSync(checkout);
  for (const name of readdirSync(ROOT)) if (name !== '.keystead') symlinkSync(join(ROOT, name), join(checkout, name));
  [server, port] = await Promise.all([startServer(join(checkout, '.keystead')), freePort()]);
  client = new Client(server);
  shell = new Shell(checkout);
  await follow(`export HOME='${folder.path}' npm_config_offline=true npm_config_audit=false`);
  expect(await follow(makeKeys?.script)).toBe('');
  expect(await follow(makeProject?.script)).toBe('');
  await client.createTenant('globex');
});

afterAll(async () => {
  await shell[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

/** A folder with the client and these packages of the project's own installed. */
function withPackages(path: string, names: readonly string[]): void {
  for (const name of ['@keystead/client', ...names]) {
    const link = join(path, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(name === '@keystead/client' ? installed : join(ROOT, 'node_modules', name), link);
  }
}

/** A port that nothing listens on at the moment. */
async function freePort(): Promise<number> {
  const socket = createServer().listen(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address() as AddressInfo;
  socket.close();
  await once(socket, 'close');
  return port;
}

test('who follows the page has a protected endpoint, from an empty folder and without the network', async () => {
  expect(furtherSteps).toEqual([]);
  const code = fenced('js', PAGE);
  expect(code.split('\n').filter((line) => line !== '').length).toBeLessThanOrEqual(10);
  writeFileSync(join(project, 'server.mjs'), code.replace('3000', `${port}`).replace(SHOWN_URL, server.url));
  expect(await follow(call?.script)).toBe(call?.shown);
});

const SHOWN_URL = 'http://127.0.0.1:8787';

describe('the guard of each framework, as the page shows it', () => {
  const [, shown = ''] = /^<!-- frameworks -->$(.*?)^<!-- \/frameworks -->$/ms.exec(PAGE) ?? [];
  const snippets = [...shown.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code = '']) => code);
  type Handler = { fetch(request: Request): Promise<Response> };

  /** Runs a snippet with what stands around it on the page, and returns its default export. */
  async function load<T>(name: string, app: unknown): Promise<T> {
    const snippet = snippets.find((code) => code.includes(`'@keystead/client/${name}'`));
    if (snippet === undefined) throw new Error(`the page does not show ${name}`);
    const path = join(folder.path, 'snippets', `${name}.mjs`);
    withPackages(join(folder.path, 'snippets', name), []);
    const connection = JSON.stringify({ url: server.url, token: server.adminToken });
    const context = `import { Keystead } from '@keystead/client';\nconst keystead = new Keystead(${connection});\n`;
    const file = join(dirname(path), name, 'snippet.mjs');
    writeFileSync(file, `${context}const app = globalThis.appOfTheSnippet;\n${snippet}`);
    Object.assign(globalThis, { appOfTheSnippet: app });
    return (await import(/* @vite-ignore */ pathToFileURL(file).href)).default;
  }

  async function answers(ask: (headers: Record<string, string>) => Promise<Response>): Promise<void> {
    const { secret } = await client.createKey('globex', { owner: 'customer-17', scopes: ['invoices:*'] });
    const allowed = await ask({ authorization: `Bearer ${secret}` });
    expect(await allowed.json()).toEqual({ owner: 'customer-17' });
    expect(await ask({})).toMatchObject({ status: 401 });
    const other = await client.createKey('globex', { scopes: ['users:*'] });
    expect(await ask({ 'x-api-key': other.secret })).toMatchObject({ status: 403 });
  }

  test('there are four', () => expect(snippets).toHaveLength(4));

  test('express', async () => {
    const app: Express = express();
    await load('express', app);
    const listening = app.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    const { port } = listening.address() as AddressInfo;
    await answers((headers) => fetch(`http://127.0.0.1:${port}/invoices`, { headers }));
    listening.closeAllConnections();
    listening.close();
  });

  test('hono', async () => {
    const app = new Hono();
    await load('hono', app);
    await answers(async (headers) => app.request('/invoices', { headers }));
  });

  test('fastify', async () => {
    const app = fastify();
    await load('fastify', app);
    await answers(async (headers) => {
      const { statusCode, body } = await app.inject({ url: '/invoices', headers });
      return new Response(body, { status: statusCode });
    });
  });

  test('fetch', async () => {
    const handler = await load<Handler>('fetch', null);
    await answers((headers) => handler.fetch(new Request('http://127.0.0.1/invoices', { headers })));
  });
});

describe.each(['express', 'hono'])('the example with %s', (name) => {
  const manifest = JSON.parse(readFileSync(join(EXAMPLES, name, 'package.json'), 'utf8'));

  test('starts with two commands, and uses versions that are tested here', () => {
    const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const { '@keystead/client': link, ...others } = manifest.dependencies;
    expect(link).toBe('file:../../client');
    expect(devDependencies).toMatchObject(others);
    expect(manifest.scripts.start).toBe('npm --prefix ../.. run --silent build:client && exec node server.js');
    const readme = readFileSync(join(EXAMPLES, name, 'README.md'), 'utf8');
    expect(readme).toContain('npm install\nnpm start\n');
    expect(readme.split('\n').length).toBeLessThan(40);
  });

  test('protects its routes', async () => {
    const copy = join(folder.path, name);
    cpSync(join(EXAMPLES, name), copy, { recursive: true, filter: (path) => !path.includes('node_modules') });
    const { '@keystead/client': _, ...others } = manifest.dependencies;
    withPackages(copy, Object.keys(others));
    const scopes = name === 'express' ? ['invoices:read'] : ['charts:read'];
    const { id, secret } = await client.createKey('globex', { owner: 'customer-17', scopes });
    await using example = await startExample(copy);

    const path = name === 'express' ? '/invoices' : '/charts';
    const ask = (key?: string, method = 'GET') =>
      fetch(example.url + path, { method, headers: key === undefined ? {} : { Authorization: `Bearer ${key}` } });
    expect(await fetch(`${example.url}/health`)).toMatchObject({ status: 200 });
    expect(await ask()).toMatchObject({ status: 401 });
    expect(await ask(secret)).toMatchObject({ status: 200 });
    expect(await ask(secret, 'POST')).toMatchObject({ status: 403 });
    await client.revokeKey('globex', id);
    expect(await (await ask(secret)).json()).toMatchObject({ status: 401, code: 'REVOKED' });
  });
});

type Example = AsyncDisposable & { readonly url: string };

async function startExample(path: string): Promise<Example> {
  const env = { PATH: process.env.PATH ?? '', KEYSTEAD_URL: server.url, KEYSTEAD_TOKEN: server.adminToken, PORT: '0' };
  const started: ChildProcess = spawn(process.execPath, ['server.js'], { cwd: path, env });
  let output = '';
  for (const stream of [started.stdout, started.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const url = () => /^listening on (http:\S+)$/m.exec(output)?.[1];
  await eventually('the example listens', 20_000, () => url() !== undefined || started.exitCode !== null);
  return {
    url: url() ?? output,
    [Symbol.asyncDispose]: async () => {
      const closed = once(started, 'close');
      started.kill('SIGKILL');
      await closed;
    },
  };
}
