/**
 * Verification of a key string, for customers' keys and management keys alike:
 *
 * - A malformed or forged key string is refused here, without an object call.
 * - A key of which this isolate holds a record is decided here while the lease on its tenant is in force, by the same
 *   function that the object uses.
 * - Any other key costs one call to its object, which renews the lease on everything that is held of the tenant.
 *   Verifications that come while a call is under way which may decide them wait for that one.
 */

import { sameBytes } from '../../domain/bytes.ts';
import { type HeldKey, heldBytes } from '../../domain/keys/held-key.ts';
import type { VerifiedKey } from '../../domain/keys/record.ts';
import { type DecisionCode, decide, mayLease, type Warning } from '../../domain/keys/verification.ts';
import type { LeaseHolder } from '../../domain/leases/holder.ts';
import type { HolderCall, Renewal } from '../../domain/leases/lease.ts';
import type { LimitResult } from '../../domain/limits/decision.ts';
import type { Spending } from '../../domain/limits/named-limit.ts';
import { objectNameOf } from '../../domain/tenants/locator.ts';
import { isMeant, type TenantTarget } from '../../domain/tenants/target.ts';
import { logEvent } from '../../durable-objects/log.ts';
import type { VerifyResult } from '../../durable-objects/tenant/tenant.ts';
import type { KeySigner } from '../crypto/key-signer.ts';
import { parseKeyString } from '../crypto/key-string.ts';
import type { Place } from '../tenant-memory.ts';
import type { PendingCalls } from './pending-calls.ts';
import type { SignatureCache, SignedKey } from './signature-cache.ts';

/** A tenant that falls quiet reports its last uses so long (ms) before its lease ends. */
const REPORT_BEFORE_END_MS = 50;
/** Uses are reported within this time (ms), however long the lease is. */
const REPORT_WITHIN_MS = 3000;

/**
 * Calls of others that a verification waits for, one after the other, when they take very long. If all that wait for a
 * slow object asked it at once, it would get slower still.
 */
const CALLS_WAITED_FOR_MAX = 3;

/** What verifying a key string found. */
export type Verification =
  | { readonly code: 'MALFORMED' | 'FORGED' | 'NOT_FOUND' }
  | {
      readonly code: DecisionCode;
      readonly tenantId: string;
      readonly key: VerifiedKey;
      readonly warnings: readonly Warning[];
      /** How the limits stand that decided; absent when none was asked. */
      readonly limits?: readonly LimitResult[];
      /** Whether a held record decided. Then `key` is the same object at each verification as long as it is held. */
      readonly leased: boolean;
    };

export type VerificationOptions = {
  readonly scopes: readonly string[];
  /** The key must belong to each of these tenants. */
  readonly within: readonly TenantTarget[];
  /** Whether the key must be a management key, a key of the tenant `_system`. Otherwise it must not be one. */
  readonly system: boolean;
  /** Whether to ask the object even if the key could be decided here. */
  readonly fresh: boolean;
  /** What it costs and which limits it names. Null or absent: one unit of each automatic limit. */
  readonly spending?: Spending | null;
};

/** What an isolate holds under leases, the calls that renew them, and the clock (ms) that measures them. */
export type LeaseServices = {
  readonly leases: LeaseHolder<HeldKey>;
  readonly pending: PendingCalls;
  readonly now: () => number;
};

/** The services of an isolate that verification uses. */
export type VerificationServices = LeaseServices & {
  readonly signer: KeySigner;
  readonly signatures: SignatureCache;
  /** Name of the object that holds the management keys. */
  readonly systemObjectName: Promise<string>;
};

/** What verification needs to reach objects. */
export type VerificationObjects = {
  placeOf(tenantId: string): Place | Promise<Place>;
  verifyKey(
    objectName: string,
    keyId: string,
    digest: Uint8Array,
    scopes: readonly string[],
    call: HolderCall,
    spending?: Spending,
  ): Promise<VerifyResult>;
  renewLease(objectName: string, call: HolderCall): Promise<Renewal | null>;
  /** Does this work some time (ms) after the response. */
  afterwards(ms: number, work: () => Promise<unknown>): void;
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
  const held = options.fresh ? null : decideHeld(signed, options, services, objects);
  return held ?? decideByCall(signed, options, services, objects);
}

/** Decides by the record that this isolate holds. Null when it holds none, or no lease is in force. */
function decideHeld(
  { id, digest, objectName }: SignedKey,
  { scopes, within, spending }: VerificationOptions,
  services: LeaseServices,
  objects: VerificationObjects,
): Verification | null {
  const { leases } = services;
  const now = services.now();
  const held = leases.get(objectName, id, now);
  if (held === null || !(held.digest === digest || sameBytes(held.digest, digest))) return null;
  const { tenant, key } = held;
  if (!within.every((target) => isMeant(tenant, target))) return { code: 'NOT_FOUND' };
  // The tenant is active: leases are granted for active tenants only, and disabling one waits until all have ended.
  const { code, warnings } = decide('active', key, scopes, now);
  if (code === 'VALID') noteUse(objectName, id, now, services, objects);
  countUse(objectName, held, code, spending?.cost ?? 1, now, services, objects);
  return { code, warnings, tenantId: tenant.id, key, leased: true };
}

function decideByCall(
  signed: SignedKey,
  options: VerificationOptions,
  services: LeaseServices,
  objects: VerificationObjects,
): Promise<Verification> {
  // A call about a key with limits decides no other verification of it.
  const underWay = options.fresh || signed.isLimited ? undefined : services.pending.decisive(signed, services.leases);
  return underWay === undefined
    ? callObject(signed, options, services, objects)
    : waitForCall(underWay, signed, options, services, objects);
}

async function waitForCall(
  underWay: Promise<unknown>,
  signed: SignedKey,
  options: VerificationOptions,
  services: LeaseServices,
  objects: VerificationObjects,
): Promise<Verification> {
  let call: Promise<unknown> | undefined = underWay;
  for (let calls = 0; calls < CALLS_WAITED_FOR_MAX && call !== undefined; calls++) {
    const hasEnded = await services.pending.end(call);
    // Not that call's result: it may have been read before this verification started. What is held now is as good as
    // it always is.
    const held = decideHeld(signed, options, services, objects);
    if (held !== null) return held;
    if (hasEnded) break;
    call = services.pending.decisive(signed, services.leases);
  }
  return callObject(signed, options, services, objects);
}

function callObject(
  signed: SignedKey,
  options: VerificationOptions,
  services: LeaseServices,
  objects: VerificationObjects,
): Promise<Verification> {
  const call = askObject(signed, options, services, objects);
  if (!services.leases.knows(signed.objectName)) return call;
  // Others may wait for this call, so it goes on even if this request is cut off.
  objects.afterwards(0, () => call);
  return services.pending.follow(signed, call);
}

async function askObject(
  signed: SignedKey,
  { scopes, within, spending }: VerificationOptions,
  { leases, now }: LeaseServices,
  objects: VerificationObjects,
): Promise<Verification> {
  const { id, objectName, digest } = signed;
  // The locator is a function of the tenant id, so the key of another tenant is refused without an object call.
  for (const { tenantId } of within) {
    if ((await objects.placeOf(tenantId)).objectName !== objectName) return { code: 'NOT_FOUND' };
  }
  const asking = leases.ask(objectName, now());
  let result: VerifyResult;
  try {
    result = await objects.verifyKey(objectName, id, digest, scopes, asking.call, spending ?? undefined);
  } catch (error) {
    leases.failed(objectName, asking);
    throw error;
  }
  leases.answered(objectName, asking);
  if (result.code === 'NOT_FOUND') return result;
  const { code, tenant, warnings, limits, renewal } = result;
  // The signed key string says where its tenant lives. A tenant that lives elsewhere does not belong into this
  // database: somebody has written to it.
  if ((await objects.placeOf(tenant.id)).objectName !== objectName) {
    logEvent('error', 'tenant_in_wrong_place', { keyId: id });
    return { code: 'NOT_FOUND' };
  }
  const key: VerifiedKey = JSON.parse(result.keyJson);
  signed.isLimited = key.isLimited === true;
  if (renewal !== null) {
    const record = { tenant, key, digest };
    const got = mayLease(code, key.isLimited === true) ? { keyId: id, record, bytes: heldBytes(record) } : null;
    leases.receive(objectName, asking, renewal, got, now());
  }
  if (!within.every((target) => isMeant(tenant, target))) return { code: 'NOT_FOUND' };
  const decided = { code, tenantId: tenant.id, key, warnings, leased: false };
  return limits === undefined ? decided : { ...decided, limits };
}

/** Notes a use that the object has not seen, and sees that it hears of it. */
function noteUse(
  objectName: string,
  keyId: string,
  now: number,
  services: LeaseServices,
  objects: VerificationObjects,
): void {
  const { leases } = services;
  const noted = leases.noteUse(objectName, keyId, now);
  if (noted === 'nothing new' || noted === 'more') return;
  const untilEnd = leases.remainingMs(objectName, now) - REPORT_BEFORE_END_MS;
  const waitMs = noted === 'full' ? 0 : Math.min(Math.max(untilEnd, 0), REPORT_WITHIN_MS);
  objects.afterwards(waitMs, () => reportUses(objectName, services, objects));
}

/** Counts a verification that the object has not seen, and sees that some call tells it. */
function countUse(
  objectName: string,
  { tenant, key }: HeldKey,
  code: DecisionCode,
  units: number,
  now: number,
  services: LeaseServices,
  objects: VerificationObjects,
): void {
  const { usage } = services.leases;
  const planned = usage.count(objectName, tenant.incarnation, key, code, units, now);
  if (planned !== null) objects.afterwards(planned, () => reportCounts(objectName, services, objects));
}

/**
 * Reports counts that no other call has taken along. It does so when the lease ends: then a tenant in use needs a call
 * anyway, and this one renews the lease.
 */
async function reportCounts(objectName: string, services: LeaseServices, objects: VerificationObjects): Promise<void> {
  const { leases, now } = services;
  const untilEnd = leases.remainingMs(objectName, now()) - REPORT_BEFORE_END_MS;
  const report = async () => {
    if (leases.usage.isDue(objectName)) await sendReport(objectName, services, objects);
  };
  if (untilEnd > 0) objects.afterwards(untilEnd, report);
  else await report();
}

/** Reports uses that no other call has taken along. */
async function reportUses(objectName: string, services: LeaseServices, objects: VerificationObjects): Promise<void> {
  if (services.leases.hasUses(objectName)) await sendReport(objectName, services, objects);
}

/** Makes a call to report uses and counts. This renews the lease too, as any call does. */
async function sendReport(
  objectName: string,
  { leases, now }: LeaseServices,
  objects: VerificationObjects,
): Promise<void> {
  const asking = leases.ask(objectName, now());
  try {
    const renewal = await objects.renewLease(objectName, asking.call);
    leases.answered(objectName, asking);
    if (renewal !== null) leases.receive(objectName, asking, renewal, null, now());
  } catch {
    // The object client has logged it. A later call reports these uses.
    leases.failed(objectName, asking);
  }
}
