/**
 * What the launcher prints when the server is ready. A person at a terminal gets sentences, and at the first start also
 * lines to paste. Without a terminal, the output is kept (by a journal, by a container engine) and read by programs. It
 * is then one line in the format of the log, without the token.
 */
import { firstCall, type TokenSource, WALKTHROUGH_HEADING, walkthrough } from './walkthrough.ts';

export type Ready = {
  readonly url: string;
  readonly dataDir: string;
  readonly secretsPath: string;
  readonly adminToken: {
    /** Empty when there is none. */
    readonly value: string;
    readonly origin: 'environment' | 'stored' | 'generated';
  };
  readonly hasGeneratedSecrets: boolean;
  /** Whether there was no data before this start. */
  readonly isFirstStart: boolean;
  /** Whether other machines can reach the server. */
  readonly isExposed: boolean;
};

export function toTerminal(ready: Ready): string[] {
  const { url, secretsPath, adminToken } = ready;
  const lines = ['', `Keystead is ready on ${url}, with its data in ${ready.dataDir}`];
  if (ready.isExposed) lines.push('It speaks plain HTTP: put a proxy with TLS in front before others use it.');
  if (ready.hasGeneratedSecrets) {
    lines.push(`Secrets were generated and are in ${secretsPath}. Back it up: without them no key verifies.`);
  }
  if (adminToken.origin === 'generated') lines.push(`Admin token, shown this once: ${adminToken.value}`);
  if (adminToken.value === '') lines.push('ADMIN_TOKEN is not set: only management keys come in.');
  else if (ready.isFirstStart) {
    lines.push('', WALKTHROUGH_HEADING, '', ...walkthrough(url, tokenSource(ready)), '');
  } else {
    lines.push(`Try it: ${firstCall(url, tokenSource(ready))}`);
  }
  return [...lines, 'Ctrl-C stops the server.'];
}

export function toLog(ready: Ready, time: Date): string {
  const { url, dataDir, secretsPath, adminToken } = ready;
  const fields = { time: time.toISOString(), level: 'info', event: 'ready', url, dataDir };
  if (adminToken.value === '') return JSON.stringify({ ...fields, adminToken: 'not set' });
  const where = adminToken.origin === 'environment' ? 'in the environment variable ADMIN_TOKEN' : `in ${secretsPath}`;
  return JSON.stringify({ ...fields, adminToken: where, try: firstCall(url, tokenSource(ready)) });
}

function tokenSource({ adminToken, secretsPath }: Ready): TokenSource {
  return adminToken.origin === 'environment' ? 'environment' : { secretsPath };
}
