/**
 * The Markdown pages stay true: their examples run and print what the page shows, their tables name what the program
 * has, their links lead somewhere.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { AUDIT_ACTIONS } from '../../domain/audit-actions.ts';
import { KEY_STATUSES } from '../../domain/keys/record.ts';
import { DEFAULT_SETTINGS } from '../../domain/tenants/record.ts';
import { PROBLEMS } from '../../src/api/problems.ts';
import { PERMISSIONS, ROLES } from '../../src/auth/principal.ts';
import { Client } from './client.ts';
import {
  anchorsOf,
  fenced,
  linksOf,
  Normalizer,
  PAGES,
  pageAt,
  proseOf,
  rowsOf,
  SEARCH_PATH,
  Shell,
  stepsOf,
  Turns,
} from './docs.ts';
import { ROOT, startServer, temporaryFolder } from './server.ts';
import { ArgumentRecorder } from './walkthrough.ts';

vi.mock('cloudflare:workers', () => ({ DurableObject: class {} }));

/** A module of the Worker, whose types are not those of Node. */
const load = (path: string): Promise<Record<string, unknown>> => import(join(ROOT, path));

const API = pageAt('docs/api.md');
const KEY_FORMAT = pageAt('docs/key-format.md');

/** Pages with a program, the longest program first. */
const PROGRAMS = [...PAGES.entries()]
  .map(([path, page]) => ({ path, steps: stepsOf('run', page) }))
  .filter(({ steps }) => steps.length > 0)
  .toSorted((a, b) => b.steps.length - a.steps.length);
/** Programs at a time. Each has a server, and some examples depend on seconds; a small machine has two cores. */
const PROGRAMS_AT_ONCE = 3;

describe.concurrent('every example prints what its page shows, in one shell, server restarts included', () => {
  const turns = new Turns(PROGRAMS_AT_ONCE);

  test.each(PROGRAMS.map(({ path }) => path))('%s', (path) => turns.take(() => runProgram(pageAt(path))));
});

test('the pages have these programs', () => {
  expect(PROGRAMS.map(({ path }) => path)).toEqual(
    expect.arrayContaining([
      'README.md',
      'docs/incidents.md',
      'docs/integrate.md',
      'docs/key-format.md',
      'docs/migrate.md',
      'docs/operate.md',
    ]),
  );
  const steps = PROGRAMS.flatMap((program) => program.steps);
  expect(steps.length).toBeGreaterThan(40);
  // The rotation of both keyrings is shown with the restarts that it takes.
  expect(steps.filter(({ kind }) => kind === 'restart').length).toBeGreaterThan(3);
});

/**
 * Runs the program of a page against a server of its own. No program that it starts may get a secret as an argument.
 */
async function runProgram(page: string): Promise<void> {
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
  const secrets = new Set(storedSecrets(dataDir));
  const [shown, real] = [new Normalizer(), new Normalizer()];
  const steps = stepsOf('run', page);
  for (const step of steps) {
    if (step.kind === 'restart') {
      for (const secret of storedSecrets(dataDir)) secrets.add(secret);
      expect(await server.current.stop()).toBe(0);
      server.current = await startServer(dataDir);
      await shell.run(`API=${server.current.url}/v1`, server.current.url);
    } else {
      const printed = await shell.run(step.script, server.current.url);
      expect(real.read(printed), step.script).toEqual(shown.read(step.shown ?? ''));
      const variables = await shell.run('set', server.current.url);
      for (const [secret] of `${printed}\n${variables}`.matchAll(KEY_STRING)) secrets.add(secret);
    }
  }
  // Output that no step precedes would be compared with nothing.
  const places = page.match(/^<!-- run -->$.*?^<!-- \/run -->$/gms)?.join('\n') ?? '';
  const shownOutputs = steps.filter((step) => step.kind === 'run' && step.shown !== null);
  expect(places.match(/^```(?:json|text)$/gm) ?? []).toHaveLength(shownOutputs.length);
  // Other users of the machine can read the arguments of programs.
  for (const secret of storedSecrets(dataDir)) secrets.add(secret);
  expect(secrets.size).toBeGreaterThan(3);
  expect(recorder.read()).toMatch(page.includes('"$API/keys/verify"') ? /^curl .*\/keys\/verify/m : /^curl /m);
  for (const secret of secrets) expect(recorder.read()).not.toContain(secret.slice(0, -1));
}

const KEY_STRING = /\b[a-z][a-z0-9_]*_[0-9A-Za-z]{92}\b/g;

/** The secrets of a server, each entry of a keyring by itself. */
function storedSecrets(dataDir: string): string[] {
  const stored: Record<string, string> = JSON.parse(readFileSync(join(dataDir, 'secrets.json'), 'utf8'));
  return Object.values(stored).flatMap((value) => value.split(',').map((entry) => entry.replace(/^\d+:/, '')));
}

describe('every page', () => {
  test.each([...PAGES.keys()])('%s: its links lead to files and sections that there are', (path) => {
    for (const link of linksOf(pageAt(path))) {
      if (/^(?:https?|mailto):/.test(link)) continue;
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? path : normalize(join(dirname(path), file));
      expect(target, link).not.toMatch(/^\.\./);
      expect(existsSync(join(ROOT, target)), link).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(pageAt(target)), link).toContain(anchor);
    }
  });

  test.each([...PAGES.keys()])('%s: no line is longer than 120 columns, but in tables, output and links', (path) => {
    const isLink = (line: string) => /^\s*(?:[-*] |\d+\. )?!?\[[^\]]*\]\([^)]*\)[.,;:]?$/.test(line);
    const long = proseOf(pageAt(path), 'json|text')
      .split('\n')
      .filter((line) => [...line].length > 120 && !line.startsWith('|') && !isLink(line));
    expect(long).toEqual([]);
  });

  test('the README is short', () => {
    expect(pageAt('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(250);
  });

  test('the README names every page of docs/', () => {
    const pages = [...PAGES.keys()].filter((path) => /^docs\/[^/]+$/.test(path));
    expect(linksOf(pageAt('README.md'))).toEqual(expect.arrayContaining(pages));
  });

  test('a page of docs/ says first whom it is for', () => {
    for (const [path, page] of PAGES) if (/^docs\/[^/]+$/.test(path)) expect(page, path).toMatch(/^# .+\n\nFor /);
  });

  test('only files that there are', () => {
    const named = /`((?:src|durable-objects|domain|selfhost|bench|test|docs|\.ci|\.github)\/[\w./-]*)`/g;
    const paths = [...PAGES.values()].flatMap((page) => [...page.matchAll(named)].map(([, path = '']) => path));
    expect(paths.length).toBeGreaterThan(10);
    for (const path of paths) expect(existsSync(join(ROOT, path)), path).toBe(true);
  });

  test('only commands that there are', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    const all = [...PAGES.values()].join('\n');
    const used = [...all.matchAll(/npm run ([a-z:]+)/g)].map(([, name = '']) => name);
    expect(used).not.toEqual([]);
    for (const name of used) expect(scripts).toHaveProperty(name);
    for (const [, campaign = ''] of all.matchAll(/npm run soak -- ([a-z][\w-]*)/g)) {
      expect(existsSync(join(ROOT, `test/process/${campaign}/campaign.ts`)), campaign).toBe(true);
    }
  });
});

describe('the tables name what the program has', () => {
  test('every route, with its permission', async () => {
    const { operations } = await load('src/api/all-operations.ts');
    expect(operations).toBeInstanceOf(Array);
    const rows = (operations as readonly { method: string; path: string; permission: string }[]).map(
      ({ method, path, permission }) => `| \`${method}\` | \`${path}\` | \`${permission}\` |`,
    );
    const { HEALTH_PATHS } = await load('src/api/health/health.ts');
    const { DESCRIPTION_PATHS } = await load('src/api/openapi/served.ts');
    const open = [...(HEALTH_PATHS as readonly string[]), ...(DESCRIPTION_PATHS as readonly string[])];
    rows.push(...open.map((path) => `| \`GET\` | \`${path}\` | none |`));
    const shown = rowsOf(API, 'Method').map(([method, path, permission]) => `| ${method} | ${path} | ${permission} |`);
    expect(shown.toSorted()).toEqual(rows.toSorted());
  });

  test('every problem, with its status', () => {
    const byStatus = Object.entries(PROBLEMS).toSorted(([, a], [, b]) => a.status - b.status);
    const expected = byStatus.map(([code, { status }]) => [`${status}`, `\`${code}\``]);
    expect(rowsOf(API, 'Status', 'Code').map((row) => row.slice(0, 2))).toEqual(expected);
  });

  test('every verification code and warning', async () => {
    const { VERIFICATION_CODES } = await load('src/api/verification/schemas.ts');
    const codes = rowsOf(API, 'Code', 'Meaning').map(([code]) => code);
    expect(codes.sort()).toEqual((VERIFICATION_CODES as readonly string[]).map((code) => `\`${code}\``).sort());
    const source = readFileSync(join(ROOT, 'domain/keys/verification.ts'), 'utf8');
    const warnings = [...source.matchAll(/\| \{ readonly code: '(\w+)'/g)].map(([, code]) => `\`${code}\``);
    expect(warnings).not.toEqual([]);
    expect(rowsOf(API, 'Warning').map(([code]) => code)).toEqual(warnings);
  });

  test('every permission, with the roles that hold it', () => {
    const roles = Object.values(ROLES).map((permissions) => new Set<string>(permissions));
    const expected = PERMISSIONS.map((permission) => [
      `\`${permission}\``,
      ...roles.map((permissions) => (permissions.has(permission) ? 'yes' : '')),
    ]);
    const names = Object.keys(ROLES).map((role) => `\`${role}\``);
    expect(rowsOf(API, 'Permission', ...names)).toEqual(expected);
  });

  test('every action of the audit log', () => {
    expect(rowsOf(API, 'Action').map(([action]) => action)).toEqual(AUDIT_ACTIONS.map((action) => `\`${action}\``));
  });

  test('every variable', () => {
    const sources = ['src/config/config.ts', 'selfhost/settings.ts'].map((path) =>
      readFileSync(join(ROOT, path), 'utf8'),
    );
    const names = sources.flatMap((source) => [...source.matchAll(/readonly ([A-Z_]+)\?:|env\.([A-Z_]+)/g)]);
    const expected = new Set(names.map(([, variable, setting]) => `\`${variable ?? setting}\``));
    expect(expected.size).toBe(8);
    expect(new Set(rowsOf(pageAt('docs/configure.md'), 'Variable').map(([name]) => name))).toEqual(expected);
  });

  test('every tenant setting, with its default', () => {
    const shown = rowsOf(API, 'Setting').map(([name, value = '']) => [name, /^`[^`]*`/.exec(value)?.[0]]);
    expect(shown).toEqual(Object.entries(DEFAULT_SETTINGS).map(([name, value]) => [`\`${name}\``, `\`${value}\``]));
  });

  test('every attribute of an owner', async () => {
    const { ownerResource } = await load('src/api/owners/schemas.ts');
    const fields = Object.keys((ownerResource as { entries: object }).entries);
    expect(rowsOf(API, 'Attribute').map(([name]) => name)).toEqual(fields.map((name) => `\`${name}\``));
  });

  test('every field of a key, and every status', async () => {
    const { keyResource } = await load('src/api/keys/schemas.ts');
    const fields = Object.keys((keyResource as { entries: object }).entries);
    expect(rowsOf(API, 'Field').map(([name]) => name)).toEqual(fields.map((name) => `\`${name}\``));
    const statuses = rowsOf(API, 'Status', 'Meaning').map(([status]) => status);
    expect(statuses.toSorted()).toEqual(KEY_STATUSES.map((status) => `\`${status}\``).toSorted());
  });
});

describe.concurrent('what the pages say about key strings', () => {
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

    const expression = new RegExp(fenced('regex', KEY_FORMAT).trim(), 'g');
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

    const rules = fenced('toml', KEY_FORMAT);
    const [own, acme] = [...rules.matchAll(/^regex = '''(.*)'''$/gm)].map(([, source = '']) => new RegExp(source));
    const caught = (rule: RegExp | undefined) => keys.filter((key) => rule?.exec(`key: ${key};`)?.[1] === key);
    expect(caught(own)).toEqual([keys[0], body.secret]);
    expect(caught(acme)).toEqual([keys[1], keys[2]]);
    // The scanner looks at a text only if it contains one of the rule's keywords.
    const keywords = [...rules.matchAll(/^keywords = (.*)$/gm)].map(([, list = '']) => JSON.parse(list));
    expect(keywords).toEqual([
      ['ks_', 'ksm_'],
      ['acme_live_', 'acme_test_'],
    ]);
    // Go's expressions, which gitleaks uses, have no look-around and no back-references.
    for (const source of [fenced('regex', KEY_FORMAT), rules]) expect(source).not.toMatch(/\(\?[=!<]|\\[1-9]/);
  });

  test('every keyring entry signs keys that the expression matches', async () => {
    const { encodeBase62 } = await import('../../domain/key-string/base62.ts');
    const expression = new RegExp(`^${fenced('regex', KEY_FORMAT).trim()}$`);
    for (let entry = 1; entry <= 255; entry++) {
      for (const rest of [0, 255]) {
        const bytes = new Uint8Array(64).fill(rest, 4);
        bytes.set([1, entry, 0, 0]);
        expect(`ks_${encodeBase62(bytes, 86)}000000`).toMatch(expression);
      }
    }
  });
});

test.concurrent('a backup of the running server, made as the page says, can be restored', async () => {
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
  const [step] = stepsOf('backup', pageAt('docs/operate.md'));
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

test.concurrent('a backup that cannot be made says so in one line, and writes nothing', async () => {
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
