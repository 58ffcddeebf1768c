/** Limits as callers give them to keys: by name, in seconds, and for whose use they count. */
import type { Period } from './calendar.ts';
import type { Limit } from './limit.ts';
import type { LimitCharge } from './tenant-limits.ts';

type Named = {
  /** Unique among the limits of a key, of both kinds. */
  readonly name: string;
  readonly limit: number;
  /** Whose use counts: that of the key with all its lineage, or that of all keys of its owner together. */
  readonly per: 'key' | 'owner';
  /** Whether each verification counts. Otherwise only those count that name the limit. */
  readonly automatic: boolean;
};

export type NamedRateLimit = Named & { readonly windowSeconds: number };
export type NamedQuota = Named & { readonly period: Period };

/** The limits of a key, each list as JSON text: of `NamedRateLimit[]`, and of `NamedQuota[]`. */
export type LimitTexts = { readonly rateLimits: string; readonly quotas: string };

/** The text of a list without limits. */
export const NO_LIMITS = '[]';

/** Most limits of a key, of both kinds together. Each costs a verification a counter. */
export const LIMITS_MAX = 8;

/** Largest limit and largest cost of a verification. */
export const LIMIT_UNITS_MAX = 1_000_000_000;

const isNone = ({ rateLimits, quotas }: LimitTexts) => rateLimits === NO_LIMITS && quotas === NO_LIMITS;

function parse({ rateLimits, quotas }: LimitTexts): (NamedRateLimit | NamedQuota)[] {
  const [rates, others]: [NamedRateLimit[], NamedQuota[]] = [JSON.parse(rateLimits), JSON.parse(quotas)];
  return [...rates, ...others];
}

/** What is wrong with limits that are valid each by itself; null if nothing is. */
export function limitsBreach(texts: LimitTexts): 'too_many_limits' | 'limit_name_repeated' | null {
  if (isNone(texts)) return null;
  const all = parse(texts);
  if (all.length > LIMITS_MAX) return 'too_many_limits';
  return new Set(all.map(({ name }) => name)).size < all.length ? 'limit_name_repeated' : null;
}

/**
 * Whether a key may do anything with the limits `after` that it may not with those `before`. Lower limits of the same
 * names allow less. A further one may allow more, since it replaces a limit of the plan that has its name.
 */
export function allowsMore(before: LimitTexts, after: LimitTexts): boolean {
  if (isNone(before) && isNone(after)) return false;
  const earlier = parse(before);
  const later = new Map(parse(after).map((limit) => [limit.name, limit]));
  if (later.size !== earlier.length) return true;
  return earlier.some((limit) => {
    const then = later.get(limit.name);
    return then === undefined || !isAsTight(limit, then);
  });
}

function isAsTight(before: NamedRateLimit | NamedQuota, after: NamedRateLimit | NamedQuota): boolean {
  if (after.limit > before.limit || after.per !== before.per) return false;
  if (before.automatic && !after.automatic) return false;
  if ('period' in before) return 'period' in after && after.period === before.period;
  return 'windowSeconds' in after && after.windowSeconds >= before.windowSeconds;
}

/** Whose counters the limits of a key are. */
export type LimitedKey = {
  readonly id: string;
  readonly lineage: string | null;
  readonly owner: string | null;
};

/** A limit that applies to a key: to each verification, or to those that name it. */
export type KeyLimit = Omit<LimitCharge, 'cost'> & { readonly automatic: boolean };

/** The limits of a key as a verification needs them. */
export type KeyLimits = {
  readonly all: readonly KeyLimit[];
  /** What a verification is charged that says nothing of cost and limits. */
  readonly usual: readonly LimitCharge[];
};

/** The limits that apply to a key: its own, and those of its plan with other names. Null when there are none. */
export function keyLimits(own: LimitTexts, plan: LimitTexts | null, key: LimitedKey): KeyLimits | null {
  if (isNone(own) && (plan === null || isNone(plan))) return null;
  const owned = parse(own);
  const names = new Set(owned.map(({ name }) => name));
  const planned = plan === null ? [] : parse(plan).filter(({ name }) => !names.has(name));
  const all = [...owned, ...planned].map((limit) => ({
    name: limit.name,
    counter: counterName(limit, key),
    limit: toLimit(limit),
    automatic: limit.automatic,
  }));
  return { all, usual: charges(all, { cost: 1, limits: [] }) };
}

function toLimit(named: NamedRateLimit | NamedQuota): Limit {
  const { limit } = named;
  if ('period' in named) return { kind: 'quota', limit, period: named.period };
  return { kind: 'rate', limit, windowMs: named.windowSeconds * 1000 };
}

/**
 * Names the counter of a limit. It belongs to the root of the lineage, so that a rotation brings no new allowance, or
 * to the owner. A rate limit and a quota never share one. A key without an owner counts for itself.
 */
function counterName(limit: NamedRateLimit | NamedQuota, { id, lineage, owner }: LimitedKey): string {
  const kind = 'period' in limit ? 'quota' : 'rate';
  const whose = limit.per === 'owner' && owner !== null ? `owner/${owner}` : (lineage ?? id);
  return `${kind}/${limit.name}/${whose}`;
}

/** What a verification asks for: the cost in units, and limits by name, each with a cost of its own if given. */
export type Spending = {
  readonly cost: number;
  readonly limits: readonly { readonly name: string; readonly cost?: number }[];
};

/** What a verification is charged by each limit that applies. Names of other limits are passed over. */
export function charges<L extends KeyLimit>(
  all: readonly L[],
  { cost, limits }: Spending,
): readonly (L & { readonly cost: number })[] {
  return all.flatMap((limit) => {
    const named = limits.find(({ name }) => name === limit.name);
    return limit.automatic || named !== undefined ? [{ ...limit, cost: named?.cost ?? cost }] : [];
  });
}

/** Upper bound of what the limits of a key take in memory (bytes), beside what their texts would. */
export const KEY_LIMIT_BYTES = 400;
