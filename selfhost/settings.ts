/**
 * Where the server listens and keeps its data: PORT, HOST and DATA_DIR. An empty variable counts as not set, because
 * container tools pass unset variables on as empty ones.
 */
import { lookup } from 'node:dns/promises';
import { createServer } from 'node:net';
import { resolve } from 'node:path';
import { errorCode, StartupError } from './startup-error.ts';

export type Settings = {
  /** An IP address; names have been resolved. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Absolute. */
  readonly dataDir: string;
};

const DEFAULT_PORT = '8787';
/** This machine only. The server speaks plain HTTP, so opening it to other machines must be a decision. */
const DEFAULT_HOST = '127.0.0.1';
const DEFAULT_DATA_DIR = '.keystead';
const PORT_MAX = 65_535;

export async function readSettings(env: NodeJS.ProcessEnv): Promise<Settings> {
  const port = env.PORT || DEFAULT_PORT;
  if (!/^\d{1,5}$/.test(port) || Number(port) > PORT_MAX) {
    throw new StartupError(`PORT must be a whole number from 0 to ${PORT_MAX} (0 for any free port)`);
  }
  return {
    host: await addressOf(env.HOST || DEFAULT_HOST),
    port: Number(port),
    dataDir: dataDirOf(env),
  };
}

/** Absolute. */
export function dataDirOf(env: NodeJS.ProcessEnv): string {
  return resolve(env.DATA_DIR || DEFAULT_DATA_DIR);
}

/** Resolved here, because the runtime's own notation for addresses allows more than an address. */
async function addressOf(host: string): Promise<string> {
  try {
    return (await lookup(host.replace(/^\[(.*)\]$/, '$1'))).address;
  } catch {
    throw new StartupError('HOST is neither an IP address nor a name that resolves to one');
  }
}

/** Returns an IP address and port in the form that URLs and the runtime use. */
export function hostAndPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Returns the address under which this machine reaches a server that listens on `host`. */
export function reachableHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

export function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.');
}

/**
 * Refuses an address that cannot be listened on. It says so more clearly than the runtime would, and before anything is
 * written.
 */
export async function requireFreePort({ host, port }: Settings): Promise<void> {
  const server = createServer();
  const listening = new Promise<void>((done, failed) => {
    server.once('error', failed).listen({ host, port, exclusive: true }, done);
  });
  try {
    await listening;
    await new Promise((done) => server.close(done));
  } catch (error) {
    throw new StartupError(listenProblem(errorCode(error), host, port));
  }
}

function listenProblem(code: string | undefined, host: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} on ${host} is taken: stop what uses it, or set PORT`;
    case 'EACCES':
      return `port ${port} may not be used by this user: set PORT to 1024 or more`;
    case 'EADDRNOTAVAIL':
      return `HOST ${host} is not an address of this machine`;
    default:
      return `cannot listen on ${hostAndPort(host, port)} (${code ?? 'unknown error'})`;
  }
}
