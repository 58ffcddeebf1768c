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
import { type HeldKey, heldBytes, heldKey } from '../../domain/keys/held-key.ts';
import type { VerifiedKey } from '../../domain/keys/record.ts';
import { type DecisionCode, decide, mayLease, type RecordCode, type Warning } from '../../domain/keys/verification.ts';
import type { Asking, LeaseHolder } from '../../domain/leases/holder.ts';
import type { BudgetHolder } from '../../domain/limits/budget-holder.ts';
import type { CallWithBudgets, RenewalWithBudgets } from '../../domain/limits/call-with-budgets.ts';
import type { LimitResult } from '../../domain/limits/decision.ts';
import type { BudgetAsking, HeldBudgets } from '../../domain/limits/held-budgets.ts';
import { decideByBudgets, type HeldCharge, heldCharges } from '../../domain/limits/held-limits.ts';
import type { Spending } from '../../domain/limits/named-limit.ts';
import { objectNameOf } from '../../domain/tenants/locator.ts';
import { isMeant, type TenantTarget } from '../../domain/tenants/target.ts';
import { logEvent } from '../../durable-objects/log.ts';
import type { VerifyResult } from '../../durable-objects/tenant/tenant.ts';
import type { KeySigner } from '../crypto/key-signer.ts';
import type { Place } from '../tenant-memory.ts';
import { ForeignKey, type ForeignKeys } from './foreign-keys.ts';
import type { PendingCalls } from './pending-calls.ts';
import type { SignatureCache, SignedKey } from './signature-cache.ts';

/** A tenant that falls quiet reports its last uses so long (ms) before its lease ends. */
const REPORT_BEFORE_END_MS = 50;
/** Uses are reported within this time (ms), however long the lease is. */
const REPORT_WITHIN_MS = 3000;

/** Units of a tenant of which none were spent for so long (ms) go back, before the object may be put to sleep. */
const GIVE_BACK_AFTER_MS = 3000;
/** One request watches for that at most so often. A later one goes on. */
const WATCHES_MAX = 6;
/** Calls that give back all that an isolate may hold of a tenant, some 200 budgets each. */
const REPORTS_MAX = 25;

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
      /** What is left of the credits; absent when the key has none or none were asked. */
      readonly credits?: { readonly remaining: number };
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
  readonly budgets: BudgetHolder;
  readonly pending: PendingCalls;
  readonly now: () => number;
};

/** The services of an isolate that verification uses. */
export type VerificationServices = LeaseServices & {
  readonly signer: KeySigner;
  readonly signatures: SignatureCache;
  readonly foreignKeys: ForeignKeys;
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
    call: CallWithBudgets,
    spending?: Spending,
  ): Promise<VerifyResult>;
  verifyForeignKey(
    objectName: string,
    key: ForeignKey,
    scopes: readonly string[],
    call: CallWithBudgets,
    spending?: Spending,
  ): Promise<VerifyResult>;
  renewLease(objectName: string, call: CallWithBudgets): Promise<RenewalWithBudgets | null>;
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
  if (tenant === undefined || options.system) return { code: 'MALFORMED' };
  const { tenantId } = tenant;
  const key = await services.foreignKeys.read(tenantId, text, objects.placeOf(tenantId));
  return key === null ? { code: 'MALFORMED' } : await verifySigned(key, options, services, objects);
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
  const held = options.fresh ? UNKNOWN : decideHeld(signed, options, services, objects);
  return 'code' in held ? held : decideByCall(signed, held, options, services, objects);
}

/**
 * Why the object has to decide. `mayWait`: a call on its way may bring what is missing. `charged`: what the key is
 * charged, if its record is held.
 */
type Undecided = { readonly mayWait: boolean; readonly charged: readonly HeldCharge[] };

const UNKNOWN: Undecided = { mayWait: false, charged: [] };
const NOT_HELD: Undecided = { mayWait: true, charged: [] };

/** Decides by the record that this isolate holds, and by units of its limits. */
function decideHeld(
  { id, digest, objectName }: SignedKey,
  { scopes, within, spending }: VerificationOptions,
  services: LeaseServices,
  objects: VerificationObjects,
): Verification | Undecided {
  const { leases, budgets } = services;
  const now = services.now();
  const held = leases.get(objectName, id, now);
  if (held === null || !(held.digest === digest || sameBytes(held.digest, digest))) return NOT_HELD;
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
    if ('code' in held) return held;
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

/** A call on its way, with what it tells of budgets if any are held. */
type Sent = { readonly asking: Asking; readonly held: HeldBudgets | undefined; readonly asked: BudgetAsking | null };

/** Prepares a call to the object of a tenant: it takes along what there is to tell. End it with one of the next two. */
function prepare(objectName: string, charged: readonly HeldCharge[], { leases, budgets, now }: LeaseServices): Sent {
  const at = now();
  const held = budgets.of(objectName);
  const asking = leases.ask(objectName, at);
  const asked = held?.ask(charged, at) ?? null;
  budgets.resized(objectName);
  return { asking, held, asked };
}

const callOf = ({ asking, asked }: Sent): CallWithBudgets =>
  asked === null ? asking.call : { ...asking.call, budgets: asked.call };

/** Notes that the call has failed. What it should have told is told by a later one. */
function failed(objectName: string, { asking, held, asked }: Sent, { leases }: LeaseServices): void {
  leases.failed(objectName, asking);
  if (asked !== null) held?.failed(asked);
}

/** Takes the answer of the call, and what it has brought: a renewal if any, and a record if any. */
function received(
  objectName: string,
  { asking, held, asked }: Sent,
  { renewal, record }: { readonly renewal: RenewalWithBudgets | null; readonly record: HeldKey | null },
  { leases, budgets, now }: LeaseServices,
): void {
  leases.answered(objectName, asking);
  const got = record === null ? null : { keyId: record.key.id, record, bytes: heldBytes(record) };
  if (renewal !== null) leases.receive(objectName, asking, renewal, got, now());
  if (asked === null || held === undefined) {
    if (renewal !== null && record !== null && record.limits !== null) budgets.open(objectName);
    return;
  }
  if (renewal?.budgets === undefined) held.failed(asked);
  else held.receive(asked, renewal.budgets, now());
}

async function askObject(
  signed: SignedKey,
  charged: readonly HeldCharge[],
  { scopes, within, spending }: VerificationOptions,
  services: LeaseServices,
  objects: VerificationObjects,
): Promise<Verification> {
  const { id, objectName, digest } = signed;
  // The locator is a function of the tenant id, so the key of another tenant is refused without an object call.
  for (const { tenantId } of within) {
    if ((await objects.placeOf(tenantId)).objectName !== objectName) return { code: 'NOT_FOUND' };
  }
  const sent = prepare(objectName, charged, services);
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
    return result;
  }
  const { code, tenant, warnings, limits, credits, renewal } = result;
  // The signed key string says where its tenant lives. A tenant that lives elsewhere does not belong into this
  // database: somebody has written to it.
  if ((await objects.placeOf(tenant.id)).objectName !== objectName) {
    received(objectName, sent, NOTHING, services);
    logEvent('error', 'tenant_in_wrong_place', { keyId: id });
    return { code: 'NOT_FOUND' };
  }
  const key: VerifiedKey = JSON.parse(result.keyJson);
  const isMetered = key.isMetered === true;
  signed.isMetered = isMetered;
  if (signed instanceof ForeignKey) signed.foundAs(key.id);
  const record = renewal !== null && mayLease(byRecord(code), isMetered) ? heldKey(tenant, key, digest) : null;
  received(objectName, sent, { renewal, record }, services);
  if (!within.every((target) => isMeant(tenant, target))) return { code: 'NOT_FOUND' };
  const decided = { code, tenantId: tenant.id, key, warnings, leased: false };
  return {
    ...decided,
    ...(limits === undefined ? {} : { limits }),
    ...(credits === undefined ? {} : { credits }),
  };
}

const NOTHING = { renewal: null, record: null };

/** What the record decides. What limits and credits refuse is valid by its record. */
function byRecord(code: DecisionCode): RecordCode {
  return code === 'RATE_LIMITED' || code === 'QUOTA_EXCEEDED' || code === 'INSUFFICIENT_CREDITS' ? 'VALID' : code;
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
    if (leases.usage.isDue(objectName)) await renew(objectName, services, objects);
  };
  if (untilEnd > 0) objects.afterwards(untilEnd, report);
  else await report();
}

/** Reports uses that no other call has taken along. */
async function reportUses(objectName: string, services: LeaseServices, objects: VerificationObjects): Promise<void> {
  if (services.leases.hasUses(objectName)) await renew(objectName, services, objects);
}

/** Makes a call that decides nothing. Returns whether the object has taken what it told of budgets. */
async function renew(objectName: string, services: LeaseServices, objects: VerificationObjects): Promise<boolean> {
  const sent = prepare(objectName, [], services);
  try {
    const renewal = await objects.renewLease(objectName, callOf(sent));
    received(objectName, sent, { renewal, record: null }, services);
    return renewal?.budgets !== undefined;
  } catch {
    // The object client has logged it. A later call reports what this one should have.
    failed(objectName, sent, services);
    return false;
  }
}

/**
 * Sees that units go back to the object when this isolate falls quiet: otherwise they count as used until their window
 * or period is over, and are lost when the object sleeps. One request of the tenant watches at a time.
 */
function giveBackWhenIdle(objectName: string, services: LeaseServices, objects: VerificationObjects): void {
  const now = services.now();
  if (!services.budgets.watch(objectName, now, now + (WATCHES_MAX + 1) * GIVE_BACK_AFTER_MS)) return;
  objects.afterwards(GIVE_BACK_AFTER_MS, async () => {
    await watchForIdleness(objectName, services, objects);
    services.budgets.unwatch(objectName);
  });
}

async function watchForIdleness(
  objectName: string,
  services: LeaseServices,
  objects: VerificationObjects,
): Promise<void> {
  for (let watches = 0; watches < WATCHES_MAX; watches++) {
    const held = services.budgets.of(objectName);
    if (held === undefined) return;
    const leftMs = GIVE_BACK_AFTER_MS - held.idleMs(services.now());
    if (leftMs <= 0) {
      held.giveBack(services.now());
      for (let calls = 0; calls < REPORTS_MAX && held.hasNews; calls++) {
        if (!(await renew(objectName, services, objects))) return;
      }
      return;
    }
    await scheduler.wait(leftMs);
  }
}
