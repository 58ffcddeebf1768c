/** Lines that fit a screen: at most 120 columns in code, comments and SQL. For prose see docs.test.ts. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './server.ts';

const COLUMNS_MAX = 120;
/** What somebody reads, by the end of its name. */
const READ_BY_PEOPLE = /\.(?:ts|mjs|sh|toml|capnp|yml|example)$|\/\.ci\/run$/;
/** What is made by programs: databases of an earlier version, and what others publish. */
const MADE_BY_PROGRAMS = /\/(?:node_modules|dist|\.git|\.wrangler|\.keystead|data-[\d.]+)(?:\/|$)/;

const FILES = readdirSync(ROOT, { recursive: true, encoding: 'utf8', withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
  .filter((path) => READ_BY_PEOPLE.test(path) && !MADE_BY_PROGRAMS.test(path));

test('no line is longer than 120 columns', () => {
  expect(FILES.length).toBeGreaterThan(200);
  const long = FILES.flatMap((path) =>
    readFileSync(path, 'utf8')
      .split('\n')
      .flatMap((line, index) => (line.length > COLUMNS_MAX ? [`${path.slice(ROOT.length)}:${index + 1}`] : [])),
  );
  expect(long).toEqual([]);
});
