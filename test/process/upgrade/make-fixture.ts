/**
 * How the fixture was made. To make it again, use a checkout of commit 9941890 in which `npm ci` was run: `sh
 * selfhost/run.sh test/process/upgrade/make-fixture.ts <checkout>`.
 *
 * It calls that version over HTTP, stops it, edits what only the clock or a crash could cause, records that version's
 * responses, and packs the databases. It takes about two minutes, because uses were written once a minute.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { locatorOf, objectNameOf } from '../../../domain/tenants/locator.ts';
import { temporaryFolder } from '../server.ts';
import { type Expected, FIXTURE } from './fixture.ts';

/** So far in the future that nothing of the fixture ends while anybody runs the test. */
const NEVER_MS = Date.parse('2200-01-01T00:00:00Z');
const RETENTION_SECONDS_MAX = 315_360_000;
const GRACE_SECONDS_MAX = 31_536_000;

/** Made-up secrets, which every reader of this file can compute. */
const invented = (name: string) => createHash('sha256').update(`keystead upgrade fixture, no secret: ${name}`).digest();
const ring =
  (...ids: number[]) =>
  (name: string) =>
    ids.map((id) => `${id}:${invented(`${name} ${id}`).toString('base64')}`).join(',');
const secretsWith = (keyring: (name: string) => string) => ({
  ADMIN_TOKEN: `kst_InventedForTheUpgradeFixture_${invented('ADMIN_TOKEN').toString('hex').slice(0, 16)}`,
  ENCRYPTION_KEY: keyring('ENCRYPTION_KEY'),
  HMAC_SECRET: keyring('HMAC_SECRET'),
});
const FIRST_SECRETS = secretsWith(ring(1));
/** Later both secrets were rotated. Entry 1 still opens and verifies. */
const SECRETS = secretsWith(ring(2, 1));

type Json = Record<string, unknown>;
type Key = { readonly id: string; readonly secret: string };

/** The old version, started on a data folder. */
class OldServer implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #token: string;
  #url = '';

  private constructor(process: ChildProcess, token: string) {
    this.#process = process;
    this.#token = token;
  }

  static async start(checkout: string, dataDir: string, secrets: typeof SECRETS): Promise<OldServer> {
    writeFileSync(join(dataDir, 'secrets.json'), `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
    const program = spawn(join(checkout, 'node_modules/.bin/node'), ['selfhost/start.ts'], {
      cwd: checkout,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { PATH: process.env.PATH ?? '', DATA_DIR: dataDir, PORT: '0', LOG_LEVEL: 'error' },
    });
    const server = new OldServer(program, secrets.ADMIN_TOKEN);
    let said = '';
    for await (const chunk of program.stdout.setEncoding('utf8')) {
      said += chunk;
      const url = /ready on (\S+),/.exec(said)?.[1];
      if (url === undefined) continue;
      server.#url = url;
      break;
    }
    return server;
  }

  async request(method: string, path: string, body?: unknown, idempotencyKey?: string) {
    const response = await fetch(`${this.#url}/v1${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(idempotencyKey === undefined ? {} : { 'Idempotency-Key': idempotencyKey }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return { status: response.status, answer: text === '' ? null : JSON.parse(text) };
  }

  async get(path: string): Promise<Json> {
    return (await this.request('GET', path)).answer;
  }

  post<T = Json>(path: string, body?: unknown, idempotencyKey?: string): Promise<T> {
    return this.request('POST', path, body, idempotencyKey).then(({ answer }) => answer);
  }

  verify(secret: string, more: Json = {}) {
    return this.post<Expected['verifications'][number]['answer']>('/keys/verify', { key: secret, ...more });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await ended;
  }
}

const [checkout] = process.argv.slice(2);
if (checkout === undefined) throw new Error('usage: make-fixture.ts <checkout of the old version>');
using folder = temporaryFolder();
const dataDir = folder.path;
const objects = (kind: 'tenant' | 'directory') => join(dataDir, 'objects', `keystead-${kind}`);

const secrets = new Map<string, string>();
const keys: Record<string, string> = {};
const callers: Record<string, string> = {};
const replays: Expected['replays'][number][] = [];
/** Records a key under a description and returns it. */
function noted(about: string, key: Key): Key {
  if (secrets.has(about)) throw new Error(`${about} twice`);
  secrets.set(about, key.secret);
  keys[about] = key.id;
  return key;
}

// ---- data that the old version wrote by itself ----

{
  await using server = await OldServer.start(checkout, dataDir, FIRST_SECRETS);
  await server.post('/tenants', {
    id: 'acme',
    name: 'Acme 🧪 Ltd',
    settings: {
      gracePeriodSeconds: GRACE_SECONDS_MAX,
      keyPrefix: 'acme_live',
      retentionSeconds: RETENTION_SECONDS_MAX,
      storage: 'sealed',
      allowReveal: true,
      leaseSeconds: 2,
    },
  });
  const create = async (about: string, body: Json = {}, tenantId = 'acme') =>
    noted(about, await server.post<Key>(`/tenants/${tenantId}/keys`, { name: about, ...body }));
  const rotate = async (about: string, { id }: Key, body: Json = {}, tenantId = 'acme') =>
    noted(about, (await server.post<{ key: Key }>(`/tenants/${tenantId}/keys/${id}/rotate`, body)).key);

  await create('signed and sealed by the first entries', {
    owner: 'customer-1',
    scopes: ['read', 'orders:*'],
    metadata: { note: 'schöne Grüße 👩‍🚀🎉', plan: { seats: 3, tags: ['a', 'b'] }, empty: null },
    expiresAt: '2199-12-31T23:59:59.000Z',
  });
  const changed = await create('updated');
  const patch = { name: 'updated 🎈', scopes: ['write'], metadata: { a: 1 }, owner: 'customer-2' };
  await server.request('PATCH', `/tenants/acme/keys/${changed.id}`, patch);
  await create('disabled from the start', { enabled: false });
  const disabled = await create('disabled later');
  await server.request('PATCH', `/tenants/acme/keys/${disabled.id}`, { enabled: false });
  const revoked = await create('revoked', { owner: 'customer-1' });
  await server.post(`/tenants/acme/keys/${revoked.id}/revoke`, { reason: 'leaked 🔥' });
  const both = [await create('revoked in bulk 1'), await create('revoked in bulk 2')];
  await server.post('/tenants/acme/keys/revoke', { ids: both.map(({ id }) => id) });
  const deleted = await create('deleted');
  await server.request('DELETE', `/tenants/acme/keys/${deleted.id}`);
  const revealed = await create('revealed');
  await server.post(`/tenants/acme/keys/${revealed.id}/reveal`);
  await create('expired', { expiresAt: new Date(Date.now() + 3_000).toISOString() });
  const bulk = {
    keys: [
      { name: 'bulk 1', metadata: { emoji: '😀'.repeat(50) } },
      { name: 'bulk 2', prefix: 'acme_test' },
    ],
  };
  const [bulk1, bulk2] = (await server.post<{ data: Key[] }>('/tenants/acme/keys/bulk', bulk)).data;
  if (bulk1 === undefined || bulk2 === undefined) throw new Error('nothing was made');
  noted('bulk 1', bulk1);
  noted('bulk 2', bulk2);

  // Rotations in every state.
  const inGrace = await create('in grace', { owner: 'customer-3', scopes: ['read'] });
  await rotate('successor of the one in grace', inGrace, { metadata: { second: true } });
  const out = await create('rotated out');
  await rotate('successor of the one rotated out', out, { gracePeriodSeconds: 0 });
  const completed = await create('grace ended by hand');
  await rotate('successor of the one whose grace was ended by hand', completed);
  await server.post(`/tenants/acme/keys/${completed.id}/rotation/complete`);
  const cancelled = await create('rotation cancelled');
  await rotate('successor of a cancelled rotation', cancelled);
  await server.post(`/tenants/acme/keys/${cancelled.id}/rotation/cancel`);
  const again = await create('rotated again after a cancelled rotation');
  await rotate('first successor, cancelled', again);
  await server.post(`/tenants/acme/keys/${again.id}/rotation/cancel`);
  await rotate('second successor', again);
  const widowed = await create('successor deleted');
  const gone = await rotate('deleted successor', widowed);
  await server.request('DELETE', `/tenants/acme/keys/${gone.id}`);
  for (const [chain, grace] of [
    ['chain', undefined],
    ['chain to revoke', undefined],
    ['chain without grace', 0],
    ['broken chain', undefined],
  ] as const) {
    let key = await create(`${chain} 0`, { owner: chain });
    for (const n of [1, 2, 3]) {
      key = await rotate(`${chain} ${n}`, key, grace === undefined ? {} : { gracePeriodSeconds: grace });
    }
  }
  // One in the middle and one at the start are deleted. The rest still forms a lineage.
  await server.request('DELETE', `/tenants/acme/keys/${keys['broken chain 1']}`);
  const headless = await create('headless chain 0');
  const second = await rotate('headless chain 1', headless);
  await rotate('headless chain 2', second);
  await server.request('DELETE', `/tenants/acme/keys/${headless.id}`);

  // Tenants of other kinds.
  await server.post('/tenants', { id: 'digest-only', settings: { storage: 'digest', leaseSeconds: 0 } });
  const plain = await create('nothing recoverable', { scopes: ['read'] }, 'digest-only');
  await rotate('successor, nothing recoverable', plain, {}, 'digest-only');
  await server.post('/tenants', { id: 'suspended' });
  await create('of a suspended tenant', {}, 'suspended');
  await server.request('PATCH', '/tenants/suspended', { status: 'disabled', name: 'Suspended, Inc.' });
  await server.post('/tenants', { id: 'empty' });
  await server.post('/tenants', { id: 'gone' });
  await create('of a deleted tenant', {}, 'gone');
  await server.request('DELETE', '/tenants/gone');
  await server.post('/tenants', { id: 'leaving' });
  await create('of a tenant whose deletion is decided', {}, 'leaving');
  await server.post('/tenants', { id: 'busy', settings: { retentionSeconds: RETENTION_SECONDS_MAX } });
  for (const n of [1, 2, 3]) await create(`of the revoked owner ${n}`, { owner: 'customer-9' }, 'busy');
  await create('of another owner', { owner: 'customer-8' }, 'busy');
  await create('given to the revoked owner later', { owner: 'customer-9' }, 'busy');

  // Management keys.
  const manage = async (about: string, body: Json) => {
    const key = await server.post<Key>('/management-keys', { name: about, ...body });
    callers[about] = key.secret;
    return key;
  };
  await manage('admin', { role: 'admin' });
  await manage('reader of all', { permissions: ['keys:read', 'tenants:read'] });
  await manage('operator of acme', { role: 'operator', tenantId: 'acme' });
  await manage('owner of acme', { role: 'owner', tenantId: 'acme' });
  const strange = await manage('of an earlier tenant of this id', { role: 'operator', tenantId: 'acme' });
  await manage('of the tenant that leaves', { role: 'operator', tenantId: 'leaving' });
  const dismissed = await manage('dismissed', { role: 'verifier' });
  await server.post(`/management-keys/${dismissed.id}/revoke`, { reason: 'left the company' });
  const verifier = await manage('verifier', { role: 'verifier' });
  const { key: successor } = await server.post<{ key: Key }>(`/management-keys/${verifier.id}/rotate`, {
    gracePeriodSeconds: GRACE_SECONDS_MAX,
  });
  callers['verifier, rotated'] = successor.secret;
  await server.post('/tenants', { id: 'reborn' });
  await create('of the second tenant of this id', {}, 'reborn');
  keys['of an earlier tenant of this id'] = strange.id;

  // Stored responses.
  const keep = async (method: 'POST' | 'PATCH' | 'DELETE', path: string, idempotencyKey: string, body?: unknown) => {
    const { status, answer } = await server.request(method, path, body, idempotencyKey);
    replays.push({ method, path, idempotencyKey, body: body ?? null, status, answer });
    return answer;
  };
  noted('kept creation', await keep('POST', '/tenants/acme/keys', 'create-1', { name: 'kept creation' }));
  await keep('POST', '/tenants/acme/keys/bulk', 'bulk-1', { keys: [{ name: 'kept 😀' }, { name: 'kept 2' }] });
  await keep('POST', `/tenants/acme/keys/${bulk1.id}/rotate`, 'rotate-1', { gracePeriodSeconds: GRACE_SECONDS_MAX });
  await keep('PATCH', `/tenants/acme/keys/${bulk2.id}`, 'update-1', { name: 'bulk 2, renamed' });
  await keep('POST', `/tenants/acme/keys/${both[0]?.id}/revoke`, 'revoke-1', { reason: 'again' });
  await keep('POST', '/tenants/acme/keys/revoke', 'revoke-2', { owner: 'nobody' });
  await keep('POST', '/tenants', 'tenant-1', { id: 'kept', name: 'Kept' });
  await server.post('/tenants', { id: 'gone-too' });
  await keep('DELETE', '/tenants/gone-too', 'delete-1');
  const confined = { name: 'kept', role: 'auditor', tenantId: 'acme' };
  const { id: keptId } = await keep('POST', '/management-keys', 'management-1', confined);
  await keep('POST', `/management-keys/${keptId}/rotate`, 'management-2', { gracePeriodSeconds: 0 });

  // Uses, which are written a minute later if the object is kept awake.
  for (const secret of secrets.values()) await server.verify(secret, { fresh: true });
  for (const end = Date.now() + 65_000; Date.now() < end; await sleep(3_000)) {
    for (const id of ['acme', 'digest-only', 'busy', 'reborn']) await server.get(`/tenants/${id}`);
    await server.get('/management-keys');
  }
  await server.post('/tenants/acme/cleanup');
  await server.post('/tenants/digest-only/cleanup');
}
{
  await using server = await OldServer.start(checkout, dataDir, SECRETS);
  noted('signed and sealed by the second entries', await server.post('/tenants/acme/keys', { name: 'late' }));
  await server.post('/tenants/_system/encryption/reseal');
}

// ---- edits that only time or a crash would cause ----

const databases = (kind: 'tenant' | 'directory') =>
  readdirSync(objects(kind)).filter((file) => file.endsWith('.sqlite') && file !== 'metadata.sqlite');

function tenantIn(db: DatabaseSync): string | null {
  if (db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'tenant'").get() === undefined) return null;
  return String(db.prepare('SELECT id FROM tenant').get()?.id);
}

/** Merges the journal of a database into its file. */
function compact(db: DatabaseSync): void {
  db.exec('PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE; VACUUM; PRAGMA journal_mode = WAL');
  db.close();
}

function edit(kind: 'tenant' | 'directory', change: (db: DatabaseSync, tenantId: string | null) => void): void {
  for (const file of databases(kind)) {
    const db = new DatabaseSync(join(objects(kind), file));
    change(db, tenantIn(db));
    compact(db);
  }
}

/**
 * Sets every alarm that is armed, and arms that of `busy`. The runtime stores alarms twice, in nanoseconds: for itself,
 * and in the object's database.
 */
async function setAlarms(at: number): Promise<void> {
  const time = BigInt(at) * 1_000_000n;
  const busy = objectNameOf(await locatorOf('busy'));
  for (const kind of ['tenant', 'directory'] as const) {
    const metadata = new DatabaseSync(join(objects(kind), 'metadata.sqlite'));
    for (const file of databases(kind)) {
      const db = new DatabaseSync(join(objects(kind), file));
      const id = file.slice(0, -'.sqlite'.length);
      if (tenantIn(db) === 'busy') {
        metadata.prepare('INSERT OR REPLACE INTO _cf_ALARM VALUES (?, ?, ?)').run(id, time, busy);
        db.exec('INSERT OR REPLACE INTO _cf_METADATA VALUES (1, 0)');
      }
      const armed = metadata
        .prepare('UPDATE _cf_ALARM SET scheduled_time = ? WHERE actor_id = ?')
        .run(time, id).changes;
      if (armed !== 0) db.prepare('UPDATE _cf_METADATA SET value = ? WHERE key = 1').run(time);
      compact(db);
    }
    compact(metadata);
  }
}

const KEPT_FOR_EVER = `UPDATE idempotency SET created_at = ${NEVER_MS}`;
edit('tenant', (db, tenantId) => {
  if (tenantId === null) return;
  db.exec(KEPT_FOR_EVER);
  db.exec(`
    UPDATE rotations SET grace_ends_at = ${NEVER_MS} WHERE grace_ends_at > ${Date.now()};
    UPDATE keys SET grace_ends_at = ${NEVER_MS}, due_at = ${NEVER_MS} WHERE grace_ends_at > ${Date.now()};
  `);
  if (tenantId === 'busy') {
    // The owner's keys were revoked, the alarm has not written this into their rows, and the owner got a key since.
    const at = Date.now();
    db.exec(`
      INSERT INTO owner_revocations SELECT 'customer-9', ${at}, max(seq), 0 FROM keys;
      INSERT INTO owner_newcomers SELECT 'customer-9', max(seq) FROM keys;
      INSERT INTO audit VALUES (${at} * 1024, 'op_by_hand', 'key.revoke_owner', 'admin_token', 'admin', NULL, NULL,
        'req_by_hand', '127.0.0.1', '{"owner":"customer-9","revoked":3}');
    `);
  }
  if (tenantId === '_system') {
    // A management key made while the first "reborn" was being deleted. The deletion missed it.
    const moved = db.prepare("UPDATE keys SET owner = 'reborn' WHERE id = ?");
    moved.run(keys['of an earlier tenant of this id'] ?? '');
  }
});
edit('directory', (db) => {
  db.exec(KEPT_FOR_EVER);
  // The deletion was decided, then the server died.
  const operation = {
    id: 'op_deletion_by_hand',
    actor: { type: 'admin_token', id: 'admin' },
    requestId: 'req_deletion_by_hand',
    ip: '127.0.0.1',
    retry: false,
    ifVersions: null,
  };
  db.prepare("UPDATE tenants SET deleting = ? WHERE id = 'leaving'").run(JSON.stringify(operation));
  db.exec(`INSERT INTO audit VALUES (${Date.now()} * 1024, 'op_deletion_by_hand', 'tenant.delete', 'admin_token',
    'admin', NULL, NULL, 'req_deletion_by_hand', '127.0.0.1', '{"tenantId":"leaving"}')`);
});

// ---- the old version's responses ----

// No alarm may change anything meanwhile.
await setAlarms(NEVER_MS);
const copies = snapshot();
const expected = await ask();
restore(copies);
// Each alarm is overdue when the new version starts.
await setAlarms(Date.now());
pack(expected);

async function ask(): Promise<Expected> {
  if (checkout === undefined) throw new Error('no checkout');
  await using server = await OldServer.start(checkout, dataDir, SECRETS);
  const answers: Expected['answers'][number][] = [];
  const note = async (path: string) => answers.push({ path, answer: await server.get(path) });
  for (const path of ['/audit?limit=100', '/management-keys?limit=100']) await note(path);
  const tenants = (await server.get('/tenants?limit=100')).data;
  const listed = Array.isArray(tenants) ? tenants.map(({ id }: { id: string }) => id) : [];
  for (const id of listed.filter((listedId) => listedId !== 'leaving')) {
    const questions = ['', '/keys?limit=100', '/rotations?limit=100', '/audit?limit=100', '/cleanup', '/encryption'];
    for (const question of questions) await note(`/tenants/${id}${question}`);
  }
  for (const question of ['/audit?limit=100', '/cleanup', '/encryption']) await note(`/tenants/_system${question}`);
  const verifications: Expected['verifications'][number][] = [];
  for (const [about, secret] of secrets) {
    if (about !== 'of a tenant whose deletion is decided') {
      verifications.push({ about, secret, answer: await server.verify(secret, { fresh: true }) });
    }
  }
  const leaving = secrets.get('of a tenant whose deletion is decided') ?? '';
  return { verifications, answers, replays, callers: { ...callers, 'key that leaves': leaving }, keys };
}

function snapshot(): Map<string, Buffer> {
  const root = join(dataDir, 'objects');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => /\.sqlite$/.test(path));
  return new Map(files.map((path) => [join(root, path), readFileSync(join(root, path))]));
}

function restore(files: ReadonlyMap<string, Buffer>): void {
  rmSync(join(dataDir, 'objects'), { recursive: true });
  for (const [path, content] of files) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
}

function pack(answers: Expected): void {
  rmSync(FIXTURE, { recursive: true, force: true });
  for (const [path, content] of snapshot()) {
    const target = join(FIXTURE, `${path.slice(dataDir.length + 1)}.gz`);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, gzipSync(content, { level: 9 }));
  }
  writeFileSync(join(FIXTURE, 'secrets.json'), `${JSON.stringify(SECRETS, null, 2)}\n`);
  writeFileSync(join(FIXTURE, 'expected.json'), `${JSON.stringify(answers, null, 1)}\n`);
}
