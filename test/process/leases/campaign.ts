/**
 * The promise of leases over HTTP, with several isolates: keys are verified under load everywhere while each is ended, and from the moment the
 * ending has returned no isolate may say VALID in a verification sent after it. Counts what would have been wrong without the wait:
 * answers from before the end that came while the ending had committed already.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { ensureBuilt } from '../../../selfhost/build.ts';
import { Client, type KeyWithSecret, type Verification } from '../client.ts';
import { ROOT, temporaryFolder } from '../server.ts';

/** Keys that are ended at the same time; each ending waits about a second. */
const KEYS_AT_ONCE = 100;
const SOCKETS = ['first', 'second', 'third'] as const;

export type LeaseReport = {
  readonly endings: number;
  readonly verifications: number;
  /** Answers VALID while an ending waited: leases at work. */
  readonly leasedMeanwhile: number;
};

/** Ends `trials` keys under load. Throws at the first verification that saw an old record too late. */
export async function leases(trials: number, progress: (line: string) => void): Promise<LeaseReport> {
  await ensureBuilt(new AbortController().signal);
  using folder = temporaryFolder();
  const adminToken = randomBytes(32).toString('base64url');
  const runtime = startRuntime(folder.path, adminToken);
  try {
    const urls = await listening(runtime);
    const isolates = urls.map((url) => new Client({ url, adminToken }));
    const report = { endings: 0, verifications: 0, leasedMeanwhile: 0 };
    await isolates[0]?.createTenant('leased', { leaseSeconds: 1 });
    for (let done = 0; done < trials; done += KEYS_AT_ONCE) {
      await round(isolates, Math.min(KEYS_AT_ONCE, trials - done), report);
      progress(`${report.endings} keys ended, ${report.verifications} verifications`);
    }
    return report;
  } finally {
    runtime.kill('SIGKILL');
    await once(runtime, 'close');
  }
}

async function round(
  isolates: readonly Client[],
  keys: number,
  report: { -readonly [K in keyof LeaseReport]: number },
) {
  const endings = Array.from({ length: keys }, async (_, i) => {
    const by = isolates[i % isolates.length];
    if (by === undefined) throw new Error('no isolate');
    const key = (await by.send<KeyWithSecret>('POST', '/tenants/leased/keys', { name: 'k' })).body;
    const state = { endedAt: Number.POSITIVE_INFINITY };
    // One verification after the other in each isolate, until some while after the end.
    const watchers = isolates.map(async (isolate) => {
      for (let after = 0; after < 5; ) {
        const sentAt = performance.now();
        const isLate = sentAt > state.endedAt;
        const { body } = await isolate.send<Verification>('POST', '/keys/verify', { key: key.secret });
        report.verifications += 1;
        if (isLate) after += 1;
        if (isLate && body.valid) throw new Error(`VALID ${sentAt - state.endedAt} ms after the end had returned`);
        if (!isLate && body.valid && sentAt > endingAt) report.leasedMeanwhile += 1;
      }
    });
    let endingAt = Number.POSITIVE_INFINITY;
    await new Promise((done) => setTimeout(done, 20 + Math.random() * 300));
    endingAt = performance.now();
    await end(by, key.id, i);
    state.endedAt = performance.now();
    report.endings += 1;
    await Promise.all(watchers);
  });
  await Promise.all(endings);
}

/** Every way to end a key by its own call. */
async function end(client: Client, keyId: string, i: number): Promise<void> {
  const path = `/tenants/leased/keys/${keyId}`;
  const endings = [
    () => client.send('POST', `${path}/revoke`),
    () => client.send('POST', `${path}/rotate`, { gracePeriodSeconds: 0 }),
    () => client.send('PATCH', path, { enabled: false }),
    () => client.send('POST', '/tenants/leased/keys/revoke', { ids: [keyId] }),
  ];
  const { status } = (await endings[i % endings.length]?.()) ?? { status: 0 };
  if (status >= 300) throw new Error(`ending a key was answered ${status}`);
}

function startRuntime(dataDir: string, adminToken: string): ChildProcess {
  const ring = () => `1:${randomBytes(32).toString('base64')}`;
  return spawn(
    join(ROOT, 'node_modules/.bin/workerd'),
    ['serve', join(import.meta.dirname, 'isolates.capnp'), `--directory-path=data=${dataDir}`, '--control-fd=3'],
    {
      stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
      env: { PATH: process.env.PATH ?? '', ADMIN_TOKEN: adminToken, ENCRYPTION_KEY: ring(), HMAC_SECRET: ring() },
    },
  );
}

/** The URLs of the sockets, once the runtime listens on all of them. */
async function listening(runtime: ChildProcess): Promise<string[]> {
  const control = runtime.stdio[3];
  if (control === null || control === undefined || !('setEncoding' in control)) throw new Error('no control channel');
  const ports = new Map<string, number>();
  let text = '';
  for await (const chunk of control.setEncoding('utf8')) {
    text += chunk;
    for (const line of text.split('\n').slice(0, -1)) {
      const { event, socket, port } = JSON.parse(line);
      if (event === 'listen') ports.set(socket, port);
    }
    text = text.slice(text.lastIndexOf('\n') + 1);
    if (SOCKETS.every((socket) => ports.has(socket))) break;
  }
  return SOCKETS.map((socket) => `http://127.0.0.1:${ports.get(socket)}`);
}
