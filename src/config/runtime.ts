/** What the Worker makes of its configuration once per isolate: parsed keyrings and the services that hold the imported keys. */
import { type Authenticator, adminTokenAuthenticator } from '../callers/authenticate.ts';
import type { Env } from '../env.ts';
import { CursorSigner } from '../secrets/cursor.ts';
import { Memo } from '../secrets/derived-key.ts';
import { Sealer } from '../secrets/envelope.ts';
import { KeySigner } from '../secrets/key-signer.ts';
import { type ConfigProblem, parseConfig } from './config.ts';

export type Runtime = {
  readonly authenticator: Authenticator;
  readonly signer: KeySigner;
  readonly sealer: Sealer;
  readonly cursors: CursorSigner;
  /** The prefix that a tenant's keys had last: a guess that spares a call, checked by the tenant's object. */
  readonly prefixGuesses: Memo<{ prefix: string }>;
};

const TENANTS_REMEMBERED = 10_000;
const runtimes = new WeakMap<Env, Runtime | ConfigProblem[]>();

/** The runtime for this environment, or what is wrong with its configuration. */
export function runtimeOf(env: Env): Runtime | ConfigProblem[] {
  const known = runtimes.get(env);
  if (known !== undefined) return known;
  const config = parseConfig(env);
  const runtime = Array.isArray(config)
    ? config
    : {
        authenticator: adminTokenAuthenticator(config.adminToken),
        signer: new KeySigner(config.hmac),
        sealer: new Sealer(config.encryption),
        cursors: new CursorSigner(config.hmac),
        prefixGuesses: new Memo<{ prefix: string }>(TENANTS_REMEMBERED),
      };
  runtimes.set(env, runtime);
  return runtime;
}
