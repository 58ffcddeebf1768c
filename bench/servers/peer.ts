/** The peer that Keystead is compared with, where it is installed (Keystead does not depend on it). */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ChildServer } from './child.ts';

const FOLDER = join(import.meta.dirname, '../peers/better-auth');
/** As many keys as the compared tenant of Keystead has. */
const KEYS = 1000;

export const PEER_INSTALLATION = 'npm ci --prefix bench/peers/better-auth';

export type Peer = AsyncDisposable & { readonly server: ChildServer; readonly keys: readonly string[] };

export function isPeerInstalled(): boolean {
  return existsSync(join(FOLDER, 'node_modules/better-auth'));
}

/** Starts better-auth with its files in the given folder. */
export async function startPeer(folder: string, rateLimit: 'on' | 'off'): Promise<Peer> {
  mkdirSync(folder, { recursive: true });
  const server = await ChildServer.start(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    join(FOLDER, 'server.ts'),
    folder,
    rateLimit,
    String(KEYS),
  ]);
  const keys: unknown = Reflect.get(server.announcement, 'keys');
  if (!Array.isArray(keys)) throw new Error('the peer has made no keys');
  return { server, keys: keys.map(String), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
