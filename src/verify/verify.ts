/**
 * Verification of a key string, for customers' keys and management keys alike:
 *
 * - A malformed or forged key string is refused here, without an object call.
 * - A key of which this isolate holds a record is decided here while the lease on its tenant is in force, by the same
 *   function that the object uses.
 * - The limits of such a key are decided here too, as far as this isolate holds units of them
 *   (domain/limits/budget.ts).
 * - Any other key costs one call to its object, which renews the lease on everything that is held of the tenant.
 *   Verifications that come while a call is under way which may decide them wait for that one.
 */

import { sameBytes } from '../../domain/bytes.ts';
import { parseKeyString } from '../../domain/key-string/key-string.ts';
import { heldKey } from '../../domain/keys/held-key.ts';
import type { VerifiedKey } from '../../domain/keys/record.ts';
import { type DecisionCode, decide, mayLease, type RecordCode } from '../../domain/keys/verification.ts';
import type { Found, UNFOUND_CODES } from '../../domain/keys/verification-answer.ts';
import type { Known } from '../../domain/leases/lease.ts';
import { decideByBudgets, type HeldCharge, heldCharges } from '../../domain/limits/held-limits.ts';
import type { Spending } from '../../domain/limits/named-limit.ts';
import { limitDecisions, verifications } from '../../domain/metrics/isolate-metrics.ts';
import { objectNameOf } from '../../domain/tenants/locator.ts';
import { isMeant, type TenantTarget } from '../../domain/tenants/target.ts';
import { logEvent } from '../../durable-objects/log.ts';
import type { VerifyResult } from '../../durable-objects/tenant/tenant.ts';
import { ForeignKey } from './foreign-keys.ts';
import { callOf, failed, NOTHING, prepare, received } from './object-calls.ts';
import { countUse, giveBackWhenIdle, noteUse } from './reports.ts';
import type { LeaseServices, VerificationObjects, VerificationServices } from './services.ts';
import type { SignedKey } from './signature-cache.ts';

/**
 * Calls of others that a verification waits for, one after the other, when they take very long. If all that wait for a
 * slow object asked it at once, it would get slower still.
 */
const CALLS_WAITED_FOR_MAX = 3;

/** What verifying a key string found. */
export type Verification =
  | { readonly code: (typeof UNFOUND_CODES)[number] }
  /** `leased`: a held record decided. Then `key` is the same object at each verification as long as it is held. */
  | (Found & { readonly leased: boolean });

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
  /**
   * For a client that verifies by leases of its own: what it knows of the tenant. Then the object is asked when too
   * little is left of the lease to be passed on. Null or absent: no lease is passed on.
   */
  readonly leaseFor?: { readonly known: Known | null } | null;
};

/** Verifies a key string as of now. Synchronous when the signature cache has it and its key is leased. */
export function verifyKeyString(
  text: string,
  options: VerificationOptions,
  services: VerificationServices,
  objects: VerificationObjects,
): Verification | Promise<Verification> {
  const signed = services.signatures.find(text) ?? findForeign(text, options, services);
  return signed === null
    ? verifyUncached(text, options, services, objects)
    : verifySigned(signed, options, services, objects);
}

/** The key of a foreign key string that was verified before, in the tenant that is meant; null for none. */
function findForeign(text: string, { within, system }: VerificationOptions, { foreignKeys }: VerificationServices) {
  const [tenant] = within;
  return tenant === undefined || system ? null : foreignKeys.find(tenant.tenantId, text);
}

/** Verifies a text that is no key string of our own: if the tenant is known, it may be one that was imported. */
async function verifyForeign(
  text: string,
  options: VerificationOptions,
  services: VerificationServices,
  objects: VerificationObjects,
): Promise<Verification> {
  const [tenant] = options.within;
  if (tenant === undefined || options.system) return decidedHere('MALFORMED', options);
  const { tenantId } = tenant;
  const key = await services.foreignKeys.read(tenantId, text, objects.placeOf(tenantId));
  return key === null ? decidedHere('MALFORMED', options) : await verifySigned(key, options, services, objects);
}

/** Verifies a key string that the signature cache does not have. */
async function verifyUncached(
  text: string,
  options: VerificationOptions,
  services: VerificationServices,
  objects: VerificationObjects,
): Promise<Verification> {
  const parsed = parseKeyString(text);
  if (parsed === null) return verifyForeign(text, options, services, objects);
  const digest = await services.signer.verify(parsed);
  if (digest === null) return decidedHere('FORGED', options);
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
  if (signed.system !== options.system) return decidedHere('NOT_FOUND', options);
  const held = options.fresh ? UNKNOWN : decideHeld(signed, options, services, objects);
  if ('code' in held) {
    count('lease', held.code, options);
    return held;
  }
  return decideByCall(signed, held, options, services, objects);
}

/**
 * Why the object has to decide. `mayWait`: a call on its way may bring what is missing. `charged`: what the key is
 * charged, if its record is held.
 */
type Undecided = { readonly mayWait: boolean; readonly charged: readonly HeldCharge[] };

const UNKNOWN: Undecided = { mayWait: false, charged: [] };
const NOT_HELD: Undecided = { mayWait: true, charged: [] };

/** What is refused without a record. */
function decidedHere(code: (typeof UNFOUND_CODES)[number], options: VerificationOptions): Verification {
  count('here', code, options);
  return { code };
}

function count(decided: 'here' | 'lease' | 'object', code: Verification['code'], { system }: VerificationOptions) {
  verifications.at(system ? 'management' : 'customers', decided, code).count += 1;
}

/** Decides by the record that this isolate holds, and by units of its limits. */
function decideHeld(
  { id, digest, objectName }: SignedKey,
  { scopes, within, spending, leaseFor = null }: VerificationOptions,
  services: LeaseServices,
  objects: VerificationObjects,
): Verification | Undecided {
  const { leases, budgets } = services;
  const now = services.now();
  const held = leases.get(objectName, id, now);
  if (held === null || !(held.digest === digest || sameBytes(held.digest, digest))) return NOT_HELD;
  if (leaseFor !== null && !leases.isWorthPassingOn(objectName, now)) return NOT_HELD;
  const { tenant, key, limits } = held;
  if (!within.every((target) => isMeant(tenant, target))) return { code: 'NOT_FOUND' };
  // The tenant is active: leases are granted for active tenants only, and disabling one waits until all have ended.
  const { code, warnings } = decide('active', key, scopes, now);
  const decided = { code, warnings, tenantId: tenant.id, key, leased: true };
  const units = spending?.cost ?? 1;
  if (code === 'VALID' && limits !== null) {
    const charged = heldCharges(limits, spending ?? null);
    const ofTenant = budgets.of(objectName);
    const outcome = ofTenant === undefined ? UNKNOWN : decideByBudgets(charged, ofTenant, now);
    if ('mayWait' in outcome) return { mayWait: outcome.mayWait, charged };
    const { refusal, limits: standings } = outcome;
    countUse(objectName, held, refusal ?? code, units, now, services, objects);
    limitDecisions.at('key', 'budget', refusal ?? code).count += 1;
    if (refusal !== null) return { ...decided, code: refusal, warnings: [], limits: standings };
    noteUse(objectName, id, now, services, objects);
    giveBackWhenIdle(objectName, services, objects);
    return { ...decided, limits: standings };
  }
  if (code === 'VALID') noteUse(objectName, id, now, services, objects);
  countUse(objectName, held, code, units, now, services, objects);
  return decided;
}

function decideByCall(
  signed: SignedKey,
  undecided: Undecided,
  options: VerificationOptions,
  services: LeaseServices,
  objects: VerificationObjects,
): Promise<Verification> {
  // A call about a key with credits decides no other verification of it.
  const mayWait = undecided.mayWait && !signed.isMetered;
  const underWay = mayWait ? decisiveCall(signed, undecided, services) : undefined;
  return underWay === undefined
    ? callObject(signed, undecided, options, services, objects)
    : waitForCall(underWay, signed, options, services, objects);
}

/** The call under way that will probably decide this verification; undefined when there is none. */
function decisiveCall(signed: SignedKey, { charged }: Undecided, { pending, leases }: LeaseServices) {
  return pending.about(signed.objectName, charged) ?? pending.decisive(signed, leases);
}

async function waitForCall(
  underWay: Promise<unknown>,
  signed: SignedKey,
  options: VerificationOptions,
  services: LeaseServices,
  objects: VerificationObjects,
): Promise<Verification> {
  let call: Promise<unknown> | undefined = underWay;
  let undecided = NOT_HELD;
  for (let calls = 0; calls < CALLS_WAITED_FOR_MAX && call !== undefined; calls++) {
    const hasEnded = await services.pending.end(call);
    // Not that call's result: it may have been read before this verification started. What is held now is as good as
    // it always is.
    const held = decideHeld(signed, options, services, objects);
    if ('code' in held) {
      count('lease', held.code, options);
      return held;
    }
    undecided = held;
    if (hasEnded) break;
    call = decisiveCall(signed, undecided, services);
  }
  return callObject(signed, undecided, options, services, objects);
}

function callObject(
  signed: SignedKey,
  { charged }: Undecided,
  options: VerificationOptions,
  services: LeaseServices,
  objects: VerificationObjects,
): Promise<Verification> {
  const call = askObject(signed, charged, options, services, objects);
  if (!services.leases.knows(signed.objectName)) return call;
  // Others may wait for this call, so it goes on even if this request is cut off.
  objects.afterwards(0, () => call);
  return services.pending.follow(signed, charged, call);
}

async function askObject(
  signed: SignedKey,
  charged: readonly HeldCharge[],
  options: VerificationOptions,
  services: LeaseServices,
  objects: VerificationObjects,
): Promise<Verification> {
  const { scopes, within, spending, leaseFor = null } = options;
  const { id, objectName, digest } = signed;
  // The locator is a function of the tenant id, so the key of another tenant is refused without an object call.
  for (const { tenantId } of within) {
    if ((await objects.placeOf(tenantId)).objectName !== objectName) return decidedHere('NOT_FOUND', options);
  }
  const sent = prepare(objectName, charged, services, leaseFor?.known);
  let result: VerifyResult;
  try {
    const [call, spent] = [callOf(sent), spending ?? undefined];
    result =
      signed instanceof ForeignKey
        ? await objects.verifyForeignKey(objectName, signed, scopes, call, spent)
        : await objects.verifyKey(objectName, id, digest, scopes, call, spent);
  } catch (error) {
    failed(objectName, sent, services);
    throw error;
  }
  if (result.code === 'NOT_FOUND') {
    received(objectName, sent, NOTHING, services);
    count('object', 'NOT_FOUND', options);
    return result;
  }
  const { code, tenant, warnings, limits, credits, renewal } = result;
  // The signed key string says where its tenant lives. A tenant that lives elsewhere does not belong into this
  // database: somebody has written to it.
  if ((await objects.placeOf(tenant.id)).objectName !== objectName) {
    received(objectName, sent, NOTHING, services);
    logEvent('error', 'tenant_in_wrong_place', { keyId: id });
    count('object', 'NOT_FOUND', options);
    return { code: 'NOT_FOUND' };
  }
  const key: VerifiedKey = JSON.parse(result.keyJson);
  const isMetered = key.isMetered === true;
  signed.isMetered = isMetered;
  if (signed instanceof ForeignKey) signed.foundAs(key.id);
  const record = renewal !== null && mayLease(byRecord(code), isMetered) ? heldKey(tenant, key, digest) : null;
  received(objectName, sent, { renewal, record }, services);
  const isFound = within.every((target) => isMeant(tenant, target));
  count('object', isFound ? code : 'NOT_FOUND', options);
  if (limits !== undefined) limitDecisions.at('key', 'object', code).count += 1;
  if (credits !== undefined) limitDecisions.at('credits', 'object', code).count += 1;
  if (!isFound) return { code: 'NOT_FOUND' };
  const decided = { code, tenantId: tenant.id, key, warnings, leased: false };
  return {
    ...decided,
    ...(limits === undefined ? {} : { limits }),
    ...(credits === undefined ? {} : { credits }),
  };
}

/** What the record decides. What limits and credits refuse is valid by its record. */
function byRecord(code: DecisionCode): RecordCode {
  return code === 'RATE_LIMITED' || code === 'QUOTA_EXCEEDED' || code === 'INSUFFICIENT_CREDITS' ? 'VALID' : code;
}
