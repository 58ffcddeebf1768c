/** Minting for the operations that make keys: the object takes the minted keys, the response gets the key strings. */

import type { MintedKey } from '../../../domain/keys/record.ts';
import { NO_LIMITS } from '../../../domain/limits/named-limit.ts';
import type { Failure, Mutated, PrefixMismatch } from '../../../domain/outcome.ts';
import type { RotationRights } from '../../../domain/rotations/rights.ts';
import type {
  RotatedPair,
  RotatedPairJson,
  RotationRequest,
} from '../../../durable-objects/tenant/keys/key-mutations.ts';
import { type Mint, mintKey } from '../../crypto/mint-key.ts';
import { nextTurn } from '../../http/turns.ts';
import type { TenantChange } from '../../object-client.ts';
import type { RequestContext } from '../request-context.ts';

/** Signing and sealing so many takes some milliseconds. */
const MINTS_PER_TURN = 50;

/** Has the object of the tenant take what was minted. */
type Take<Minted, T> = (
  minted: Minted,
  ...call: Parameters<TenantChange<unknown>>
) => Promise<Mutated<T, Failure | PrefixMismatch>>;

/**
 * Mints a key for each of `prefixes` and has the object take all of them. The prefix is signed into the key string,
 * but only the object knows the prefix of a tenant or of a predecessor. So `undefined` stands for the likely one; the
 * object refuses a wrong one and names the right one, and all keys are minted again.
 *
 * Returns the object's result and the key strings in the same order: those of the first request when this one repeats
 * it, none after a failure.
 */
export async function mintMany<T>(
  context: RequestContext,
  tenantId: string,
  prefixes: readonly (string | undefined)[],
  take: Take<readonly MintedKey[], T>,
): Promise<{ readonly result: Mutated<T, Failure>; readonly secrets: readonly string[] }> {
  const { objects, runtime } = context;
  const { locator } = await objects.placeOf(tenantId);
  for (let likely = objects.likelyPrefix(tenantId); ; ) {
    const mints: Mint[] = [];
    for (const prefix of prefixes) {
      if (mints.length % MINTS_PER_TURN === MINTS_PER_TURN - 1) await nextTurn();
      mints.push(await mintKey(runtime, tenantId, locator, prefix ?? likely, Date.now()));
    }
    const secrets = mints.map(({ secret }) => secret);
    const template = await context.command(tenantId, { secrets });
    const isLong = mints.length >= MINTS_PER_TURN;
    if (isLong) await nextTurn();
    const minted = mints.map((mint) => mint.minted);
    const result = await objects.changeTenant(tenantId, template, (...call) => take(minted, ...call));
    if (isLong) await nextTurn();
    if (result.ok) {
      const sealed = result.replay?.sealedSecrets;
      return { result, secrets: sealed ? await context.keptSecrets(tenantId, sealed) : secrets };
    }
    const { failure } = result;
    if (failure.code !== 'prefix_mismatch') return { result: { ...result, failure }, secrets: [] };
    likely = failure.prefix;
    objects.learnPrefix(tenantId, likely);
  }
}

/** Mints one key; otherwise as `mintMany`. The secret is empty after a failure. */
export async function mintOne<T>(
  context: RequestContext,
  tenantId: string,
  prefix: string | undefined,
  take: Take<MintedKey, T>,
): Promise<{ readonly result: Mutated<T, Failure>; readonly secret: string }> {
  const { result, secrets } = await mintMany(context, tenantId, [prefix], ([minted], ...call) => {
    if (minted === undefined) throw new Error('no key was minted');
    return take(minted, ...call);
  });
  return { result, secret: secrets[0] ?? '' };
}

/** Mints a successor and has the object rotate the key to it. `wanted` is what the caller gives the successor. */
export async function mintSuccessor(
  context: RequestContext,
  { tenantId, keyId, prefix }: { readonly tenantId: string; readonly keyId: string; readonly prefix?: string },
  wanted: RotationRequest['overrides'] & { readonly gracePeriodSeconds?: number },
  rights: RotationRights,
) {
  const { gracePeriodSeconds, ...overrides } = wanted;
  const request = { overrides, rights, ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }) };
  const { result, secret } = await mintOne(context, tenantId, prefix, (minted, tenant, target, command) =>
    tenant.rotateKey(target, keyId, minted, request, command),
  );
  return { result: result.ok ? { ...result, value: pairOf(result.value) } : result, secret };
}

/** What keys lack in results that an earlier version kept for an `Idempotency-Key`. */
const WITHOUT_LIMITS = { plan: null, rateLimits: NO_LIMITS, quotas: NO_LIMITS, credits: null };

/** A result that an earlier version kept may be no text. */
function pairOf(pair: RotatedPairJson | RotatedPair): RotatedPair {
  const { successor, predecessor }: RotatedPair = typeof pair === 'string' ? JSON.parse(pair) : pair;
  return { successor: { ...WITHOUT_LIMITS, ...successor }, predecessor: { ...WITHOUT_LIMITS, ...predecessor } };
}
