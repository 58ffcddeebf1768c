/**
 * The runtime's network is closed, so that nothing in the Worker can call out. Another program in the place of the
 * Worker tries it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { eventually, ROOT, temporaryFolder } from './server.ts';

/** Tries each way out that a Worker has, from its handler and from an object. */
const PROBE = `
import { connect } from 'cloudflare:sockets';
import { DurableObject } from 'cloudflare:workers';
async function attempt(way) {
  try { return await way(); } catch { return 'refused'; }
}
async function attempts(port) {
  // Addresses reserved for examples, so that nobody is reached even when the network is open.
  await attempt(() => fetch('http://198.51.100.1:' + port, { signal: AbortSignal.timeout(1000) }));
  return [
    await attempt(async () => (await fetch('http://127.0.0.1:' + port)).text()),
    await attempt(async () => (await fetch('http://localhost:' + port)).text()),
    await attempt(async () => (await fetch('http://127.0.0.1:' + port, { headers: { Upgrade: 'websocket' } })).text()),
    await attempt(async () => { await connect('127.0.0.1:' + port).opened; return 'connected'; }),
  ];
}
export class Tenant extends DurableObject { attempts(port) { return attempts(port); } }
export class Directory extends DurableObject {}
export default {
  async fetch(request, env) {
    const port = new URL(request.url).searchParams.get('port');
    const tenant = env.TENANTS.get(env.TENANTS.idFromName('any'));
    return Response.json([...(await attempts(port)), ...(await tenant.attempts(port))]);
  },
};
`;

test("a program in Keystead's runtime configuration can reach nothing", async () => {
  using folder = temporaryFolder();
  let connections = 0;
  const outside = createServer((_request, response) => response.end('reached'));
  outside.on('connection', () => {
    connections += 1;
  });
  outside.listen(0, '127.0.0.1');
  await once(outside, 'listening');
  const address = outside.address();
  const port = typeof address === 'object' ? address?.port : undefined;

  const config = readFileSync(join(ROOT, 'selfhost/workerd.capnp'), 'utf8');
  mkdirSync(join(folder.path, 'objects'));
  mkdirSync(join(folder.path, 'reserve'));
  writeFileSync(join(folder.path, 'probe.js'), PROBE);
  writeFileSync(join(folder.path, 'workerd.capnp'), config.replace('../dist/index.js', 'probe.js'));
  const runtime = spawn(
    createRequire(import.meta.url)('workerd').default,
    [
      'serve',
      join(folder.path, 'workerd.capnp'),
      '--socket-addr=http=127.0.0.1:0',
      `--directory-path=data=${folder.path}/objects`,
      `--directory-path=reserve=${folder.path}/reserve`,
      '--control-fd=3',
    ],
    { stdio: ['ignore', 'ignore', 'pipe', 'pipe'], env: {} },
  );
  let errors = '';
  runtime.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  try {
    const control = runtime.stdio[3];
    if (control === null || control === undefined || !('read' in control)) throw new Error('no control descriptor');
    const [line] = await once(createInterface({ input: control }), 'line');
    const response = await fetch(`http://127.0.0.1:${JSON.parse(line).port}/?port=${port}`);
    expect(await response.json()).toEqual(Array.from({ length: 8 }, () => 'refused'));
    expect(connections).toBe(0);
    // Addresses of this machine are closed anyway; the rest of the world is closed only by the configuration.
    await eventually('the refusal is told', 5_000, () =>
      errors.includes(`connecting to 198.51.100.1:${port} is not allowed`),
    );
  } finally {
    runtime.kill('SIGKILL');
    outside.close();
    await once(runtime, 'exit');
  }
});
