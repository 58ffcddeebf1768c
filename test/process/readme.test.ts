/** The README cannot rot: its examples are run and must answer what it shows, and its tables must name what the program has. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { AUDIT_ACTIONS } from '../../domain/audit-actions.ts';
import { DEFAULT_SETTINGS } from '../../domain/tenants/record.ts';
import { PROBLEMS } from '../../src/api/problems.ts';
import { PERMISSIONS, ROLES } from '../../src/auth/principal.ts';
import { Client } from './client.ts';
import { fenced, Normalizer, README, SEARCH_PATH, Shell, stepsOf } from './readme.ts';
import { ROOT, startServer, temporaryFolder } from './server.ts';
import { ArgumentRecorder } from './walkthrough.ts';

vi.mock('cloudflare:workers', () => ({ DurableObject: class {} }));

/** A module of the Worker, whose types are not those of Node. */
const load = (path: string): Promise<Record<string, unknown>> => import(join(ROOT, path));

test('every example answers what the page shows, in one shell, server restarts included', async () => {
  using folder = temporaryFolder();
  const dataDir = join(folder.path, '.keystead');
  await using server = {
    current: await startServer(dataDir),
    [Symbol.asyncDispose]: () => server.current[Symbol.asyncDispose](),
  };
  const programs = join(folder.path, 'programs');
  mkdirSync(programs);
  const recorder = new ArgumentRecorder(programs, SEARCH_PATH);
  await using shell = new Shell(folder.path, recorder.path);
  const secrets = new Set([server.current.adminToken]);
  const [shown, real] = [new Normalizer(), new Normalizer()];
  const steps = stepsOf('run');
  expect(steps.length).toBeGreaterThan(20);
  for (const step of steps) {
    if (step.kind === 'restart') {
      expect(await server.current.stop()).toBe(0);
      server.current = await startServer(dataDir);
      await shell.run(`API=${server.current.url}/v1`, server.current.url);
    } else {
      const printed = await shell.run(step.script, server.current.url);
      expect(real.read(printed), step.script).toEqual(shown.read(step.shown ?? ''));
      for (const [secret] of printed.matchAll(/\b[a-z]+_[0-9A-Za-z]{92}\b/g)) secrets.add(secret);
    }
  }
  // Other users of the machine can read the arguments of programs.
  expect(secrets.size).toBeGreaterThan(3);
  expect(recorder.read()).toMatch(/^curl .*\/keys\/verify/m);
  for (const secret of secrets) expect(recorder.read()).not.toContain(secret.slice(0, -1));
});

describe('the tables name what the program has', () => {
  test('every route, with its permission', async () => {
    const { operations } = await load('src/api/index.ts');
    expect(operations).toBeInstanceOf(Array);
    const rows = (operations as readonly { method: string; path: string; permission: string }[]).map(
      ({ method, path, permission }) => `| \`${method}\` | \`${path}\` | \`${permission}\` |`,
    );
    const { HEALTH_PATHS } = await load('src/api/health/health.ts');
    rows.push(...(HEALTH_PATHS as readonly string[]).map((path) => `| \`GET\` | \`${path}\` | none |`));
    expect(rowsOf('Method').map(([method, path, permission]) => `| ${method} | ${path} | ${permission} |`)).toEqual(
      expect.arrayContaining(rows),
    );
    expect(rowsOf('Method')).toHaveLength(rows.length);
  });

  test('every problem, with its status', () => {
    const byStatus = Object.entries(PROBLEMS).sort(([, a], [, b]) => a.status - b.status);
    const expected = byStatus.map(([code, { status }]) => [`${status}`, `\`${code}\``]);
    expect(rowsOf('Status', 'Code').map((row) => row.slice(0, 2))).toEqual(expected);
  });

  test('every verification code and warning', async () => {
    const { VERIFICATION_CODES } = await load('src/api/verification/schemas.ts');
    const codes = rowsOf('Code', 'Meaning').map(([code]) => code);
    expect(codes.sort()).toEqual((VERIFICATION_CODES as readonly string[]).map((code) => `\`${code}\``).sort());
    const source = readFileSync(join(ROOT, 'domain/keys/verification.ts'), 'utf8');
    const warnings = [...source.matchAll(/\| \{ readonly code: '(\w+)'/g)].map(([, code]) => `\`${code}\``);
    expect(warnings).not.toEqual([]);
    expect(rowsOf('Warning').map(([code]) => code)).toEqual(warnings);
  });

  test('every permission, with the roles that hold it', () => {
    const roles = Object.values(ROLES).map((permissions) => new Set<string>(permissions));
    const expected = PERMISSIONS.map((permission) => [
      `\`${permission}\``,
      ...roles.map((permissions) => (permissions.has(permission) ? 'yes' : '')),
    ]);
    const names = Object.keys(ROLES).map((role) => `\`${role}\``);
    expect(rowsOf('Permission', ...names)).toEqual(expected);
  });

  test('every action of the audit log', () => {
    expect(rowsOf('Action').map(([action]) => action)).toEqual(AUDIT_ACTIONS.map((action) => `\`${action}\``));
  });

  test('every variable', () => {
    const sources = ['src/config/config.ts', 'selfhost/settings.ts'].map((path) =>
      readFileSync(join(ROOT, path), 'utf8'),
    );
    const names = sources.flatMap((source) => [...source.matchAll(/readonly ([A-Z_]+)\?:|env\.([A-Z_]+)/g)]);
    const expected = new Set(names.map(([, variable, setting]) => `\`${variable ?? setting}\``));
    expect(expected.size).toBe(7);
    expect(new Set(rowsOf('Variable').map(([name]) => name))).toEqual(expected);
  });

  test('every tenant setting, with its default', () => {
    const shown = rowsOf('Setting').map(([name, value = '']) => [name, /^`[^`]*`/.exec(value)?.[0]]);
    expect(shown).toEqual(Object.entries(DEFAULT_SETTINGS).map(([name, value]) => [`\`${name}\``, `\`${value}\``]));
  });

  test('only files that there are', () => {
    const paths = [...README.matchAll(/`((?:src|durable-objects|domain|selfhost|test|\.ci)\/[\w./-]*)`/g)].map(
      ([, path = '']) => path,
    );
    expect(paths.length).toBeGreaterThan(10);
    for (const path of paths) expect(existsSync(join(ROOT, path)), path).toBe(true);
  });

  test('only commands that there are', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const used = [...README.matchAll(/npm run ([a-z]+)/g)].map(([, name = '']) => name);
    expect(used).not.toEqual([]);
    for (const name of used) expect(scripts).toHaveProperty(name);
  });

  test('only sections that there are', () => {
    const anchors = [...README.matchAll(/^##+ (.+)$/gm)].map(([, title = '']) =>
      title.toLowerCase().replaceAll(' ', '-'),
    );
    const links = [...README.matchAll(/\]\(#([^)]+)\)/g)].map(([, link = '']) => link);
    expect(anchors).toEqual(expect.arrayContaining(links));
  });
});

/** Cells of the rows of every table whose header starts with these columns. */
function rowsOf(...columns: readonly string[]): string[][] {
  const tables = README.matchAll(/^(\|.*\|)\n\|[-|]+\|\n((?:\|.*\|\n)+)/gm);
  const cells = (line: string) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
  return [...tables]
    .filter(([, header = '']) => columns.every((column, i) => cells(header)[i] === column))
    .flatMap(([, , body = '']) => body.trimEnd().split('\n').map(cells));
}

describe('what the page says about key strings', () => {
  test('the expression and the gitleaks rules match keys, and nothing of another length or form', async () => {
    using folder = temporaryFolder();
    await using server = await startServer(folder.path);
    const client = new Client(server);
    await client.createTenant('acme');
    const prefixes = ['ks', 'acme_live', 'acme_test', 'a', 'a1_2_3', 'x'.repeat(24)];
    const keys = await Promise.all(prefixes.map(async (prefix) => (await client.createKey('acme', { prefix })).secret));
    const { body } = await client.send<{ secret: string }>('POST', '/management-keys', {
      name: 'one',
      role: 'verifier',
    });
    keys.push(body.secret);

    const expression = new RegExp(fenced('regex').trim(), 'g');
    for (const key of keys) {
      for (const text of [key, `KEY="${key}"`, `${key},${key}\n`, `${key}.`]) {
        expect(new Set(text.match(expression))).toEqual(new Set([key]));
      }
      for (const text of [
        key.slice(0, -1),
        `${key}0`,
        `${key}_`,
        `Z${key}`,
        `_${key}`,
        key.replace('_0', '_1'),
        key.replace(/_(?=[^_]*$)/, '-'),
      ]) {
        expect(text.match(expression), text).toBe(null);
      }
    }

    const rules = fenced('toml', README.slice(README.indexOf('gitleaks')));
    const [own, acme] = [...rules.matchAll(/^regex = '''(.*)'''$/gm)].map(([, source = '']) => new RegExp(source));
    const caught = (rule: RegExp | undefined) => keys.filter((key) => rule?.exec(`key: ${key};`)?.[1] === key);
    expect(caught(own)).toEqual([keys[0], body.secret]);
    expect(caught(acme)).toEqual([keys[1], keys[2]]);
    // The scanner looks at a text only when one of the rule's keywords stands in it.
    const keywords = [...rules.matchAll(/^keywords = (.*)$/gm)].map(([, list = '']) => JSON.parse(list));
    expect(keywords).toEqual([
      ['ks_', 'ksm_'],
      ['acme_live_', 'acme_test_'],
    ]);
    // Go's expressions, which gitleaks uses, have no look-around and no back-references.
    for (const source of [fenced('regex'), rules]) expect(source).not.toMatch(/\(\?[=!<]|\\[1-9]/);
  });

  test('every keyring entry signs keys that the expression matches', async () => {
    const { encodeBase62 } = await import('../../src/crypto/base62.ts');
    const expression = new RegExp(`^${fenced('regex').trim()}$`);
    for (let entry = 1; entry <= 255; entry++) {
      for (const rest of [0, 255]) {
        const bytes = new Uint8Array(64).fill(rest, 4);
        bytes.set([1, entry, 0, 0]);
        expect(`ks_${encodeBase62(bytes, 86)}000000`).toMatch(expression);
      }
    }
  });
});

test('a backup of the running server, made as the page says, can be restored', async () => {
  using folder = temporaryFolder();
  const checkout = join(folder.path, 'checkout');
  mkdirSync(checkout);
  for (const name of ['package.json', 'selfhost', 'node_modules', '.npmrc']) {
    symlinkSync(join(ROOT, name), join(checkout, name));
  }
  await using server = await startServer(join(checkout, '.keystead'));
  const client = new Client(server);
  await client.createTenant('acme');
  const { secret } = await client.createKey('acme');
  await using shell = new Shell(checkout);
  const [step] = stepsOf('backup');
  if (step?.kind !== 'run') throw new Error('the page has no backup');
  expect(await shell.run(step.script, server.url)).toContain(
    `databases are in ${folder.path}/keystead-backup/databases.`,
  );
  expect(await server.stop()).toBe(0);

  // Apart from each other, and for the owner alone.
  const databases = join(folder.path, 'keystead-backup/databases');
  expect(readdirSync(databases)).toEqual(['objects']);
  expect(readdirSync(join(folder.path, 'keystead-secrets'))).toEqual(['secrets.json']);
  const files = readdirSync(folder.path, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /^keystead-/.test(path),
  );
  expect(files.length).toBeGreaterThan(5);
  for (const path of files) expect(statSync(join(folder.path, path)).mode & 0o077, path).toBe(0);

  copyFileSync(join(folder.path, 'keystead-secrets/secrets.json'), join(databases, 'secrets.json'));
  await using restored = await startServer(databases);
  expect(await new Client(restored).verify(secret)).toMatchObject({ code: 'VALID' });
  expect(await new Client(restored).get('/tenants')).toMatchObject({ data: [{ id: 'acme' }] });
});

test('a backup that cannot be made says so in one line, and writes nothing', async () => {
  using folder = temporaryFolder();
  const dataDir = join(folder.path, 'data');
  const refusal = (...args: string[]) => {
    const program = [join(ROOT, 'selfhost/backup.ts'), ...args];
    const { stderr, status } = spawnSync(process.execPath, program, {
      encoding: 'utf8',
      env: { DATA_DIR: dataDir },
      timeout: 60_000,
    });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^keystead: [^\n]+\n$/);
    return stderr;
  };
  expect(refusal(join(folder.path, 'backup'))).toContain('has no data');
  mkdirSync(join(dataDir, 'objects'), { recursive: true });
  expect(refusal()).toContain('usage: npm run backup -- <new folder>');
  expect(refusal(join(dataDir, 'backup'))).toContain('is in DATA_DIR');
  expect(refusal(folder.path)).toContain('is not empty');
  expect(refusal('/proc/backup')).toContain('cannot be made');
  expect(readdirSync(folder.path, { recursive: true })).toEqual(['data', 'data/objects']);
});
