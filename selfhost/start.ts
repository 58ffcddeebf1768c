/**
 * `npm start`: Keystead on one machine, without Cloudflare. Makes what is missing (bundle, data folder, secrets), starts the runtime and stays until it is told
 * to stop. Whatever the operator has to put right is one line on stderr and exit code 1.
 */
import { ensureBuilt } from './build.ts';
import { DataDirectory } from './data-directory.ts';
import { loadSecrets, type Secrets } from './secrets.ts';
import { Server } from './server.ts';
import { isLoopback, readSettings, requireFreePort, type Settings } from './settings.ts';
import { errorCode, StartupError } from './startup-error.ts';
import { shellQuoted, storedToken, WALKTHROUGH_HEADING, walkthrough } from './walkthrough.ts';

/** Everything that this and the runtime write is for the owner alone. */
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
  await directory.open();
  await requireFreePort(settings);
  const secrets = loadSecrets(process.env, directory);
  await ensureBuilt(signal);
  signal.throwIfAborted();
  // Stored before they are used, shown only once the server works: they are in the file, should anything fail in between.
  secrets.store();
  const server = await Server.start(settings, directory.objectsPath, secrets);
  directory.noteServer(server.pid);
  if (await server.ready(signal)) announce(settings, server, secrets, directory);
  const how = await stopped(server, signal);
  directory.close();
  if (how !== null) throw new StartupError(`the server ended by itself (${how})`);
}

/** Waits until the server has ended: null when it was told to, else how it did. */
async function stopped(server: Server, signal: AbortSignal): Promise<string | null> {
  if (!signal.aborted) {
    const aborted = new Promise<null>((done) => signal.addEventListener('abort', () => done(null), { once: true }));
    const how = await Promise.race([server.ended(), aborted]);
    if (how !== null) return signal.aborted ? null : how;
  }
  await server.stop();
  return null;
}

function announce({ host }: Settings, server: Server, { values, origins }: Secrets, directory: DataDirectory): void {
  console.log(`\nKeystead is ready on ${server.url}, with its data in ${directory.path}`);
  if (!isLoopback(host)) console.log('It speaks plain HTTP: put a proxy with TLS in front before others use it.');
  if (Object.values(origins).includes('generated')) {
    console.log(
      `Secrets were generated and are in ${directory.secretsPath}. Back it up: without them no key verifies.`,
    );
  }
  if (origins.ADMIN_TOKEN === 'generated') console.log(`Admin token, shown this once: ${values.ADMIN_TOKEN}`);
  if (values.ADMIN_TOKEN === '') {
    console.log('ADMIN_TOKEN is not set: only management keys come in.\nCtrl-C stops the server.');
    return;
  }
  console.log(`\n${WALKTHROUGH_HEADING}\n`);
  console.log(`${walkthrough(server.url, tokenWord(values, origins, directory)).join('\n')}\n`);
  console.log('Ctrl-C stops the server.');
}

/** How the pasted lines come by the token: on the run that made it, it stands in them. */
function tokenWord(values: Secrets['values'], origins: Secrets['origins'], directory: DataDirectory): string {
  switch (origins.ADMIN_TOKEN) {
    case 'generated':
      return shellQuoted(values.ADMIN_TOKEN);
    case 'stored':
      return storedToken(directory.secretsPath);
    case 'environment':
      return '"$ADMIN_TOKEN"';
  }
}

function unexpected(error: unknown): string {
  return `unexpected failure (${errorCode(error) ?? (error instanceof Error ? error.name : typeof error)})`;
}
