/**
 * The decision about a key that was found: one pure function of record, tenant status, wanted scopes and time. Before
 * that the Worker, which alone holds the secrets, has checked that the key string is well-formed and signed.
 */
import { REFUSALS, type Refusal } from '../limits/decision.ts';
import type { TenantStatus } from '../tenants/record.ts';
import type { KeyRecord, KeyStatus, KeyTimes, VerifiedKey } from './record.ts';
import { scopesSatisfied } from './scopes.ts';
import { statusOf } from './status.ts';

/** The codes that the record of a key decides, and after that its limits and credits. `decide` gives their order. */
export const DECISION_CODES = [
  'VALID',
  'REVOKED',
  'EXPIRED',
  'ROTATED',
  'DISABLED',
  'TENANT_DISABLED',
  'OWNER_DISABLED',
  'INSUFFICIENT_SCOPES',
  ...REFUSALS,
] as const;
export type DecisionCode = (typeof DECISION_CODES)[number];

/** The codes that a record decides. */
export type RecordCode = Exclude<DecisionCode, Refusal>;

/** What a valid key's holder should know. Times are milliseconds since the epoch. */
export type Warning =
  | { readonly code: 'key_rotated'; readonly graceEndsAt: number; readonly replacedBy: string | null }
  | { readonly code: 'expiring_soon'; readonly expiresAt: number };

/** The fields of a key, of its owner and of its plan that a decision depends on. */
export type DecidedKey = KeyTimes &
  Pick<KeyRecord, 'scopes' | 'replacedBy'> &
  Pick<VerifiedKey, 'ownerDisabled' | 'allowedScopes'>;

export type Decision = { readonly code: RecordCode; readonly warnings: readonly Warning[] };

/** How long before its expiry a valid key carries the warning `expiring_soon` (contract: 7 days). */
export const EXPIRING_SOON_MS = 7 * 24 * 60 * 60 * 1000;

const CODE_OF_STATUS: Record<KeyStatus, RecordCode> = {
  active: 'VALID',
  rotating: 'VALID',
  revoked: 'REVOKED',
  rotated: 'ROTATED',
  expired: 'EXPIRED',
  disabled: 'DISABLED',
};

/**
 * Decides a verification at `now` (ms): the first that applies of tenant disabled, revoked, rotated, expired, disabled,
 * owner disabled, scopes. Only `VALID` comes with warnings.
 */
export function decide(
  tenant: TenantStatus,
  record: DecidedKey,
  wantedScopes: readonly string[],
  now: number,
): Decision {
  if (tenant === 'disabled') return { code: 'TENANT_DISABLED', warnings: [] };
  const code = CODE_OF_STATUS[statusOf(record, now)];
  if (code !== 'VALID') return { code, warnings: [] };
  if (record.ownerDisabled) return { code: 'OWNER_DISABLED', warnings: [] };
  const { scopes, allowedScopes } = record;
  const isAllowed = allowedScopes === undefined || scopesSatisfied(allowedScopes, wantedScopes);
  if (!isAllowed || !scopesSatisfied(scopes, wantedScopes)) return { code: 'INSUFFICIENT_SCOPES', warnings: [] };
  return { code, warnings: warningsFor(record, now) };
}

/**
 * Whether a lease may be granted with this decision: for a valid key, and for refusals that are final. The other
 * refusals can be lifted, and a caller who has just lifted one must not have to wait for a lease. What limits decide
 * beside the record is held in budgets. A key that is metered has credits, and only the object ever decides such a key
 * to be valid.
 */
export function mayLease(code: RecordCode, isMetered: boolean): boolean {
  if (code === 'REVOKED') return true;
  return !isMetered && (code === 'VALID' || code === 'ROTATED');
}

function warningsFor(record: DecidedKey, now: number): Warning[] {
  const warnings: Warning[] = [];
  if (record.graceEndsAt !== null) {
    warnings.push({ code: 'key_rotated', graceEndsAt: record.graceEndsAt, replacedBy: record.replacedBy });
  }
  if (record.expiresAt !== null && record.expiresAt - now <= EXPIRING_SOON_MS) {
    warnings.push({ code: 'expiring_soon', expiresAt: record.expiresAt });
  }
  return warnings;
}
