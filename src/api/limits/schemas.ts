/** Schemas of limits: what a key may use, and how that stands. */
import * as v from 'valibot';
import { toLimitAnswer } from '../../../domain/keys/verification-answer.ts';
import { PERIODS } from '../../../domain/limits/calendar.ts';
import type { CheckResult } from '../../../domain/limits/identifiers.ts';
import { LIMIT_UNITS_MAX, LIMITS_MAX, type LimitTexts, NO_LIMITS } from '../../../domain/limits/named-limit.ts';
import { boundedArray, closedObject } from '../../http/bounded-schemas.ts';
import { line } from '../../http/line.ts';
import { clearable, timeOut, wholeNumber } from '../fields.ts';

/** 30 days. Quotas are for longer times. */
const WINDOW_SECONDS_MAX = 2_592_000;

const NAME = /^[A-Za-z0-9_.-]{1,50}$/;
const limitName = v.pipe(v.string(), v.regex(NAME, 'must be 1 to 50 letters, digits, _, . or -'));

const units = wholeNumber(0, LIMIT_UNITS_MAX);
const UNITS_MESSAGE = `must be a whole number from 0 to ${LIMIT_UNITS_MAX}`;
const per = v.optional(v.picklist(['key', 'owner']), 'key');
const automatic = v.optional(v.boolean(), true);

const rateLimit = closedObject({
  name: limitName,
  limit: units,
  windowSeconds: wholeNumber(1, WINDOW_SECONDS_MAX),
  per,
  automatic,
});
const quota = closedObject({ name: limitName, limit: units, period: v.picklist(PERIODS), per, automatic });

/** Lists of limits, as the texts that the object keeps. The object checks names and number of both lists together. */
export const rateLimits = v.pipe(
  boundedArray(rateLimit, 0, LIMITS_MAX, 'limits'),
  v.transform((list) => (list.length === 0 ? NO_LIMITS : JSON.stringify(list))),
);
export const quotas = v.pipe(
  boundedArray(quota, 0, LIMITS_MAX, 'limits'),
  v.transform((list) => (list.length === 0 ? NO_LIMITS : JSON.stringify(list))),
);

const namedOut = { name: v.string(), limit: v.number() };
const appliesOut = { per: v.picklist(['key', 'owner']), automatic: v.boolean() };
const rateLimitOut = v.strictObject({ ...namedOut, windowSeconds: v.number(), ...appliesOut });
const quotaOut = v.strictObject({ ...namedOut, period: v.picklist(PERIODS), ...appliesOut });

export const limitFields = { rateLimits: v.array(rateLimitOut), quotas: v.array(quotaOut) };
type LimitLists = {
  readonly rateLimits: v.InferOutput<typeof rateLimitOut>[];
  readonly quotas: v.InferOutput<typeof quotaOut>[];
};

/** Parses limits as the object keeps them. A result that an earlier version kept has none. */
export function toLimitLists({ rateLimits: rates = NO_LIMITS, quotas: others = NO_LIMITS }: Partial<LimitTexts>) {
  const lists: LimitLists = { rateLimits: JSON.parse(rates), quotas: JSON.parse(others) };
  return lists;
}

// ---- limits of a tenant, for identifiers ----

const tenantRateLimit = closedObject({
  name: limitName,
  limit: units,
  windowSeconds: wholeNumber(1, WINDOW_SECONDS_MAX),
});
const tenantQuota = closedObject({ name: limitName, limit: units, period: v.picklist(PERIODS) });
/** A list that is absent stays as it is; null clears it. */
export const tenantLimits = closedObject({
  rateLimits: v.exactOptional(
    clearable(
      v.pipe(
        boundedArray(tenantRateLimit, 0, LIMITS_MAX, 'limits'),
        v.transform((list) => (list.length === 0 ? NO_LIMITS : JSON.stringify(list))),
      ),
      NO_LIMITS,
    ),
  ),
  quotas: v.exactOptional(
    clearable(
      v.pipe(
        boundedArray(tenantQuota, 0, LIMITS_MAX, 'limits'),
        v.transform((list) => (list.length === 0 ? NO_LIMITS : JSON.stringify(list))),
      ),
      NO_LIMITS,
    ),
  ),
});

const tenantRateLimitOut = v.strictObject({ ...namedOut, windowSeconds: v.number() });
const tenantQuotaOut = v.strictObject({ ...namedOut, period: v.picklist(PERIODS) });
export const tenantLimitsOut = v.strictObject({
  rateLimits: v.array(tenantRateLimitOut),
  quotas: v.array(tenantQuotaOut),
});

/** A result that an earlier version kept has none. */
export function toTenantLimits(limits: LimitTexts | undefined): v.InferOutput<typeof tenantLimitsOut> {
  return {
    rateLimits: JSON.parse(limits?.rateLimits ?? NO_LIMITS),
    quotas: JSON.parse(limits?.quotas ?? NO_LIMITS),
  };
}

/** Any text that tells one visitor from another, an IP address for example. */
const IDENTIFIER_LENGTH_MAX = 200;

export const checkBody = closedObject({
  identifier: line(IDENTIFIER_LENGTH_MAX),
  name: limitName,
  cost: v.optional(units, 1),
});

// ---- verification ----

/** Units that a verification costs. 0 asks without spending. */
export const cost = units;
/** The same as the text of a query. */
export const unitsText = v.pipe(
  v.string(),
  v.regex(/^(?:0|[1-9]\d{0,9})$/, UNITS_MESSAGE),
  v.check((text) => Number(text) <= LIMIT_UNITS_MAX, UNITS_MESSAGE),
  v.metadata({ type: 'integer', minimum: 0, maximum: LIMIT_UNITS_MAX }),
  v.transform(Number),
);

/** The limits that a verification names, each once. */
export const namedLimits = v.pipe(
  boundedArray(closedObject({ name: limitName, cost: v.exactOptional(cost) }), 0, 2 * LIMITS_MAX, 'limits'),
  v.check((list) => new Set(list.map(({ name }) => name)).size === list.length, 'must name each limit once'),
);

export const limitOut = v.strictObject({
  ...namedOut,
  remaining: v.number(),
  resetsAt: timeOut,
  /** Of a limit that refused. Null when it always would. */
  retryAfterMs: v.exactOptional(v.nullable(v.number())),
});

/** The answer to a check. The limit is absent when the tenant is disabled. */
export const checkOut = v.strictObject({
  allowed: v.boolean(),
  code: v.picklist(['VALID', 'TENANT_DISABLED', 'RATE_LIMITED', 'QUOTA_EXCEEDED']),
  ...v.partial(limitOut).entries,
});

export function toCheck({ code, limit }: CheckResult): v.InferOutput<typeof checkOut> {
  return { allowed: code === 'VALID', code, ...(limit && toLimitAnswer(limit)) };
}
