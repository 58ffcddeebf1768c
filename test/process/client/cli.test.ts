/** The command line: what its arguments become, what it prints where, and how it ends. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { OPERATIONS } from '../../../client/src/cli/api/operations.ts';
import { COMMANDS, findCommand, NOUNS } from '../../../client/src/cli/commands/all-commands.ts';
import { EXAMPLES } from '../../../client/src/cli/commands/examples.ts';
import { NOT_FOR_CALLERS } from '../../../client/tools/elsewhere.ts';
import { ROOT } from '../server.ts';
import { keystead, type Options, problem, TOKEN, wordsOf } from './cli.ts';

const KEY = 'key_0123456789abcdefg';
const SECRET = `ks_0${'Sx'.repeat(45)}1`;

const KEY_RESOURCE = {
  id: KEY,
  tenantId: 'acme',
  name: 'Backend',
  prefix: 'ks',
  hint: 'ks_...X8w3',
  owner: null,
  scopes: ['a', 'b:*'],
  metadata: { team: 'core' },
  status: 'active',
  createdAt: '2026-11-22T17:21:20.406Z',
  expiresAt: null,
  lastUsedAt: null,
  rotation: { replaces: null, graceEndsAt: null },
};

/** The request that a command sends. */
async function sent(line: string, options: Options = {}) {
  const ran = await keystead(wordsOf(line), options);
  expect(ran.stderr).toBe('');
  expect(ran.requests).toHaveLength(1);
  return ran.requests[0];
}

describe('the commands', () => {
  test('are one for each operation of the description, and no name stands for two', () => {
    const { paths } = JSON.parse(readFileSync(join(ROOT, 'openapi.json'), 'utf8')) as {
      paths: Record<string, Record<string, { operationId: string }>>;
    };
    const ids = Object.values(paths)
      .flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId))
      .filter((id) => !NOT_FOR_CALLERS.includes(id));
    expect(ids.length).toBeGreaterThan(40);
    expect(OPERATIONS.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
    for (const id of ids) {
      expect(
        COMMANDS.filter(({ operation }) => operation?.id === id),
        id,
      ).toHaveLength(1);
      const words = id.split('.').map((word) => word.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
      expect(findCommand(words)?.command.operation?.id).toBe(id);
    }
    const names = COMMANDS.flatMap(({ words, aliases = [] }) => [words, ...aliases].map((name) => name.join(' ')));
    expect(new Set(names).size).toBe(names.length);
  });

  test('have no two flags of one name', () => {
    for (const { words, flags } of COMMANDS) {
      const names = flags.flatMap(({ name, aliases }) => [name, ...aliases]);
      expect(new Set(names).size, words.join(' ')).toBe(names.length);
    }
  });

  test('have help that shows each flag, with lines that fit', async () => {
    const texts = [(await keystead(['--help'])).stdout];
    for (const noun of NOUNS) texts.push((await keystead([noun, '--help'])).stdout);
    for (const { words, flags, positionals } of COMMANDS) {
      const { code, stdout, stderr } = await keystead([...words, '--help']);
      expect([code, stderr]).toEqual([0, '']);
      for (const { name } of flags) expect(stdout).toMatch(new RegExp(`--(?:\\[no-\\])?${name}\\b`));
      for (const { name } of positionals) expect(stdout).toContain(name);
      expect((await keystead(['help', ...words])).stdout).toBe(stdout);
      texts.push(stdout);
    }
    for (const text of texts) {
      expect(text).toMatch(/^[\s\S]+[^\n]\n$/);
      const long = text.split('\n').filter((line) => [...line].length > 104 && !line.startsWith('  keystead '));
      expect(long).toEqual([]);
    }
  });

  test.each(Object.entries(EXAMPLES))('have examples that work: %s', async (id, examples) => {
    for (const example of examples) {
      const line = example.split(' | ').find((part) => part.includes(id === 'keys.revokeMany' ? 'revoke-many' : ''));
      const [, command = ''] = /^keystead (.*?)(?: [<>] .*)?$/.exec(line ?? '') ?? [];
      if (/^keys (?:import|create-many)/.test(command)) continue;
      const { code, stderr, requests } = await keystead(wordsOf(command), {
        service: () => ({ body: { valid: true, allowed: true, data: [], page: {}, remaining: 0 } }),
        stdin: command.includes('verify -') ? `${SECRET}\n` : `${KEY}\n`,
        ...(command === 'tenants delete acme' ? { answers: ['acme'] } : {}),
      });
      expect(stderr).not.toContain('keystead:');
      expect(code, example).toBe(0);
      expect(requests, example).toHaveLength(1);
    }
  });
});

describe('arguments become', () => {
  test('the members of a body, by the schema', async () => {
    const line =
      'keys create --name Backend --owner customer-17 --scope a --scope b:*,c --expires-in 30d --no-enabled ' +
      '--metadata team=core --metadata a=b=c --rate-limit name=calls,limit=100,window=1m,per=owner ' +
      '--quota {"name":"q","limit":5,"period":"day"} --credits remaining=10,refill.amount=5,refill.interval=day';
    expect(await sent(line)).toMatchObject({
      method: 'POST',
      path: '/v1/tenants/acme/keys',
      body: {
        name: 'Backend',
        owner: 'customer-17',
        scopes: ['a', 'b:*', 'c'],
        expiresAt: '2026-12-31T12:00:00.000Z',
        enabled: false,
        metadata: { team: 'core', a: 'b=c' },
        rateLimits: [{ name: 'calls', limit: 100, windowSeconds: 60, per: 'owner' }],
        quotas: [{ name: 'q', limit: 5, period: 'day' }],
        credits: { remaining: 10, refill: { amount: 5, interval: 'day' } },
      },
      headers: { authorization: `Bearer ${TOKEN}`, 'idempotency-key': expect.stringMatching(/./) },
    });
  });

  test('null, where there may be none', async () => {
    const line = `keys update ${KEY} --no-owner --no-expires-at --no-scope --no-credits --enabled`;
    const body = { owner: null, expiresAt: null, scopes: null, credits: null, enabled: true };
    expect(await sent(line)).toMatchObject({ method: 'PATCH', path: `/v1/tenants/acme/keys/${KEY}`, body });
  });

  test('headers', async () => {
    const line = `keys rotate ${KEY} --grace 1w --if-version 3 --on-behalf-of ada@ümlaut.example --idempotency-key one`;
    expect(await sent(line)).toMatchObject({
      body: { gracePeriodSeconds: 604_800 },
      headers: { 'if-match': '"3"', 'x-on-behalf-of': 'ada@%C3%BCmlaut.example', 'idempotency-key': 'one' },
    });
  });

  test('queries, in which a duration is a time', async () => {
    const service = () => ({ body: { data: [], page: { nextCursor: null } } });
    const audit = await keystead(wordsOf('audit list --since 24h --until 2026-12-01 --action key.revoke'), { service });
    expect(audit.requests[0]?.query).toEqual({
      since: '2026-11-30T12:00:00.000Z',
      until: '2026-12-01T00:00:00.000Z',
      action: 'key.revoke',
      limit: '100',
    });
    const keys = await keystead(wordsOf('keys list --status active --status revoked --expires-before 1d'), { service });
    expect(keys.requests[0]?.query).toMatchObject({
      status: 'active,revoked',
      expiresBefore: '2026-12-02T12:00:00.000Z',
    });
  });

  test('settings of a tenant, whose id is a word', async () => {
    const line = 'tenants create acme --name Acme --grace 24h --no-allow-reveal --storage digest';
    const settings = { gracePeriodSeconds: 86_400, allowReveal: false, storage: 'digest' };
    expect(await sent(line)).toMatchObject({ path: '/v1/tenants', body: { id: 'acme', name: 'Acme', settings } });
    expect(await sent('tenants update acme --rate-limit name=login,limit=5,window=15m')).toMatchObject({
      path: '/v1/tenants/acme',
      body: { limits: { rateLimits: [{ name: 'login', limit: 5, windowSeconds: 900 }] } },
    });
  });

  test('a path whose parts stay parts', async () => {
    expect(await sent('owners get a/b?c --tenant t2')).toMatchObject({ path: '/v1/tenants/t2/owners/a%2Fb%3Fc' });
    for (const id of ['..', '.', '']) {
      const { code, requests } = await keystead(['owners', 'get', id]);
      expect([code, requests]).toEqual([2, []]);
    }
  });

  test('a body from stdin, whose members flags replace', async () => {
    const stdin = '{"name":"A","quotas":[{"name":"q","limit":1,"period":"day"}]}';
    const request = await sent('keys create --body - --name B', { stdin });
    expect(request?.body).toEqual({ name: 'B', quotas: [{ name: 'q', limit: 1, period: 'day' }] });
  });

  test('the tenant: of the flag, of the environment, of nothing that is not asked', async () => {
    expect(await sent('keys get key_0123456789abcdefg --tenant other')).toMatchObject({
      path: `/v1/tenants/other/keys/${KEY}`,
    });
    const { stderr, code } = await keystead(['management-keys', 'list', '--tenant', 'acme']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('--tenant means nothing to this command')]);
  });
});

describe('a mistake is one line, with the usage of the command, and nothing is sent', () => {
  test.each([
    ['keys create', '--name is missing'],
    ['keys create --name A --expires-at tomorrow', '--expires-at must be a time'],
    ['keys create --name A --expires-at 2027-02-30', '--expires-at must be a time'],
    ['keys rotate key_0123456789abcdefg --grace soon', '--grace-period must be a duration like 90s, 12h or 7d'],
    ['keys rotate key_0123456789abcdefg --grace 9999d', '--grace-period must be at most 31536000'],
    ['keys create --name A --scope a!b', '--scope must match'],
    ['keys create --name A --rate-limit name=x,limit=1', '--rate-limit windowSeconds is missing'],
    ['keys create --name A --rate-limit name=x,limit=many,window=1s', '--rate-limit limit must be a whole number'],
    ['keys create --name A --rate-limit nme=x', '--rate-limit has no such member; known are name, limit'],
    ['keys create --name A --metadata text', '--metadata must be a JSON object or name=value'],
    ['keys create --name', '--name needs a value'],
    ['keys create --name --owner x', '--name needs a value'],
    ['keys create --nme A', 'There is no flag --nme here; did you mean --name?'],
    ['keys list --status actve', '--status must be one of active, rotating'],
    ['keys get', 'KEY_ID is missing'],
    ['keys get key_1', 'KEY_ID must be the id of a key'],
    [`keys get ${KEY} ${KEY}`, 'There are too many words: this command takes KEY_ID'],
    ['credits key key_0123456789abcdefg --operation add --amount 1', '--operation must be one of set, increment'],
    ['keys revoke-many', 'Name keys by their ids, by - or by --owner'],
    [`keys update ${KEY} --enabled=perhaps`, '--enabled must be true or false'],
    ['keys create --body {} --name A', '--body takes - for stdin, or @FILE'],
  ])('%s', async (line, message) => {
    const { code, stdout, stderr, requests } = await keystead(wordsOf(line));
    expect([code, stdout, requests]).toEqual([2, '', []]);
    const [first, usage, ...rest] = stderr.split('\n');
    expect(first).toContain(`keystead: ${message}`);
    expect(usage).toMatch(/^Usage: keystead \S/);
    expect(rest).toEqual(['']);
  });

  test.each([
    ['kyes list', 'There is no such command; did you mean keys?'],
    ['keys lst', 'There is no such command of keys; did you mean list?'],
    ['frobnicate', 'There is no such command; see: keystead --help'],
    ['keys list --tenant', '--tenant needs a value: ID'],
  ])('%s', async (line, message) => {
    const { code, stderr } = await keystead(wordsOf(line));
    expect([code, stderr.split('\n')[0]]).toEqual([2, `keystead: ${message}`]);
  });

  test('no mistake repeats what may be a secret', async () => {
    const lines = [
      `verify ${SECRET}`,
      `keys verify ${SECRET}`,
      `keys ${SECRET}`,
      `${SECRET}`,
      `keys get ${SECRET}`,
      `keys list ${SECRET}`,
      `keys list --${SECRET}`,
      `keys list --${SECRET.toLowerCase()}=1`,
      `keys list --status ${SECRET}`,
      `keys create --name A --scope ${SECRET}!`,
      `keys create --name A --quota ${SECRET}`,
      `keys create --name A --quota ${SECRET}=1`,
      `login --token ${SECRET}`,
      `keys list --url ${SECRET}`,
      `keys list --profile ${SECRET}`,
      `keys list --timeout ${SECRET}`,
      `profiles ${SECRET}`,
    ];
    for (const line of lines) {
      const { code, stdout, stderr } = await keystead(wordsOf(line), { stdin: SECRET });
      expect(code, line).toBe(2);
      expect((stdout + stderr).toLowerCase(), line).not.toContain(SECRET.slice(0, 20).toLowerCase());
    }
  });

  test('without words the help is shown, as a mistake', async () => {
    expect(await keystead([])).toMatchObject({ code: 2, stdout: expect.stringContaining('Usage: keystead') });
    expect(await keystead(['keys'])).toMatchObject({ code: 0, stdout: expect.stringContaining('rotate KEY_ID') });
  });
});

describe('verify', () => {
  const verified = (body: object) => ({ service: () => ({ body }), stdin: `${SECRET}\n` });

  test('reads the key string from stdin, without its line end, and says so by the exit code', async () => {
    const valid = await keystead(['verify', '-', '--scope', 'a'], verified({ valid: true, code: 'VALID' }));
    expect(valid).toMatchObject({ code: 0, stderr: '', stdout: 'valid  true\ncode   VALID\n' });
    expect(valid.requests[0]).toMatchObject({
      path: '/v1/keys/verify',
      body: { key: SECRET, scopes: ['a'], tenantId: 'acme' },
    });
    expect(valid.requests[0]?.headers).not.toHaveProperty('idempotency-key');
    const invalid = await keystead(['verify', '-', '--json'], verified({ valid: false, code: 'REVOKED' }));
    expect(invalid).toMatchObject({ code: 1, stdout: '{"valid":false,"code":"REVOKED"}\n' });
    expect(await keystead(['verify', '-', '-q'], verified({ valid: false }))).toMatchObject({ code: 1, stdout: '' });
  });

  test('asks for it on a terminal, without showing it', async () => {
    const options = { service: () => ({ body: { valid: true } }), answers: [SECRET] };
    const { code, questions, requests } = await keystead(['verify', '-'], options);
    expect([code, questions]).toEqual([0, [{ question: 'Key string: ', hidden: true }]]);
    expect(requests[0]?.body).toMatchObject({ key: SECRET });
  });

  test('refuses what is no key string: nothing, too much, other bytes', async () => {
    for (const stdin of ['', '\n', 'x'.repeat(5000), new Uint8Array([0xff, 0xfe])]) {
      const { code, requests, stderr } = await keystead(['verify', '-'], { stdin });
      expect([code, requests]).toEqual([2, []]);
      expect(stderr).toMatch(/^keystead: [^\n]+\n$/);
    }
  });
});

describe('answers', () => {
  const page = (data: readonly object[], nextCursor: string | null = null) => ({
    body: { data, page: { limit: 100, nextCursor, hasMore: nextCursor !== null } },
  });

  test('of lists are aligned tables, also with wide and hostile names', async () => {
    const named = (name: string) => ({ ...KEY_RESOURCE, name });
    const { stdout } = await keystead(['keys', 'list'], {
      service: () => page([named('Backend'), named('鍵サービス'), named('a\u001b[2Jb\u202ec\u0085\nd')]),
    });
    const [headings = '', ...lines] = stdout.trimEnd().split('\n');
    expect(headings).toMatch(/^ID +NAME +STATUS +OWNER +HINT +EXPIRES AT +LAST USED AT$/);
    expect(lines).toHaveLength(3);
    expect(lines[2]).toContain('a\\u001b[2Jb\\u202ec\\u0085\\u000ad');
    expect(lines[0]?.indexOf('active')).toBe(headings.indexOf('STATUS'));
    // Each of the five characters takes two columns.
    expect(lines[1]?.indexOf('active')).toBe(headings.indexOf('STATUS') - 5);
  });

  test('of lists are a JSON document in each line for programs, safe on a terminal too', async () => {
    const hostile = { ...KEY_RESOURCE, name: '\u0085\u202e\u007f' };
    const { stdout } = await keystead(['keys', 'list', '--json'], { service: () => page([KEY_RESOURCE, hostile]) });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([KEY_RESOURCE, hostile]);
    expect(stdout).not.toMatch(/[\u007f-\u009f\u202e]/);
  });

  test('of lists come from as many pages as were asked for', async () => {
    const pages = ({ query }: { query: Readonly<Record<string, string>> }) => {
      const from = Number(query.cursor ?? 0);
      const data = Array.from({ length: Math.min(Number(query.limit), 250 - from) }, (_, i) => ({ id: from + i }));
      return page(data, from + data.length < 250 ? String(from + data.length) : null);
    };
    const count = async (...flags: string[]) => {
      const { stdout, stderr } = await keystead(['keys', 'list', '--json', ...flags], { service: pages });
      return [stdout.trimEnd().split('\n').length, stderr];
    };
    expect(await count()).toEqual([100, 'There are more: --all, or --cursor 100\n']);
    expect(await count('--limit', '120')).toEqual([120, 'There are more: --all, or --cursor 120\n']);
    expect(await count('--all')).toEqual([250, '']);
    expect(await count('--quiet')).toEqual([100, '']);
  });

  test('in CSV come from as many pages, with their columns named once', async () => {
    const service = ({ query }: { query: Readonly<Record<string, string>> }) => {
      const link = '</v1/tenants/acme/usage?format=csv&cursor=a%2Bb&limit=1000>; rel="next"';
      const headers = { 'content-type': 'text/csv', ...(query.cursor === undefined ? { link } : {}) };
      return { body: `start,units\r\n${query.cursor ?? 'first'},1\r\n`, headers };
    };
    const argv = ['usage', 'read', '--format', 'csv'];
    const { stdout } = await keystead([...argv, '--all'], { service });
    expect(stdout).toBe('start,units\r\nfirst,1\r\na+b,1\r\n');
    expect(await keystead(argv, { service })).toMatchObject({
      stdout: 'start,units\r\nfirst,1\r\n',
      stderr: 'There are more: --all, or --cursor a+b\n',
    });
  });

  test('of one thing are names and values', async () => {
    const { stdout } = await keystead(['keys', 'get', KEY], { service: () => ({ body: KEY_RESOURCE }) });
    expect(stdout).toContain('scopes                a, b:*\n');
    expect(stdout).toContain('metadata              {"team":"core"}\n');
    expect(stdout).toContain('rotation.graceEndsAt  -\n');
  });

  test('with a key string go to stdout, alone if that is asked for', async () => {
    const service = () => ({ status: 201, body: { ...KEY_RESOURCE, secret: SECRET } });
    const all = await keystead(['keys', 'create', '--name', 'A', '--verbose'], { service });
    expect(all.stdout).toContain(`secret                ${SECRET}\n`);
    expect(all.stderr).toBe('> POST /v1/tenants/acme/keys\n< 201 after 0 ms, request req_1\n');
    const only = await keystead(['keys', 'create', '--name', 'A', '--secret-only'], { service });
    expect([only.stdout, only.stderr]).toEqual([
      `${SECRET}\n`,
      `The key string of ${KEY}. Keep it: no list shows it.\n`,
    ]);
    const rotated = () => ({ status: 201, body: { key: { ...KEY_RESOURCE, secret: SECRET }, rotated: KEY_RESOURCE } });
    expect((await keystead(['keys', 'rotate', KEY, '--secret-only'], { service: rotated })).stdout).toBe(`${SECRET}\n`);
  });

  test('have colours on a terminal alone, and not where nobody wants them', async () => {
    const service = () => page([KEY_RESOURCE]);
    expect((await keystead(['keys', 'list'], { service, tty: true })).stdout).toContain('\u001b[1mID');
    const env = { KEYSTEAD_URL: 'http://localhost', KEYSTEAD_TOKEN: 'x', KEYSTEAD_TENANT: 'acme', NO_COLOR: '1' };
    for (const options of [{ service }, { service, tty: true, env }]) {
      expect((await keystead(['keys', 'list'], options)).stdout).not.toContain('\u001b');
    }
  });
});

describe('refusals', () => {
  test.each([
    [problem(404, 'key_not_found'), 3, '404 key_not_found: It is key_not_found. (request req_1)'],
    [problem(401, 'unauthenticated'), 3, '401 unauthenticated: It is unauthenticated. (request req_1)'],
    [{ status: 200, body: '<html>', headers: { 'content-type': 'text/html' } }, 4, '200 unexpected_answer'],
  ])('%#: have their code', async (answer, code, message) => {
    const ran = await keystead(['keys', 'get', KEY], { service: () => answer });
    expect(ran).toMatchObject({ code, stdout: '' });
    expect(ran.stderr).toContain(`keystead: ${message}`);
  });

  test('of values name each', async () => {
    const errors = [{ path: 'name', message: 'must not be \u001b[2J' }];
    const { code, stderr } = await keystead(['keys', 'get', KEY], {
      service: () => problem(422, 'validation_failed', { errors }),
    });
    expect([code, stderr]).toEqual([3, expect.stringContaining('\n  name: must not be \\u001b[2J\n')]);
  });

  test('a service that is not there, and an interruption', async () => {
    const fetch = () => Promise.reject(Object.assign(new Error(`secret ${TOKEN}`), { code: 'ECONNREFUSED' }));
    const { code, stderr } = await keystead(['keys', 'get', KEY, '--verbose'], { fetch });
    expect([code, stderr]).toEqual([4, expect.stringContaining('network: No answer from Keystead')]);
    expect(stderr).not.toContain(TOKEN);
    expect(await keystead(['keys', 'get', KEY], { signal: AbortSignal.abort() })).toMatchObject({ code: 130 });
  });

  test('of a limit are answers', async () => {
    const line = 'limits check --name login --identifier 192.0.2.7';
    const answer = (allowed: boolean) => ({ service: () => ({ body: { allowed, code: 'x' } }) });
    expect(await keystead(wordsOf(line), answer(true))).toMatchObject({ code: 0 });
    expect(await keystead(wordsOf(line), answer(false))).toMatchObject({ code: 1 });
  });
});

describe('what cannot be undone', () => {
  const done = { service: () => ({ status: 204 }) };

  test('needs --yes where nobody can be asked', async () => {
    for (const line of [
      'tenants delete acme',
      `keys delete ${KEY}`,
      `keys revoke ${KEY}`,
      'keys revoke-many --owner a',
    ]) {
      const { code, stderr, requests } = await keystead(wordsOf(line), done);
      expect([code, stderr, requests]).toEqual([2, 'keystead: This cannot be undone: say --yes\n', []]);
    }
    expect(await keystead(wordsOf('tenants delete acme --yes'), done)).toMatchObject({ code: 0, stdout: '' });
  });

  test('is asked for on a terminal, a tenant by its id', async () => {
    expect(await keystead(['tenants', 'delete', 'acme'], { ...done, answers: ['y'] })).toMatchObject({ code: 2 });
    const { code, requests } = await keystead(['tenants', 'delete', 'acme'], { ...done, answers: ['acme'] });
    expect([code, requests.length]).toEqual([0, 1]);
    const no = await keystead(['keys', 'delete', KEY], { ...done, answers: [''] });
    expect([no.code, no.requests, no.questions.length]).toEqual([2, [], 1]);
    expect(await keystead(['keys', 'delete', KEY], { ...done, answers: ['y'] })).toMatchObject({ code: 0 });
  });
});

describe('long work', () => {
  test('goes on until nothing is left', async () => {
    let remaining = 250;
    const service = () => {
      remaining -= 100;
      return { body: { resealed: 100, remaining: Math.max(remaining, 0) } };
    };
    const options = { service, answers: [] };
    const { code, stdout, requests, stderr } = await keystead(['encryption', 'reseal', '--json'], options);
    expect([code, stdout, requests.length]).toEqual([0, '{"resealed":300,"remaining":0}\n', 3]);
    expect(stderr).toBe('\rResealing: 150 left\u001b[K\r\u001b[K');
  });

  test('ends where no call gets anything done', async () => {
    const service = () => ({ body: { resealed: 0, remaining: 5, unreadable: 5 } });
    const { code, requests, stderr } = await keystead(['encryption', 'reseal'], { service });
    expect([code, requests.length, stderr]).toEqual([
      5,
      1,
      expect.stringContaining('5 are left that no call gets done.'),
    ]);
  });

  test('revokes keys from stdin by 500, all of them checked before the first', async () => {
    const ids = Array.from({ length: 1200 }, (_, i) => `key_${String(i).padStart(17, '0')}`);
    const service = ({ body }: { body: unknown }) => ({ body: { revoked: (body as { ids: string[] }).ids.length } });
    const argv = ['keys', 'revoke-many', '-', '--yes', '--json'];
    const { stdout, requests } = await keystead(argv, { service, stdin: `${ids.join('\n')}\n` });
    expect([stdout, requests.length]).toEqual(['{"revoked":1200}\n', 3]);
    const { code, requests: none } = await keystead(argv, { service, stdin: [...ids, 'nonsense'].join('\n') });
    expect([code, none]).toEqual([2, []]);
  });
});
