/**
 * The bundle that the runtime serves, dist/index.js: made by wrangler exactly as for a deployment, without network, telemetry or anything written
 * outside the project. It replaces the old one in one step, so two starts at once do no harm.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  accessSync,
  appendFileSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { StartupError } from './startup-error.ts';

const ROOT = join(import.meta.dirname, '..');
const BUNDLE = join(ROOT, 'dist/index.js');
/** What the bundle is made from. Folders count with all they hold. */
const SOURCES = ['src', 'durable-objects', 'domain', 'wrangler.toml', 'package-lock.json'];
const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js');
/** Ignored by git; wrangler's own folder for what it need not keep. */
const WORK_FOLDER = join(ROOT, '.wrangler');

/** Builds the bundle unless the one that there is was made from just these sources. */
export async function ensureBuilt(signal: AbortSignal): Promise<void> {
  const built = sourcesOfBundle();
  if (built === digestOfSources()) return;
  if (mayWrite()) return build(signal);
  // Another user's checkout: a bundle of other sources would be another program than the one that lies here.
  const what = built === null ? 'there is no bundle yet' : 'the bundle was made from other sources';
  throw new StartupError(`${what}, and this user may not write to ${ROOT}: run npm run build there as its owner`);
}

/** Whether this user can build here. */
function mayWrite(): boolean {
  try {
    for (const folder of [ROOT, dirname(BUNDLE), WORK_FOLDER]) {
      if (folder === ROOT || existsSync(folder)) accessSync(folder, constants.W_OK | constants.X_OK);
    }
    return true;
  } catch {
    return false;
  }
}

/** What the bundle says that it was made from; null when there is none that can be read. */
function sourcesOfBundle(): string | null {
  try {
    return /\/\/ sources: ([0-9a-f]{64})\n$/.exec(readFileSync(BUNDLE, 'utf8'))?.[1] ?? null;
  } catch {
    return null;
  }
}

/** Digest of all that the bundle is made from, by names and contents: times tell nothing once files have been copied or checked out. */
function digestOfSources(): string {
  const hash = createHash('sha256');
  for (const path of SOURCES.flatMap((source) => filesIn(source)).sort()) {
    const content = readFileSync(join(ROOT, path));
    hash.update(`${path}\n${content.length}\n`).update(content);
  }
  return hash.digest('hex');
}

function filesIn(path: string): string[] {
  if (!statSync(join(ROOT, path)).isDirectory()) return [path];
  return readdirSync(join(ROOT, path)).flatMap((name) => filesIn(`${path}/${name}`));
}

/** Builds the bundle; wrangler's output is shown only when it fails. */
export async function build(signal?: AbortSignal): Promise<void> {
  if (!existsSync(WRANGLER)) throw new StartupError('the dependencies are not installed: run npm ci first');
  if (!mayWrite()) throw new StartupError(`this user may not write to ${ROOT}: run npm run build there as its owner`);
  // The sources as of now: what changes while wrangler reads them makes the bundle one of other sources.
  const sources = digestOfSources();
  const outdir = join(WORK_FOLDER, `bundle-${process.pid}`);
  try {
    await runWrangler(['deploy', '--dry-run', '--outdir', outdir], signal);
    const bundle = join(outdir, 'index.js');
    appendFileSync(bundle, `\n// sources: ${sources}\n`);
    // For every user that may read the sources, whatever the umask: there is nothing secret in it.
    chmodSync(bundle, 0o644);
    if (!existsSync(dirname(BUNDLE))) mkdirSync(dirname(BUNDLE));
    chmodSync(dirname(BUNDLE), 0o755);
    renameSync(bundle, BUNDLE);
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

async function runWrangler(args: readonly string[], signal?: AbortSignal): Promise<void> {
  const home = join(WORK_FOLDER, 'home');
  const { ADMIN_TOKEN: _token, ENCRYPTION_KEY: _encryption, HMAC_SECRET: _hmac, ...env } = process.env;
  const wrangler = spawn(process.execPath, [WRANGLER, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...env,
      HOME: home,
      XDG_CONFIG_HOME: home,
      WRANGLER_SEND_METRICS: 'false',
      WRANGLER_SEND_ERROR_REPORTS: 'false',
      // The banner looks for a newer version on the network.
      WRANGLER_HIDE_BANNER: 'true',
      WRANGLER_WRITE_LOGS: 'false',
      WRANGLER_LOG_PATH: join(home, 'logs'),
    },
    ...(signal === undefined ? {} : { signal }),
  });
  const output: Buffer[] = [];
  wrangler.stdout.on('data', (chunk: Buffer) => output.push(chunk));
  wrangler.stderr.on('data', (chunk: Buffer) => output.push(chunk));
  const [exitCode] = await once(wrangler, 'close');
  if (exitCode === 0) return;
  process.stderr.write(Buffer.concat(output));
  throw new StartupError('the bundle could not be built; what wrangler says stands above');
}

if (import.meta.main) {
  try {
    await build();
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    console.error(`keystead: ${error.message}`);
    process.exitCode = 1;
  }
}
