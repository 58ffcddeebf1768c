/** Lines that fit a screen: at most 120 columns in code, comments, SQL and prose. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './server.ts';

const COLUMNS_MAX = 120;
/** What somebody reads, by the end of its name. */
const READ_BY_PEOPLE = /\.(?:ts|mjs|md|sh|toml|capnp|yml|example)$|\/\.ci\/run$/;
/** What is made by programs: databases of an earlier version, and what others publish. */
const MADE_BY_PROGRAMS = /\/(?:node_modules|\.git|\.wrangler|\.keystead|data-[\d.]+)(?:\/|$)/;

const FILES = readdirSync(ROOT, { recursive: true, encoding: 'utf8', withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
  .filter((path) => READ_BY_PEOPLE.test(path) && !MADE_BY_PROGRAMS.test(path));

/** Rows of tables cannot be broken, nor can a link that stands alone. */
const mayBeLong = (line: string, path: string) =>
  path.endsWith('.md') && (line.startsWith('|') || /^\S*\]?\(?https?:\S+$/.test(line.trim()));

test('no line is longer than 120 columns, but for rows of tables and links', () => {
  expect(FILES.length).toBeGreaterThan(200);
  const long = FILES.flatMap((path) =>
    readFileSync(path, 'utf8')
      .split('\n')
      .flatMap((line, index) =>
        line.length > COLUMNS_MAX && !mayBeLong(line, path) ? [`${path.slice(ROOT.length)}:${index + 1}`] : [],
      ),
  );
  expect(long).toEqual([]);
});
