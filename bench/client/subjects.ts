/** What the client's verification by leases is compared with. Peers are measured where they are installed. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Child } from './child.ts';
import type { Setup } from './protocol.ts';

export type Subject = {
  readonly name: string;
  /** What its process calls it. */
  readonly kind: string;
  /** How many times as fast verification by leases has to be; null when it is shown only. */
  readonly factor: number | null;
  readonly child: Child;
};

const PEERS = join(import.meta.dirname, '../peers');
export const HTTP_FACTOR = 100;

const JWT = [
  { name: 'JWT by jose', library: 'jose', factor: 1 },
  { name: 'JWT by jsonwebtoken', library: 'jsonwebtoken', factor: 1 },
  { name: 'JWT by fast-jwt with its cache', library: 'fast-jwt', factor: 1 },
  { name: 'JWT by fast-jwt, cached by the token itself', library: 'fast-jwt by token', factor: null },
] as const;

const BETTER_AUTH = [
  { name: 'better-auth in-process, memory adapter', storage: 'database' },
  { name: 'better-auth in-process, secondary storage', storage: 'secondary-storage' },
] as const;

export type Subjects = {
  /** Verification by leases of the client's own. */
  readonly leased: Subject;
  readonly others: readonly Subject[];
  readonly notes: readonly string[];
};

export async function startSubjects(setup: Setup, stack: DisposableStack): Promise<Subjects> {
  const keys = String(setup.keys.length);
  const notes: string[] = [];
  const keystead = stack.use(await Child.start(join(import.meta.dirname, 'keystead.ts'), [], setup));
  const others: Subject[] = [{ name: 'the client over HTTP', kind: 'HTTP', factor: HTTP_FACTOR, child: keystead }];
  const add = async (peer: string, program: string, name: string, kind: string, factor: number | null) => {
    const args = peer === 'jwt' ? [kind, keys] : [keys, kind];
    others.push({ name, kind, factor, child: stack.use(await Child.start(join(PEERS, peer, program), args)) });
  };
  const isThere = (peer: string) => {
    if (existsSync(join(PEERS, peer, 'node_modules'))) return true;
    notes.push(`what the client is compared with is missing; to have it: npm ci --prefix bench/peers/${peer}`);
    return false;
  };
  if (isThere('jwt')) {
    for (const { name, library, factor } of JWT) await add('jwt', 'subject.ts', name, library, factor);
  }
  if (isThere('better-auth')) {
    for (const { name, storage } of BETTER_AUTH) await add('better-auth', 'in-process.ts', name, storage, 1);
  }
  return { leased: { name: 'the client by leases', kind: 'leased', factor: null, child: keystead }, others, notes };
}
