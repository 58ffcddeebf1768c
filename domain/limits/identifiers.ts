/**
 * Limits of a tenant for what has no key: a sign-up by IP address, for example. An identifier is what the caller names;
 * here it arrives as a digest only, since it may be personal data.
 */
import { endOfPeriod, PERIODS, type Period } from './calendar.ts';
import type { LimitResult, Refusal } from './decision.ts';
import type { Limit } from './limit.ts';
import type { LimitTexts } from './named-limit.ts';
import type { LimitCharge } from './tenant-limits.ts';

type Named = { readonly name: string; readonly limit: number };

/** The limits of a tenant, each list as JSON text: of these, by name, in seconds and periods. */
export type TenantRateLimit = Named & { readonly windowSeconds: number };
export type TenantQuota = Named & { readonly period: Period };

/** One call of `limits/check`. */
export type Check = { readonly name: string; readonly identifier: string; readonly cost: number };

/** What a check is answered. Without `limit` when no limit was asked, since the tenant is disabled. */
export type CheckResult = {
  readonly code: 'VALID' | 'TENANT_DISABLED' | Exclude<Refusal, 'INSUFFICIENT_CREDITS'>;
  readonly limit?: LimitResult;
};

/** What a check is charged; null when the tenant has no limit of this name. */
export function checkCharge({ rateLimits, quotas }: LimitTexts, { name, identifier, cost }: Check): LimitCharge | null {
  const [rates, others]: [TenantRateLimit[], TenantQuota[]] = [JSON.parse(rateLimits), JSON.parse(quotas)];
  const rate = rates.find((limit) => limit.name === name);
  if (rate !== undefined) {
    const limit: Limit = { kind: 'rate', limit: rate.limit, windowMs: rate.windowSeconds * 1000 };
    return { name, counter: counterName(limit, name, identifier), limit, cost };
  }
  const quota = others.find((limit) => limit.name === name);
  if (quota === undefined) return null;
  const limit: Limit = { kind: 'quota', limit: quota.limit, period: quota.period };
  return { name, counter: counterName(limit, name, identifier), limit, cost };
}

/**
 * Names the counter. No counter of a key or an owner has such a name: those begin with the kind of the limit. A quota
 * whose period is changed counts anew. So the row of an hour need not outlive it, and there is room for more visitors.
 */
function counterName(limit: Limit, name: string, identifier: string): string {
  return `check/${limit.kind === 'rate' ? 'rate' : limit.period}/${name}/${identifier}`;
}

/** When nothing of a counter with this name counts any more that was last used at `now` (ms), as far as it tells. */
export function endOfCheck(counter: string, now: number): number {
  const period = PERIODS.find((kind) => counter.startsWith(`check/${kind}/`));
  return period === undefined ? Number.POSITIVE_INFINITY : endOfPeriod(period, now);
}
