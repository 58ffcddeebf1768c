/**
 * Builds dist/index.js, the bundle that the runtime serves. Wrangler makes it exactly as for a deployment, but without
 * network access or telemetry, and writes nothing outside the project. The new bundle replaces the old one in one step,
 * so two starts at the same time do no harm.
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
/** Everything that the bundle is made from. A folder counts with all its files. */
export const SOURCES = ['src', 'durable-objects', 'domain', 'wrangler.toml', 'package.json', 'package-lock.json'];
const WRANGLER = join(ROOT, 'node_modules/wrangler/bin/wrangler.js');
/** Wrangler's own folder for temporary files; git ignores it. */
const WORK_FOLDER = join(ROOT, '.wrangler');

/** Builds the bundle unless the present one was made from exactly these sources. */
export async function ensureBuilt(signal: AbortSignal): Promise<void> {
  const built = sourcesOfBundle();
  if (built === digestOfSources()) return;
  if (mayWrite()) return build(signal);
  // In another user's checkout, a bundle of other sources would be a different program from the one that is there.
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

/**
 * Returns the digest of the sources that the bundle names in its last line, or null when there is no readable bundle.
 */
function sourcesOfBundle(): string | null {
  try {
    return /\/\/ sources: ([0-9a-f]{64})\n$/.exec(readFileSync(BUNDLE, 'utf8'))?.[1] ?? null;
  } catch {
    return null;
  }
}

/**
 * Returns a digest of the sources' names and contents. Modification times say nothing once files were copied or checked
 * out.
 */
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

/** Builds the bundle. Wrangler's output is shown only when it fails. */
export async function build(signal?: AbortSignal): Promise<void> {
  if (!existsSync(WRANGLER)) throw new StartupError('the dependencies are not installed: run npm ci first');
  if (!mayWrite()) throw new StartupError(`this user may not write to ${ROOT}: run npm run build there as its owner`);
  // Taken before wrangler reads the sources: if they change meanwhile, the next start builds again.
  const sources = digestOfSources();
  const outdir = join(WORK_FOLDER, `bundle-${process.pid}`);
  try {
    await runWrangler(['deploy', '--dry-run', '--outdir', outdir], signal);
    const bundle = join(outdir, 'index.js');
    appendFileSync(bundle, `\n// sources: ${sources}\n`);
    // Readable by every user, whatever the umask, because it contains no secret.
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
