/**
 * What is on the disk and in the log is of no use to whoever reads it. The test searches byte for byte, in every
 * encoding of a key.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { encodeBase62 } from '../../domain/key-string/base62.ts';
import { KEY_BODY_LENGTH, parseKeyString } from '../../domain/key-string/key-string.ts';
import { commandOf } from '../../selfhost/process-command.ts';
import { Client } from './client.ts';
import { startServer, storedSecret, temporaryFolder } from './server.ts';

const OTHER_HMAC_SECRET = '1:vX4kGm0Yc1u7Tq2eRz9bWn5sJh8dLp3aFo6iKx1yMtQ=';
/** The position of the 160 random bits (see domain/key-string/key-string.ts). */
const RANDOM_OFFSET = 32;
const RANDOM_BYTES = 20;
/** ceil(20 * 8 / log2(62)) */
const RANDOM_DIGITS = 27;

type Needles = ReadonlyMap<string, Buffer>;

/** The key string and its random part, in every form that would disclose the key. */
function needlesOf(secret: string): Needles {
  const parsed = parseKeyString(secret);
  if (parsed === null) throw new Error('not a key string');
  const random = Buffer.from(parsed.bytes.subarray(RANDOM_OFFSET, RANDOM_OFFSET + RANDOM_BYTES));
  const body = secret.slice(-KEY_BODY_LENGTH);
  return new Map([
    ['key string', Buffer.from(secret)],
    ['body', Buffer.from(body)],
    ['body in UTF-16', Buffer.from(body, 'utf16le')],
    ['body without checksum', Buffer.from(body.slice(0, -6))],
    ['random part in base62', Buffer.from(encodeBase62(random, RANDOM_DIGITS))],
    ...bytesNeedles('random part', random),
  ]);
}

/** The bytes themselves, in hex and in base64, the latter for each alignment in groups of three. */
function bytesNeedles(name: string, bytes: Buffer): [string, Buffer][] {
  const inner = (skip: number) => bytes.subarray(skip, skip + Math.floor((bytes.length - skip) / 3) * 3);
  return [
    [name, bytes],
    [`${name} in hex`, Buffer.from(bytes.toString('hex'))],
    [`${name} in upper-case hex`, Buffer.from(bytes.toString('hex').toUpperCase())],
    ...[0, 1, 2].flatMap((skip): [string, Buffer][] => [
      [`${name} in base64 + ${skip}`, Buffer.from(inner(skip).toString('base64'))],
      [`${name} in base64url + ${skip}`, Buffer.from(inner(skip).toString('base64url'))],
    ]),
  ];
}

/** All files except the ballast of the reserve, which is many random bytes written once. */
function filesIn(folder: string): Map<string, Buffer> {
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const files = paths.filter((path) => statSync(join(folder, path)).isFile() && path !== 'reserve/ballast');
  return new Map(files.map((path) => [path, readFileSync(join(folder, path))]));
}

function findings(files: ReadonlyMap<string, Buffer>, needles: Needles): string[] {
  return [...files].flatMap(([path, content]) =>
    [...needles].filter(([, needle]) => content.includes(needle)).map(([name]) => `${name} in ${path}`),
  );
}

test('neither the data folder nor the log contains a key or a secret', async () => {
  using folder = temporaryFolder();
  await using first = await startServer(folder.path);
  expect(await first.stop()).toBe(0);
  await using server = await startServer(folder.path);
  const client = new Client(server);
  await client.createTenant('acme');
  const created = await client.createKey('acme', { metadata: { plan: 'gold' } });
  const revoked = await client.createKey('acme', { prefix: 'acme_test' });
  const { key: successor } = await client.rotateKey('acme', created.id);
  await client.revokeKey('acme', revoked.id);
  const secrets = [created.secret, revoked.secret, successor.secret];
  for (const secret of secrets) await client.verify(secret);
  // A failed request is the one most likely to be logged with its content.
  await client.send('POST', '/keys/verify', { key: created.secret, [created.secret]: true });
  await client.send('GET', `/tenants/acme/keys?cursor=${created.secret}`);

  const files = filesIn(folder.path);
  expect([...files.keys()].some((path) => path.endsWith('.sqlite-wal'))).toBe(true);
  // The search reads the right places: it finds what is expected there.
  const allowed = new Map([['key id', Buffer.from(created.id)]]);
  expect(findings(files, allowed)).not.toEqual([]);

  for (const secret of secrets) expect(findings(files, needlesOf(secret))).toEqual([]);
  const log = new Map([['the log', Buffer.from(server.stdout + server.stderr)]]);
  for (const secret of secrets) expect(findings(log, needlesOf(secret))).toEqual([]);

  const own: Needles = new Map([
    ['ADMIN_TOKEN', Buffer.from(server.adminToken)],
    ...(['ENCRYPTION_KEY', 'HMAC_SECRET'] as const).flatMap((name) =>
      bytesNeedles(name, Buffer.from(storedSecret(folder.path, name).slice(2), 'base64')),
    ),
  ]);
  files.delete('secrets.json');
  expect(findings(files, own)).toEqual([]);
  expect(findings(log, own)).toEqual([]);
});

test('a key of a deployment with another HMAC_SECRET is forged', async () => {
  using folder = temporaryFolder();
  await using own = await startServer(folder.path);
  await new Client(own).createTenant('acme');
  const { secret } = await new Client(own).createKey('acme');
  expect(await own.stop()).toBe(0);
  // On the same data, so that only the secret differs.
  await using other = await startServer(folder.path, { HMAC_SECRET: OTHER_HMAC_SECRET });
  expect(await new Client(other).verify(secret)).toEqual({ valid: false, code: 'FORGED', warnings: [] });
});

test('the secrets are not in the arguments of any process', async () => {
  using folder = temporaryFolder();
  await using server = await startServer(folder.path);
  const commands = [server.pid, server.runtimePid].map((pid) => commandOf(pid));
  for (const name of ['ADMIN_TOKEN', 'ENCRYPTION_KEY', 'HMAC_SECRET'] as const) {
    for (const command of commands) expect(command).not.toBe('');
    for (const command of commands) expect(command).not.toContain(storedSecret(folder.path, name));
  }
});
