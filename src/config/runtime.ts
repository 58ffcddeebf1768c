/** The services of an isolate: made once from the configuration, they hold the imported keys and the caches. */

import { LeaseHolder } from '../../domain/leases/holder.ts';
import { BudgetHolder } from '../../domain/limits/budget-holder.ts';
import { locatorOf, objectNameOf, SYSTEM_TENANT_ID } from '../../domain/tenants/locator.ts';
import type { LogLevel } from '../../durable-objects/log.ts';
import { Authenticator } from '../auth/authenticator.ts';
import { CursorSigner } from '../crypto/cursor.ts';
import { Sealer } from '../crypto/envelope.ts';
import { ForeignKeyDigester } from '../crypto/foreign-key-digest.ts';
import { IdentifierDigester } from '../crypto/identifier-digest.ts';
import { KeySigner } from '../crypto/key-signer.ts';
import type { Env } from '../env.ts';
import { TenantMemory } from '../tenant-memory.ts';
import { ForeignKeys } from '../verify/foreign-keys.ts';
import { PendingCalls } from '../verify/pending-calls.ts';
import type { VerificationServices } from '../verify/services.ts';
import { SignatureCache } from '../verify/signature-cache.ts';
import { type Config, type ConfigProblem, parseConfig } from './config.ts';

export type Runtime = VerificationServices & {
  readonly logLevel: LogLevel;
  /** Whether the description of the API is shown as a page. */
  readonly hasDocs: boolean;
  /** When this isolate got its first request (ms). */
  readonly startedAt: number;
  /** Whether `ADMIN_TOKEN` is set. */
  readonly hasAdminToken: boolean;
  readonly authenticator: Authenticator;
  readonly sealer: Sealer;
  readonly cursors: CursorSigner;
  readonly identifiers: IdentifierDigester;
  readonly foreignDigests: ForeignKeyDigester;
  readonly tenants: TenantMemory;
};

const runtimes = new WeakMap<Env, Runtime | ConfigProblem[]>();

/** The runtime for this environment, or the problems of its configuration. */
export function runtimeOf(env: Env): Runtime | ConfigProblem[] {
  const known = runtimes.get(env);
  if (known !== undefined) return known;
  const config = parseConfig(env);
  const runtime = Array.isArray(config) ? config : makeRuntime(config);
  runtimes.set(env, runtime);
  return runtime;
}

function makeRuntime({ adminToken, encryption, hmac, logLevel, hasDocs }: Config): Runtime {
  const foreignDigests = new ForeignKeyDigester(hmac);
  return {
    logLevel,
    hasDocs,
    startedAt: Date.now(),
    hasAdminToken: adminToken !== null,
    authenticator: new Authenticator(adminToken),
    signer: new KeySigner(hmac),
    sealer: new Sealer(encryption),
    cursors: new CursorSigner(hmac),
    identifiers: new IdentifierDigester(hmac),
    foreignDigests,
    foreignKeys: new ForeignKeys(foreignDigests),
    signatures: new SignatureCache(),
    leases: new LeaseHolder(),
    budgets: new BudgetHolder(),
    pending: new PendingCalls(),
    tenants: new TenantMemory(),
    systemObjectName: locatorOf(SYSTEM_TENANT_ID).then(objectNameOf),
    now: () => Date.now(),
  };
}
