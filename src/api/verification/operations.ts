/** Verification of customers' keys: the operation that is called most. */
import type * as v from 'valibot';
import type { VerifiedKey } from '../../../domain/keys/record.ts';
import {
  toLimitAnswer,
  toVerificationAnswer,
  type VerificationAnswer,
} from '../../../domain/keys/verification-answer.ts';
import type { LimitResult } from '../../../domain/limits/decision.ts';
import { JsonText } from '../../http/json-text.ts';
import { type Verification, verifyKeyString } from '../../verify/verify.ts';
import { leaseOfClient } from '../leases/pass-on.ts';
import { type Operation, type Outcome, operation } from '../operation.ts';
import type { LogNotes, RequestContext } from '../request-context.ts';
import { verification, verifyBody } from './schemas.ts';

const NO_SCOPES: readonly string[] = [];

export const verifyKey = operation({
  id: 'keys.verify',
  summary: 'Verifies a key string and returns the key that it belongs to',
  method: 'POST',
  path: '/v1/keys/verify',
  permission: 'keys:verify',
  confined: 'allowed',
  changes: false,
  request: { body: verifyBody },
  response: { body: verification },
  run: async (context, { body }) => {
    const { lease } = body;
    const verified = await verifyAsAsked(context, body);
    if (lease === undefined) return outcomeOf(verified);
    const passedOn = 'key' in verified ? await leaseOfClient(verified.tenantId, verified.key.id, lease, context) : null;
    return { value: { ...toVerificationAnswer(verified), lease: passedOn } };
  },
});

/**
 * Verifies a key string as the caller asks, for every form in which it may ask, and notes the result for the log.
 * Synchronous where `verifyKeyString` is.
 */
export function verifyAsAsked(
  { caller, runtime, objects, log }: RequestContext,
  { key, scopes = NO_SCOPES, tenantId, fresh = false, cost, limits, lease }: Asked,
): Verification | Promise<Verification> {
  const within = [caller.confinement, tenantId === undefined ? null : { tenantId, bound: null }].filter(
    (target) => target !== null,
  );
  // Customers have no management keys, so those are not found here (`system: false`).
  const spending = cost === undefined && limits === undefined ? null : { cost: cost ?? 1, limits: limits ?? [] };
  const options = { scopes, within, system: false, fresh, spending, leaseFor: lease ?? null };
  const verified = verifyKeyString(key, options, runtime, objects);
  return verified instanceof Promise ? verified.then((found) => noted(found, log)) : noted(verified, log);
}

type Asked = Omit<v.InferOutput<typeof verifyBody>, 'scopes'> & { readonly scopes?: readonly string[] };

function noted(verified: Verification, log: LogNotes): Verification {
  log.verification = verified.code;
  if ('key' in verified) log.keyId = verified.key.id;
  return verified;
}

/**
 * What depends on a held key alone, made once: the whole outcome for a key without limits, else the text around its
 * limits. It lives as long as the held key. HELD_BYTES in domain/keys/held-key.ts accounts for it.
 */
const reused = new WeakMap<VerifiedKey, Outcome<VerificationAnswer>>();
const reusedTexts = new WeakMap<VerifiedKey, { readonly before: string; readonly after: string }>();

function outcomeOf(verified: Verification): Outcome<VerificationAnswer> {
  const isReused = 'key' in verified && verified.leased && verified.code === 'VALID' && verified.warnings.length === 0;
  if (!isReused) return { value: toVerificationAnswer(verified) };
  if (verified.limits !== undefined) return { value: textWithLimits(verified, verified.limits) };
  const known = reused.get(verified.key);
  if (known !== undefined) return known;
  const outcome = { value: toVerificationAnswer(verified), isReused };
  reused.set(verified.key, outcome);
  return outcome;
}

function textWithLimits(verified: Found, limits: readonly LimitResult[]): JsonText {
  const { key } = verified;
  let around = reusedTexts.get(key);
  if (around === undefined) {
    const text = JSON.stringify(toVerificationAnswer({ ...verified, limits: [] }));
    // The last one: what comes after it holds no text of callers.
    const at = text.lastIndexOf(NO_LIMITS_TEXT) + NO_LIMITS_TEXT.length - 2;
    around = { before: text.slice(0, at), after: text.slice(at + 2) };
    reusedTexts.set(key, around);
  }
  return new JsonText(around.before + JSON.stringify(limits.map(toLimitAnswer)) + around.after);
}

type Found = Extract<Verification, { readonly key: VerifiedKey }>;

const NO_LIMITS_TEXT = '"limits":[]';

export const verificationOperations: readonly Operation[] = [verifyKey];
