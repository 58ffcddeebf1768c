/** What the Worker makes of its configuration once per isolate: parsed keyrings and the services that hold the imported keys. */

import type { LogLevel } from '../../durable-objects/log.ts';
import { LruCache } from '../../domain/memory/lru-cache.ts';
import { locatorOf, objectNameOf, SYSTEM_TENANT_ID } from '../../domain/tenants/locator.ts';
import { Authenticator } from '../auth/authenticator.ts';
import type { Env } from '../env.ts';
import { LeaseCache } from '../../domain/leases/cache.ts';
import { TenantMemory } from '../object-client.ts';
import { CursorSigner } from '../crypto/cursor.ts';
import { Sealer } from '../crypto/envelope.ts';
import { KeySigner } from '../crypto/key-signer.ts';
import { SignatureCache } from '../verify/signature-cache.ts';
import { type Config, type ConfigProblem, parseConfig } from './config.ts';

export type Runtime = {
  readonly logLevel: LogLevel;
  /** Whether `ADMIN_TOKEN` is set. */
  readonly hasAdminToken: boolean;
  readonly authenticator: Authenticator;
  readonly signer: KeySigner;
  readonly sealer: Sealer;
  readonly cursors: CursorSigner;
  readonly signatures: SignatureCache;
  readonly leases: LeaseCache;
  readonly tenants: TenantMemory;
  /** Name of the object of the management keys. */
  readonly systemObjectName: Promise<string>;
  /** The prefix that a tenant's keys had last: a guess that spares a call, checked by the tenant's object. */
  readonly prefixGuesses: LruCache<{ prefix: string }>;
};

const runtimes = new WeakMap<Env, Runtime | ConfigProblem[]>();

/** The runtime for this environment, or what is wrong with its configuration. */
export function runtimeOf(env: Env): Runtime | ConfigProblem[] {
  const known = runtimes.get(env);
  if (known !== undefined) return known;
  const config = parseConfig(env);
  const runtime = Array.isArray(config) ? config : makeRuntime(config);
  runtimes.set(env, runtime);
  return runtime;
}

function makeRuntime({ adminToken, encryption, hmac, logLevel }: Config): Runtime {
  return {
    logLevel,
    hasAdminToken: adminToken !== null,
    authenticator: new Authenticator(adminToken),
    signer: new KeySigner(hmac),
    sealer: new Sealer(encryption),
    cursors: new CursorSigner(hmac),
    signatures: new SignatureCache(),
    leases: new LeaseCache(),
    tenants: new TenantMemory(),
    systemObjectName: locatorOf(SYSTEM_TENANT_ID).then(objectNameOf),
    prefixGuesses: new LruCache(),
  };
}
