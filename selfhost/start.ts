/**
 * `npm start`: Keystead on one machine, without Cloudflare. It makes what is missing (bundle, data folder, secrets),
 * starts the runtime and stays until it is told to stop. A problem that the operator has to solve is reported as one
 * line on stderr, with exit code 1.
 */
import { toLog, toTerminal } from './announcement.ts';
import { ensureBuilt } from './build.ts';
import { DataDirectory } from './data-directory.ts';
import { type Report, Reserve } from './reserve.ts';
import { loadSecrets, type Secrets } from './secrets.ts';
import { Server } from './server.ts';
import { isLoopback, readSettings, requireFreePort, type Settings } from './settings.ts';
import { errorCode, StartupError } from './startup-error.ts';

/** Only the owner may read what this process and the runtime write. */
process.umask(0o077);

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stopping.abort());

try {
  await run(stopping.signal);
  process.exit(0);
} catch (error) {
  // A signal during the start interrupts whatever was under way.
  if (stopping.signal.aborted) process.exit(0);
  console.error(`keystead: ${error instanceof StartupError ? error.message : unexpected(error)}`);
  process.exit(1);
}

async function run(signal: AbortSignal): Promise<void> {
  const settings = await readSettings(process.env);
  const directory = new DataDirectory(settings.dataDir);
  Reserve.relieve(directory.path);
  await directory.open();
  await requireFreePort(settings);
  const secrets = loadSecrets(process.env, directory);
  await ensureBuilt(signal);
  signal.throwIfAborted();
  // Stored before they are used but shown only when the server works. If anything fails in between, they are in the
  // file.
  secrets.store();
  const isFirstStart = !directory.hasData();
  const reserve = Reserve.keep(directory.path, logReserve(secrets.logLevel));
  const server = await Server.start(settings, { objects: directory.objectsPath, reserve: reserve.path }, secrets);
  directory.noteServer(server.pid);
  if (await server.ready(signal, () => reserve.isOpen)) {
    announce(settings, server.url, secrets, directory, isFirstStart);
  }
  const how = await stopped(server, signal);
  reserve.close();
  directory.close();
  if (how !== null) throw new StartupError(`the server ended by itself (${how})`);
}

/** Waits until the server has ended. Returns null when it was told to, else how it ended. */
async function stopped(server: Server, signal: AbortSignal): Promise<string | null> {
  if (!signal.aborted) {
    const aborted = new Promise<null>((done) => signal.addEventListener('abort', () => done(null), { once: true }));
    const how = await Promise.race([server.ended(), aborted]);
    if (how !== null) return signal.aborted ? null : how;
  }
  await server.stop();
  return null;
}

function announce({ host }: Settings, url: string, secrets: Secrets, directory: DataDirectory, isFirstStart: boolean) {
  const { values, origins } = secrets;
  const ready = {
    url,
    dataDir: directory.path,
    secretsPath: directory.secretsPath,
    adminToken: { value: values.ADMIN_TOKEN, origin: origins.ADMIN_TOKEN },
    hasGeneratedSecrets: Object.values(origins).includes('generated'),
    isFirstStart,
    isExposed: !isLoopback(host),
  };
  console.log(process.stdout.isTTY ? toTerminal(ready).join('\n') : toLog(ready, new Date()));
}

/** Reports on the disk in the log, in the format of the Worker's entries. */
function logReserve(logLevel: string | undefined): Report {
  if (logLevel === 'error' || logLevel === 'silent') return () => {};
  return (event, freeBytes) => {
    const level = event === 'storage_has_room' ? 'info' : 'warn';
    if (level === 'info' && logLevel === 'warn') return;
    const line = JSON.stringify({ time: new Date().toISOString(), level, event, freeBytes });
    if (level === 'info') console.log(line);
    else console.error(line);
  };
}

function unexpected(error: unknown): string {
  if (errorCode(error) === 'ENOSPC') return 'the disk is full: make room first';
  return `unexpected failure (${errorCode(error) ?? (error instanceof Error ? error.name : typeof error)})`;
}
