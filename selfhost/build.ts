/**
 * The bundle that the runtime serves, dist/index.js: made by wrangler exactly as for a deployment, without network, telemetry or anything written
 * outside the project. It replaces the old one in one step, so two starts at once do no harm.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { StartupError } from './startup-error.ts';

const ROOT = join(import.meta.dirname, '..');
const BUNDLE = join(ROOT, 'dist/index.js');
/** What the bundle is made from. Folders count with all they hold. */
const SOURCES = ['src', 'durable-objects', 'wrangler.toml', 'package-lock.json'];
const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js');
/** Ignored by git; wrangler's own folder for what it need not keep. */
const WORK_FOLDER = join(ROOT, '.wrangler');

/** Builds the bundle unless there is one that is newer than all its sources. */
export async function ensureBuilt(signal: AbortSignal): Promise<void> {
  if (isStale()) await build(signal);
}

function isStale(): boolean {
  if (!existsSync(BUNDLE)) return true;
  const builtAt = statSync(BUNDLE).mtimeMs;
  return SOURCES.some((source) => newestIn(join(ROOT, source)) >= builtAt);
}

/** Latest modification (ms) of a file or of anything in a folder; folders count themselves, since a file removed changes only them. */
function newestIn(path: string): number {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(path).map((name) => newestIn(join(path, name))));
}

/** Builds the bundle; wrangler's output is shown only when it fails. */
export async function build(signal?: AbortSignal): Promise<void> {
  if (!existsSync(WRANGLER)) throw new StartupError('the dependencies are not installed: run npm ci first');
  // The sources as of now: what changes while wrangler reads them makes the bundle stale.
  const startedAt = new Date();
  const outdir = join(WORK_FOLDER, `bundle-${process.pid}`);
  try {
    await runWrangler(['deploy', '--dry-run', '--outdir', outdir], signal);
    const bundle = join(outdir, 'index.js');
    utimesSync(bundle, startedAt, startedAt);
    mkdirSync(join(ROOT, 'dist'), { recursive: true });
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
