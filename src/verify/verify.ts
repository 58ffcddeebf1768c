/**
 * Verification of a key string, for customers' keys and management keys alike:
 *
 * - A malformed or forged key string is refused here, without an object call.
 * - A leased key is decided here, by the same function that the object uses.
 * - Any other key costs one call to its object.
 */
import type { VerifiedKey } from '../../domain/keys/record.ts';
import { type DecisionCode, decide, type Warning } from '../../domain/keys/verification.ts';
import type { LeaseCache, LeasedKey } from '../../domain/leases/cache.ts';
import { objectNameOf } from '../../domain/tenants/locator.ts';
import { isMeant, type TenantTarget } from '../../domain/tenants/target.ts';
import { logEvent } from '../../durable-objects/log.ts';
import type { VerifyResult } from '../../durable-objects/tenant/tenant.ts';
import type { KeySigner } from '../crypto/key-signer.ts';
import { parseKeyString } from '../crypto/key-string.ts';
import type { Place } from '../object-client.ts';
import type { SignatureCache, SignedKey } from './signature-cache.ts';

/** What verifying a key string found. */
export type Verification =
  | { readonly code: 'MALFORMED' | 'FORGED' | 'NOT_FOUND' }
  | {
      readonly code: DecisionCode;
      readonly tenantId: string;
      readonly key: VerifiedKey;
      readonly warnings: readonly Warning[];
      /** Whether a lease decided. Then `key` is the same object at each verification as long as the lease lasts. */
      readonly leased: boolean;
    };

export type VerificationOptions = {
  readonly scopes: readonly string[];
  /** The key must belong to each of these tenants. */
  readonly within: readonly TenantTarget[];
  /** Whether the key must be a management key, a key of the tenant `_system`. Otherwise it must not be one. */
  readonly system: boolean;
  /** Whether to ask the object even if the key is leased. */
  readonly fresh: boolean;
};

/** The leases of an isolate, and the clock (ms) that measures them. */
export type LeaseServices = { readonly leases: LeaseCache; readonly now: () => number };

/** The services of an isolate that verification uses. */
export type VerificationServices = LeaseServices & {
  readonly signer: KeySigner;
  readonly signatures: SignatureCache;
  /** Name of the object that holds the management keys. */
  readonly systemObjectName: Promise<string>;
};

/** The calls to objects that verification makes. */
export type VerificationObjects = {
  placeOf(tenantId: string): Place | Promise<Place>;
  verifyKey(objectName: string, keyId: string, digest: Uint8Array, scopes: readonly string[]): Promise<VerifyResult>;
  noteLeasedUse(objectName: string, keyId: string): void;
};

/** Verifies a key string as of now. Synchronous when the signature cache has it and its key is leased. */
export function verifyKeyString(
  text: string,
  options: VerificationOptions,
  services: VerificationServices,
  objects: VerificationObjects,
): Verification | Promise<Verification> {
  const signed = services.signatures.find(text);
  return signed === null
    ? verifyUncached(text, options, services, objects)
    : verifySigned(signed, options, services, objects);
}

/** Verifies a key string that the signature cache does not have. */
async function verifyUncached(
  text: string,
  options: VerificationOptions,
  services: VerificationServices,
  objects: VerificationObjects,
): Promise<Verification> {
  const parsed = parseKeyString(text);
  if (parsed === null) return { code: 'MALFORMED' };
  const digest = await services.signer.verify(parsed);
  if (digest === null) return { code: 'FORGED' };
  const objectName = objectNameOf(parsed.locator);
  const system = objectName === (await services.systemObjectName);
  const signed = { id: parsed.id, objectName, system, digest };
  services.signatures.remember(text, signed);
  return await verifySigned(signed, options, services, objects);
}

/** Verifies a key string whose signature is valid. */
export function verifySigned(
  signed: SignedKey,
  options: VerificationOptions,
  services: LeaseServices,
  objects: VerificationObjects,
): Verification | Promise<Verification> {
  if (signed.system !== options.system) return { code: 'NOT_FOUND' };
  const now = services.now();
  const leased = options.fresh ? null : services.leases.get(signed.id, signed.digest, now);
  return leased === null
    ? askObject(signed, options, services, objects)
    : decideLeased(leased, signed, options, services.leases, objects, now);
}

function decideLeased(
  { tenant, key }: LeasedKey,
  { objectName }: SignedKey,
  { scopes, within }: VerificationOptions,
  leases: LeaseCache,
  objects: VerificationObjects,
  now: number,
): Verification {
  if (!within.every((target) => isMeant(tenant, target))) return { code: 'NOT_FOUND' };
  // The tenant is active: only keys of active tenants are leased, and disabling one waits until all its leases have
  // ended.
  const { code, warnings } = decide('active', key, scopes, now);
  if (code === 'VALID' && leases.isNewUse(key.id, now)) objects.noteLeasedUse(objectName, key.id);
  return { code, warnings, tenantId: tenant.id, key, leased: true };
}

async function askObject(
  { id, objectName, digest }: SignedKey,
  { scopes, within }: VerificationOptions,
  { leases, now }: LeaseServices,
  objects: VerificationObjects,
): Promise<Verification> {
  // The locator is a function of the tenant id, so the key of another tenant is refused without an object call.
  for (const { tenantId } of within) {
    if ((await objects.placeOf(tenantId)).objectName !== objectName) return { code: 'NOT_FOUND' };
  }
  const asking = leases.ask(now());
  const result = await objects.verifyKey(objectName, id, digest, scopes);
  if (result.code === 'NOT_FOUND') return result;
  const { code, tenant, warnings, leaseMs } = result;
  // The signed key string says where its tenant lives. A tenant that lives elsewhere does not belong into this
  // database: somebody has written to it.
  if ((await objects.placeOf(tenant.id)).objectName !== objectName) {
    logEvent('error', 'tenant_in_wrong_place', { keyId: id });
    return { code: 'NOT_FOUND' };
  }
  if (!within.every((target) => isMeant(tenant, target))) return { code: 'NOT_FOUND' };
  const key: VerifiedKey = JSON.parse(result.keyJson);
  if (leaseMs > 0) leases.put({ tenant, key, digest }, leaseMs, asking, now());
  return { code, tenantId: tenant.id, key, warnings, leased: false };
}
