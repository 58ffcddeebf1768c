/**
 * `npm run sabotage [-- <words of a name>]` breaks a copy of the program in one known way after another (list.ts) and
 * checks that the tests notice. It prints the tests that noticed each. The exit code is 1 when a sabotage goes
 * unnoticed, no longer fits the program, or keeps a test file from loading.
 *
 * The checkout itself is never changed. Everything happens in a copy in the machine's temporary folder, which shares
 * the dependencies.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SABOTAGES, type Sabotage } from './list.ts';

const ROOT = join(import.meta.dirname, '../..');

type Run = {
  /** The names of the tests that failed. */
  readonly failed: readonly string[];
  /** Files without a result, for example because they do not load. */
  readonly broken: readonly string[];
};

type Suite = {
  readonly name: string;
  readonly message: string;
  readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
};

/** Copies the files of the checkout that git does not ignore. */
async function copyTree(to: string): Promise<void> {
  const git = spawn('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
  let listed = '';
  for await (const text of git.stdout.setEncoding('utf8')) listed += text;
  for (const file of listed.split('\0')) {
    if (file !== '' && existsSync(join(ROOT, file))) cpSync(join(ROOT, file), join(to, file), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(to, 'node_modules'));
}

async function runTests(tree: string, files: readonly string[]): Promise<Run> {
  const report = join(tree, 'sabotage-report.json');
  rmSync(report, { force: true });
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'test/vitest.config.ts'];
  const reporters = ['--reporter=json', `--outputFile=${report}`];
  const vitest = spawn(process.execPath, [...args, ...reporters, ...files], { cwd: tree, stdio: 'ignore' });
  await once(vitest, 'close');
  if (!existsSync(report)) return { failed: [], broken: files };
  const { testResults }: { testResults: readonly Suite[] } = JSON.parse(readFileSync(report, 'utf8'));
  const failed = testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName }) => `${name.slice(tree.length + 1)}: ${fullName}`),
  );
  const isBroken = (file: string) =>
    !testResults.some(({ name, assertionResults }) => name.endsWith(file) && assertionResults.length > 0);
  return { failed, broken: files.filter(isBroken) };
}

/** Applies a sabotage to the copy and returns a function that undoes it. Throws when the sabotage does not fit. */
function apply(tree: string, { file, patches }: Sabotage): () => void {
  const path = join(tree, file);
  const original = readFileSync(path, 'utf8');
  let text = original;
  for (const [old, replacement] of patches) {
    const places = text.split(old).length - 1;
    if (places !== 1) throw new Error(`its text is in ${file} ${places} times: ${old}`);
    text = text.replace(old, () => replacement);
  }
  writeFileSync(path, text);
  return () => writeFileSync(path, original);
}

const wanted = process.argv.slice(2).join(' ').toLowerCase();
const chosen = SABOTAGES.filter(({ name }) => name.toLowerCase().includes(wanted));
if (chosen.length === 0) {
  console.error(`No sabotage has "${wanted}" in its name. There are:`);
  for (const { name } of SABOTAGES) console.error(`  ${name}`);
  process.exit(2);
}

const tree = mkdtempSync(join(tmpdir(), 'keystead-sabotage-'));
let missed = 0;
try {
  await copyTree(tree);
  const files = [...new Set(chosen.flatMap(({ noticedBy }) => noticedBy))];
  const honest = await runTests(tree, files);
  const fine = honest.failed.length === 0 && honest.broken.length === 0;
  if (!fine) missed += 1;
  console.log(`without sabotage: ${fine ? 'all pass' : `FAILED ${[...honest.failed, ...honest.broken].join('; ')}`}`);
  console.log('\n| sabotage | caught by | seconds |\n|---|---|---|');
  for (const sabotage of chosen) {
    const startedAt = Date.now();
    const caughtBy = await outcome(sabotage, new Set(honest.failed));
    if (caughtBy.startsWith('**')) missed += 1;
    console.log(`| ${sabotage.name} | ${caughtBy} | ${Math.round((Date.now() - startedAt) / 1000)} |`);
  }
} finally {
  rmSync(tree, { recursive: true, force: true });
}
console.log(`\n${chosen.length} sabotages, ${missed} not as they should be`);
process.exitCode = missed === 0 ? 0 : 1;

/** A cell of the table: the tests that noticed, or in bold what is wrong. */
async function outcome(sabotage: Sabotage, failedBefore: ReadonlySet<string>): Promise<string> {
  let undo: () => void;
  try {
    undo = apply(tree, sabotage);
  } catch (error) {
    return `**does not fit: ${error instanceof Error ? error.message.replaceAll('\n', ' ') : error}**`;
  }
  try {
    const { failed, broken } = await runTests(tree, sabotage.noticedBy);
    const noticed = failed.filter((name) => !failedBefore.has(name));
    if (broken.length > 0) return `**gave no result: ${broken.join(', ')}**`;
    if (noticed.length === 0) return '**NOT NOTICED**';
    const byFile = Map.groupBy(noticed, (name) => name.slice(0, name.indexOf(':')));
    const some = [...byFile.values()].flatMap((names) => names.slice(0, 3));
    return `${some.join('; ')}${noticed.length > some.length ? ` and ${noticed.length - some.length} more` : ''}`;
  } finally {
    undo();
  }
}
