/**
 * `keystead keys import` and `create-many`: what of a file becomes what field, and that each row is applied once,
 * wherever the command is killed.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../server.ts';
import { type FakeAnswer, fakeFetch, keystead, NOW, type Options, problem, type SeenRequest } from './cli.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest();
const hex = (i: number | string) => sha256(`key-${i}`).toString('hex');

type Row = { readonly hash: { readonly value: string }; readonly name: string };

/** Where a run is killed: at the nth call, before the service has applied it or after. */
type Kill = { readonly call: number; readonly applied: boolean };

/** The service as far as bulk commands use it: batches apply as a whole, and repeated calls get their first answer. */
class FakeService {
  /** How often each hash was imported, by its value. */
  readonly applied = new Map<string, number>();
  calls = 0;
  #answers = new Map<string, FakeAnswer>();

  /** As after a day. */
  forget(): void {
    this.#answers.clear();
  }

  answer({ path, body, headers }: SeenRequest): FakeAnswer {
    const key = headers['idempotency-key'] ?? '';
    const before = this.#answers.get(key);
    if (before !== undefined) return before;
    const { keys } = body as { readonly keys: readonly Row[] };
    expect(keys.length).toBeLessThanOrEqual(500);
    if (path.endsWith('/bulk')) {
      const data = keys.map(({ name }, i) => ({
        id: `key_${this.calls}-${i}`,
        name,
        owner: null,
        secret: `ks_${name}`,
      }));
      for (const { name } of keys) this.applied.set(name, (this.applied.get(name) ?? 0) + 1);
      this.#answers.set(key, { status: 201, body: { data } });
      return { status: 201, body: { data } };
    }
    expect(path).toBe('/v1/tenants/acme/keys/import');
    const seen = new Set<string>();
    const duplicates = keys.flatMap(({ hash: { value } }, index) => {
      if (this.applied.has(value)) return [{ index, keyId: `key_of_${value}` }];
      if (seen.has(value)) return [{ index }];
      seen.add(value);
      return [];
    });
    if (duplicates.length > 0) return problem(409, 'hash_exists', { duplicates: duplicates.slice(0, 100) });
    for (const value of seen) this.applied.set(value, 1);
    const answer = { status: 201, body: { data: keys.map(({ name }) => ({ name })) } };
    this.#answers.set(key, answer);
    return answer;
  }

  /** A `fetch` to it. At the point of the kill the call never ends, and `killed` resolves. */
  fetch(kill: Kill | null, killed: () => void = () => {}) {
    let call = 0;
    return fakeFetch((request) => {
      this.calls += 1;
      const isKilled = kill?.call === call++;
      const answer = isKilled && !kill.applied ? null : this.answer(request);
      if (!isKilled && answer !== null) return answer;
      killed();
      return new Promise<never>(() => {});
    });
  }
}

/** Runs the command until it ends, or until it is killed: then null. */
async function until(kill: Kill | null, service: FakeService, argv: readonly string[], options: Options = {}) {
  const { promise: killed, resolve } = Promise.withResolvers<null>();
  return Promise.race([killed, keystead(argv, { ...options, fetch: service.fetch(kill, () => resolve(null)) })]);
}

const csvOf = (rows: number, from = 0) =>
  `label,key_hash\n${Array.from({ length: rows }, (_, i) => `"Key ""${i + from}""",${hex(i + from)}\n`).join('')}`;

const MAP = ['--map', 'name=label', '--map', 'hash=key_hash'];

const onceEach = (service: FakeService, rows: number) => {
  expect(service.applied.size).toBe(rows);
  expect([...service.applied.values()].every((times) => times === 1)).toBe(true);
};

/** A hash with a character that only base64url has. */
const URL_SAFE = Array.from({ length: 50 }, (_, i) => sha256(`${i}`).toString('base64url')).find((text) =>
  /[-_]/.test(text),
);

describe('rows become keys', () => {
  /** The rows that the service gets for this file. */
  async function imported(name: string, content: string | Uint8Array, flags: readonly string[] = []) {
    using folder = temporaryFolder();
    const path = join(folder.path, name);
    writeFileSync(path, content);
    const ran = await keystead(['keys', 'import', path, '--json', ...flags], {
      service: ({ body }) => ({ status: 201, body }),
    });
    const rows = ran.requests.flatMap(({ body }) => (body as { keys: object[] }).keys);
    return { ...ran, rows };
  }

  test('of CSV with names of its own, quotes, line ends within them and constants', async () => {
    const csv = [
      '\ufefflabel,key_hash,perms,ends,made,active,extra,info',
      `"Say ""hi""\r\nthere",${hex(1)},"a b:*",2027-01-01,1700000000,f,x,"{""a"":1}"`,
      `Two,${hex(2).toUpperCase()},"{c,d}",2027-01-01 10:00:00+02,1700000000123,true,,`,
      '',
    ].join('\r\n');
    const flags = [...MAP, '--map', 'scopes=perms', '--map', 'expiresAt=ends', '--map', 'createdAt=made'];
    flags.push('--map', 'enabled=active', '--map', 'metadata=info', '--set', 'owner=customer-17');
    // Line ends are refused in names: the first record fails, and says the line that it begins at.
    const refused = await imported('keys.csv', csv, flags);
    expect(refused).toMatchObject({ code: 2, rows: [] });
    expect(refused.stderr).toContain('\n  line 2: name must be one line of text\n');
    const { rows, code, stderr, stdout } = await imported('keys.csv', csv.replace('\r\nthere', ''), flags);
    expect(stderr).toContain('Not used: the columns extra.');
    expect([code, stdout]).toEqual([0, '{"imported":2,"skipped":0}\n']);
    expect(rows).toEqual([
      {
        hash: { algorithm: 'sha256', value: hex(1), encoding: 'hex' },
        name: 'Say "hi"',
        owner: 'customer-17',
        scopes: ['a', 'b:*'],
        metadata: { a: 1 },
        expiresAt: '2027-01-01T00:00:00.000Z',
        createdAt: '2023-11-14T22:13:20.000Z',
        enabled: false,
      },
      {
        hash: { algorithm: 'sha256', value: hex(2), encoding: 'hex' },
        name: 'Two',
        owner: 'customer-17',
        scopes: ['c', 'd'],
        expiresAt: '2027-01-01T08:00:00.000Z',
        createdAt: '2023-11-14T22:13:20.123Z',
        enabled: true,
      },
    ]);
  });

  test('of NDJSON with the names of the fields, and members within', async () => {
    const lines = [
      { hash: sha256('a').toString('base64'), name: 'A', owner: 17, scopes: ['x'], team: { id: 't1' } },
      { hash: URL_SAFE, name: 'B', owner: null, expiresAt: null },
      { hash: { algorithm: 'sha256', value: hex(3), encoding: 'hex' }, name: 'C', metadata: { own: true } },
    ];
    const content = `${lines.map((line) => JSON.stringify(line)).join('\n\n')}`;
    const { rows, stderr } = await imported('keys.ndjson', content, ['--map', 'metadata.team=team.id']);
    expect(stderr).toBe('');
    expect(rows).toEqual([
      {
        hash: { algorithm: 'sha256', value: lines[0]?.hash, encoding: 'base64' },
        name: 'A',
        owner: '17',
        scopes: ['x'],
        metadata: { team: 't1' },
      },
      { hash: { algorithm: 'sha256', value: lines[1]?.hash, encoding: 'base64url' }, name: 'B' },
      { hash: lines[2]?.hash, name: 'C', metadata: { own: true } },
    ]);
  });

  test.each([
    ['a hash twice', `hash,name\n${hex(1)},A\n${hex(1)},B\n`, '  line 3: the hash stands in an earlier line too'],
    ['no hash', 'hash,name\n,A\n', '  line 2: hash is missing'],
    ['another hash', 'hash,name\n0f0f,A\n', '  line 2: hash is not a SHA-256 in that encoding'],
    ['a slow hash', 'hash,name\n$2b$10$abcdefghijklmnopqrstuv,A\n', '  line 2: hash is not a SHA-256'],
    ['no name', `hash\n${hex(1)}\n`, '  line 2: name is missing'],
    ['a time of no calendar', `hash,name,expiresAt\n${hex(1)},A,soon\n`, '  line 2: expiresAt has a value of another'],
    ['a column too many', `hash,name\n${hex(1)},A,B\n`, 'Line 2 has 3 columns, and the first line has 2'],
    ['open quotes', `hash,name\n${hex(1)},"A\n`, 'The record from line 2 is not CSV: its quotes do not match'],
    ['a column twice', `hash,hash\n${hex(1)},A\n`, 'Two columns of the first line have the same name'],
    ['a long line', `hash,name\n${hex(1)},${'x'.repeat(200_000)}\n`, 'Line 2 is longer than'],
    ['nothing', '', 'The file is empty'],
    ['only a header', 'hash,name\n', 'The file has no rows'],
  ])('and nothing is sent of a file with %s', async (_, content, message) => {
    const { code, rows, stderr } = await imported('keys.csv', content);
    expect([code, rows]).toEqual([2, []]);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain(hex(1));
  });

  test.each([
    ['no JSON', `{"hash":"${hex(1)}","name":"A"}\n{"hash":"secret`, 'Line 2 is not a JSON object'],
    ['a list', '[1]', 'Line 1 is not a JSON object'],
    ['a long line', `\n{"name":"${'x'.repeat(200_000)}"}`, 'Line 2 is longer than'],
    ['other bytes', Buffer.from([0x7b, 0xff, 0x7d]), 'is not UTF-8'],
  ])('nor of NDJSON with %s', async (_, content, message) => {
    const { code, rows, stderr } = await imported('keys.jsonl', content);
    expect([code, rows]).toEqual([2, []]);
    expect(stderr).toContain(message);
    expect(stderr).not.toContain('secret');
  });

  test('faults are told with their lines, twenty of them', async () => {
    const { code, stderr } = await imported('keys.csv', `hash,name\n${'x,A\n'.repeat(1500)}`);
    expect(code).toBe(2);
    const lines = stderr.trimEnd().split('\n');
    expect(lines[0]).toBe('keystead: 1,500 lines cannot be used; nothing was sent:');
    expect(lines.slice(1, 3)).toEqual([2, 3].map((line) => `  line ${line}: hash is not a SHA-256 in that encoding`));
    expect(lines).toHaveLength(22);
    expect(lines.at(-1)).toBe('  and 1,480 more');
  });

  test.each([
    ['--map', 'nme=label'],
    ['--map', 'name'],
    ['--set', 'enabled=perhaps'],
    ['--algorithm', 'bcrypt'],
    ['--encoding', 'base32'],
    ['--format', 'xml'],
    ['--delimiter', ',,'],
  ])('%s %s is refused', async (...flags) => {
    const { code, rows, stderr } = await imported('keys.csv', `hash,name\n${hex(1)},A\n`, flags);
    expect([code, rows]).toEqual([2, []]);
    expect(stderr).toMatch(/^keystead: \S/);
  });

  test('what the service finds wrong is told with its lines', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'keys.csv');
    writeFileSync(path, csvOf(3));
    const errors = [{ path: 'keys.1.metadata', message: 'is too large' }];
    const { code, stderr } = await keystead(['keys', 'import', path, ...MAP], {
      service: () => problem(422, 'validation_failed', { errors }),
    });
    expect([code, stderr]).toEqual([3, expect.stringContaining('\n  line 3.metadata: is too large\n')]);
  });

  test('--dry-run checks, and sends nothing', async () => {
    const { code, rows, stderr } = await imported('keys.csv', csvOf(3), [...MAP, '--dry-run']);
    expect([code, rows, stderr]).toEqual([0, [], 'All 3 rows can be sent. Nothing was.\n']);
  });
});

describe('each row is imported once', () => {
  const ROWS = 1100;
  const BATCHES = 3;
  const setUp = (folder: string) => {
    const path = join(folder, 'keys.csv');
    writeFileSync(path, csvOf(ROWS));
    return { path, journal: `${path}.keystead-journal`, argv: ['keys', 'import', path, ...MAP, '--json'] };
  };
  const points = Array.from({ length: BATCHES }, (_, call) =>
    [true, false].map((applied) => ({ call, applied })),
  ).flat();

  test('a second run of the same does nothing', async () => {
    using folder = temporaryFolder();
    const { argv, journal } = setUp(folder.path);
    const service = new FakeService();
    expect(await until(null, service, argv)).toMatchObject({ code: 0, stdout: '{"imported":1100,"skipped":0}\n' });
    expect(service.calls).toBe(BATCHES);
    expect(statSync(journal).mode & 0o777).toBe(0o600);
    expect(readFileSync(journal, 'utf8')).not.toContain(hex(1).slice(0, 16));
    expect(await until(null, service, argv)).toMatchObject({ code: 0, stdout: '{"imported":1100,"skipped":0}\n' });
    expect(service.calls).toBe(BATCHES);
    onceEach(service, ROWS);
  });

  test.each(points.flatMap((kill) => [false, true].map((late) => ({ ...kill, late }))))(
    'though killed at call $call, applied: $applied, and resumed a day later: $late',
    async ({ late, ...kill }) => {
      using folder = temporaryFolder();
      const { argv } = setUp(folder.path);
      const service = new FakeService();
      expect(await until(kill, service, argv)).toBe(null);
      if (late) service.forget();
      const ran = await until(null, service, argv, { now: late ? NOW + 48 * 3600 * 1000 : NOW });
      expect(ran).toMatchObject({ code: 0, stdout: '{"imported":1100,"skipped":0}\n' });
      onceEach(service, ROWS);
    },
  );

  test('though killed at each call of each run', async () => {
    using folder = temporaryFolder();
    const { argv } = setUp(folder.path);
    const service = new FakeService();
    // A run that applies one batch and is killed before it knows; the next finds that, and gets one further.
    for (let run = 0; run < BATCHES; run++) {
      expect(await until({ call: run === 0 ? 0 : 1, applied: true }, service, argv)).toBe(null);
    }
    expect(await until(null, service, argv)).toMatchObject({ code: 0 });
    onceEach(service, ROWS);
  });

  test('whatever of the journal has reached the disk', async () => {
    using folder = temporaryFolder();
    const { argv, journal } = setUp(folder.path);
    const whole = new FakeService();
    await until(null, whole, argv);
    const text = readFileSync(journal);
    const ends = [...text.keys()].filter((at) => text[at] === 0x0a).map((at) => at + 1);
    expect(ends).toHaveLength(1 + 2 * BATCHES);
    const lengths = [0, 1, 30, ...ends, ...ends.slice(2, 4).flatMap((end) => [end + 5, end - 1])];
    for (const length of new Set(lengths.filter((end) => end <= text.length))) {
      writeFileSync(journal, text.subarray(0, length));
      expect(await until(null, whole, argv), `${length}`).toMatchObject({ code: 0 });
      onceEach(whole, ROWS);
    }
    // A day later the journal alone knows what was begun. Rows that it knows nothing of are another's.
    const lastBegun = ends.at(-2) ?? 0;
    for (const length of new Set(lengths.filter((end) => end <= text.length))) {
      whole.forget();
      writeFileSync(journal, text.subarray(0, length));
      expect((await until(null, whole, argv))?.code, `${length}`).toBe(length >= lastBegun ? 0 : 3);
      onceEach(whole, ROWS);
    }
  });

  test('and what others have imported is told by its lines, or passed over', async () => {
    using folder = temporaryFolder();
    const { argv } = setUp(folder.path);
    const service = new FakeService();
    for (const i of [3, 4, 700]) service.applied.set(hex(i), 1);
    const first = await until(null, service, argv);
    expect(first?.code).toBe(3);
    expect(first?.stderr).toContain('The tenant has keys with the hashes of lines 5, 6 already.');
    expect(first?.stderr).toContain('Stopped at lines 2 to 501, after 0 of 1,100 rows.');
    expect(service.applied.size).toBe(3);
    const second = await until(null, service, [...argv, '--skip-existing']);
    expect(second).toMatchObject({ code: 0, stdout: '{"imported":1097,"skipped":3}\n' });
    onceEach(service, ROWS);
  });

  test('also when the first hundred rows were there, and a batch was never sent', async () => {
    using folder = temporaryFolder();
    const { argv } = setUp(folder.path);
    const service = new FakeService();
    for (let i = 0; i < 200; i++) service.applied.set(hex(i), 1);
    expect(await until({ call: 0, applied: false }, service, argv)).toBe(null);
    expect(await until(null, service, argv)).toMatchObject({ code: 3 });
    expect(await until(null, service, [...argv, '--skip-existing'])).toMatchObject({
      code: 0,
      stdout: '{"imported":900,"skipped":200}\n',
    });
    onceEach(service, ROWS);
  });

  test('of another file, other flags or another tenant the journal is refused', async () => {
    using folder = temporaryFolder();
    const { argv, path, journal } = setUp(folder.path);
    const service = new FakeService();
    expect(await until({ call: 1, applied: true }, service, argv)).toBe(null);
    const calls = service.calls;
    for (const more of [
      ['--set', 'owner=x'],
      ['--tenant', 'other'],
      ['--set', 'enabled=false'],
    ]) {
      const { code, stderr } = (await until(null, service, [...argv, ...more])) ?? { code: null, stderr: '' };
      expect(code).toBe(2);
      expect(stderr).toContain('is the journal of other work');
    }
    writeFileSync(path, csvOf(ROWS, 1));
    expect(await until(null, service, argv)).toMatchObject({ code: 2 });
    writeFileSync(journal, 'my notes\n');
    expect((await until(null, service, argv))?.stderr).toContain('is not a journal');
    expect(readFileSync(journal, 'utf8')).toBe('my notes\n');
    writeFileSync(journal, 'my notes');
    expect(await until(null, service, argv)).toMatchObject({ code: 2 });
    expect(service.calls).toBe(calls);
    writeFileSync(path, csvOf(ROWS));
    const state = ['--state', join(folder.path, 'state')];
    expect((await until(null, service, [...argv, ...state, '--skip-existing']))?.code).toBe(0);
    onceEach(service, ROWS);
  });

  test('an interruption ends between batches, and says how to go on', async () => {
    using folder = temporaryFolder();
    const { argv, journal } = setUp(folder.path);
    const service = new FakeService();
    const controller = new AbortController();
    const fetch = fakeFetch((request) => {
      if (service.calls++ === 1) controller.abort();
      return service.answer(request);
    });
    const { code, stderr } = await keystead(argv, { fetch, signal: controller.signal });
    expect(code).toBe(130);
    expect(stderr).toContain(`The same command goes on from there (${journal}).`);
    expect(await until(null, service, argv)).toMatchObject({ code: 0 });
    onceEach(service, ROWS);
  });

  test('rows that are large go in smaller batches', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'keys.ndjson');
    const metadata = { list: Array.from({ length: 900 }, (_, i) => i) };
    const lines = Array.from({ length: 200 }, (_, i) => JSON.stringify({ hash: hex(i), name: `${i}`, metadata }));
    writeFileSync(path, lines.join('\n'));
    const sizes: number[] = [];
    const service = new FakeService();
    const fetch = fakeFetch((request) => {
      sizes.push(JSON.stringify(request.body).match(/[[\]{}:,]/g)?.length ?? 0);
      return service.answer(request);
    });
    expect((await keystead(['keys', 'import', path], { fetch })).code).toBe(0);
    expect(sizes.length).toBe(4);
    expect(Math.max(...sizes)).toBeLessThan(65_536);
    onceEach(service, 200);
  });
});

describe('create-many', () => {
  const ROWS = 700;
  const setUp = (folder: string) => {
    const path = join(folder, 'keys.csv');
    writeFileSync(path, `name,owner\n${Array.from({ length: ROWS }, (_, i) => `k${i},o\n`).join('')}`);
    return { path, argv: ['keys', 'create-many', path, '--json'] };
  };
  const names = (stdout: string) =>
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).name);

  test('prints each key with its key string, and creates each once', async () => {
    using folder = temporaryFolder();
    const { argv } = setUp(folder.path);
    const service = new FakeService();
    const ran = await until(null, service, argv);
    expect(ran?.code).toBe(0);
    expect(names(ran?.stdout ?? '')).toEqual(Array.from({ length: ROWS }, (_, i) => `k${i}`));
    expect(ran?.stdout).toContain('"secret":"ks_k0"');
    expect(ran?.stderr).not.toContain('ks_k');
    expect(await until(null, service, argv)).toMatchObject({ code: 0, stdout: '' });
    onceEach(service, ROWS);
  });

  test.each([0, 1].flatMap((call) => [true, false].map((applied) => ({ call, applied }))))(
    'though killed at call $call, applied: $applied',
    async (kill) => {
      using folder = temporaryFolder();
      const { argv } = setUp(folder.path);
      const service = new FakeService();
      expect(await until(kill, service, argv)).toBe(null);
      const ran = await until(null, service, argv);
      expect(names(ran?.stdout ?? '')).toHaveLength(kill.call === 0 ? ROWS : ROWS - 500);
      onceEach(service, ROWS);
    },
  );

  test('does not send again what may have been created more than a day ago', async () => {
    using folder = temporaryFolder();
    const { argv, path } = setUp(folder.path);
    const service = new FakeService();
    expect(await until({ call: 1, applied: true }, service, argv)).toBe(null);
    service.forget();
    const late = await until(null, service, argv, { now: NOW + 24 * 3600 * 1000 });
    expect(late).toMatchObject({ code: 5, stdout: '' });
    expect(late?.stderr).toContain('Lines 502 to 701 were sent more than a day ago');
    onceEach(service, ROWS);
    rmSync(`${path}.keystead-journal`);
    expect(existsSync(path)).toBe(true);
    truncateSync(path, 0);
  });
});
