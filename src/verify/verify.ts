/**
 * Verifying a key string, for customers' keys and for callers' own alike. A malformed or forged one never gets further than this isolate; one
 * under a lease is decided about here, by the object's own function; any other costs one call to the object.
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

export type Verified =
  | { readonly code: 'MALFORMED' | 'FORGED' | 'NOT_FOUND' }
  | {
      readonly code: DecisionCode;
      readonly tenantId: string;
      readonly key: VerifiedKey;
      readonly warnings: readonly Warning[];
      /** Whether a lease decided: then `key` is the same object at each verification while it lasts. */
      readonly leased: boolean;
    };

export type VerificationOptions = {
  readonly scopes: readonly string[];
  /** Tenants of which the key must be. */
  readonly within: readonly TenantTarget[];
  /** Whether the key must be one of `_system`: a management key. */
  readonly system: boolean;
  /** Whether to ask the object even under a lease. */
  readonly fresh: boolean;
};

/** The leases of an isolate, and the clock (ms) that measures them. */
export type LeaseServices = { readonly leases: LeaseCache; readonly now: () => number };

/** What verification takes of an isolate. */
export type VerificationServices = LeaseServices & {
  readonly signer: KeySigner;
  readonly signatures: SignatureCache;
  /** Name of the object of the management keys. */
  readonly systemObjectName: Promise<string>;
};

/** What verification asks of the objects. */
export type VerificationObjects = {
  placeOf(tenantId: string): Place | Promise<Place>;
  verifyKey(objectName: string, keyId: string, digest: Uint8Array, scopes: readonly string[]): Promise<VerifyResult>;
  noteLeasedUse(objectName: string, keyId: string): void;
};

/** Verifies a key string as of now. Without a wait when the key is known and leased. */
export function verifyKeyString(
  text: string,
  options: VerificationOptions,
  services: VerificationServices,
  objects: VerificationObjects,
): Verified | Promise<Verified> {
  const known = services.signatures.find(text);
  return known === null
    ? verifyUnknown(text, options, services, objects)
    : verifySigned(known, options, services, objects);
}

async function verifyUnknown(
  text: string,
  options: VerificationOptions,
  services: VerificationServices,
  objects: VerificationObjects,
): Promise<Verified> {
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

/** Verifies a key string whose signature was found true. */
export function verifySigned(
  signed: SignedKey,
  options: VerificationOptions,
  services: LeaseServices,
  objects: VerificationObjects,
): Verified | Promise<Verified> {
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
): Verified {
  if (!within.every((target) => isMeant(tenant, target))) return { code: 'NOT_FOUND' };
  // Only keys of active tenants are leased; a tenant's change of status waits for all its leases.
  const { code, warnings } = decide('active', key, scopes, now);
  if (code === 'VALID' && leases.isNewUse(key.id, now)) objects.noteLeasedUse(objectName, key.id);
  return { code, warnings, tenantId: tenant.id, key, leased: true };
}

async function askObject(
  { id, objectName, digest }: SignedKey,
  { scopes, within }: VerificationOptions,
  { leases, now }: LeaseServices,
  objects: VerificationObjects,
): Promise<Verified> {
  // The locator is a function of the tenant id, so a key from elsewhere is told apart without asking its object.
  for (const { tenantId } of within) {
    if ((await objects.placeOf(tenantId)).objectName !== objectName) return { code: 'NOT_FOUND' };
  }
  const asking = leases.ask(now());
  const answer = await objects.verifyKey(objectName, id, digest, scopes);
  if (answer.code === 'NOT_FOUND') return answer;
  const { code, tenant, warnings, leaseMs } = answer;
  // The key string says, signed, where its tenant lives. What a database says of another tenant was written there by somebody else.
  if ((await objects.placeOf(tenant.id)).objectName !== objectName) {
    logEvent('error', 'tenant_in_wrong_place', { keyId: id });
    return { code: 'NOT_FOUND' };
  }
  if (!within.every((target) => isMeant(tenant, target))) return { code: 'NOT_FOUND' };
  const key: VerifiedKey = JSON.parse(answer.keyJson);
  if (leaseMs > 0) leases.put({ tenant, key, digest }, leaseMs, asking, now());
  return { code, tenantId: tenant.id, key, warnings, leased: false };
}
