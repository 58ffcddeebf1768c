/** Keys that are verified often, kept in memory in the form that a verification needs. */
import type { KeyRecord, UsedKey } from '../../../domain/keys/record.ts';
import { verifiedKeyOf } from '../../../domain/keys/status.ts';
import type { DecidedKey } from '../../../domain/keys/verification.ts';
import { KEY_LIMIT_BYTES, type KeyLimits, keyLimits } from '../../../domain/limits/named-limit.ts';
import { asciiListBytes, textBytes } from '../../../domain/memory/size.ts';
import type { OwnerState } from '../../../domain/owners/record.ts';
import type { PlanState } from '../../../domain/plans/record.ts';
import type { Used } from '../../../domain/usage/pending-usage.ts';

/**
 * A key that is verified often: the fields that decide a verification and record its use, and what verifications
 * report, as JSON text. The text is made once, because copying one text out of the object costs less than copying an
 * object of a dozen fields.
 */
export type HotKey = {
  readonly record: UsedKey & DecidedKey & Pick<KeyRecord, 'digest' | 'hint'>;
  readonly verifiedJson: string;
  /** Null for a key without limits. */
  readonly limits: KeyLimits | null;
  /** Whose credits each verification draws on (domain/limits/credits.ts); null for none. */
  readonly creditHolder: string | null;
  /** Whose use a verification is. */
  readonly used: Used;
  /**
   * The latest recorded use (ms), to the minute. It is kept here because a use changes neither the record nor its
   * version.
   */
  usedAt: number | null;
};

/**
 * What a hot key takes beside its text and scopes. Measured: 400 on the heap and 200 outside of it for the digest; with
 * two scopes and little metadata 1,150 in all.
 */
const HOT_KEY_BYTES = 650;

/** Upper bound of what a hot key takes in memory (bytes). */
export const hotBytes = ({ record, verifiedJson, limits, creditHolder, used }: HotKey) =>
  HOT_KEY_BYTES +
  USED_BYTES +
  textBytes(used.owner ?? '') +
  textBytes(used.plan ?? '') +
  asciiListBytes(record.scopes) +
  asciiListBytes(record.allowedScopes ?? []) +
  textBytes(verifiedJson) +
  limitBytes(limits) +
  (creditHolder === null ? 0 : textBytes(creditHolder));

/** What `used` takes beside owner and plan. */
const USED_BYTES = 32;

function limitBytes(limits: KeyLimits | null): number {
  let bytes = 0;
  for (const { counter } of limits?.all ?? []) bytes += KEY_LIMIT_BYTES + textBytes(counter);
  return bytes;
}

/**
 * The hot key of a record, with the use that is stored, the state of its owner, its plan or that of the owner, and
 * whose credits it draws on.
 */
export function hotKeyOf(
  record: KeyRecord,
  { ownerPlan: _, ...owner }: OwnerState,
  plan: PlanState | null,
  creditHolder: string | null,
): HotKey {
  const limits = keyLimits(record, plan, record);
  const allowedScopes: readonly string[] | null = plan?.allowedScopes == null ? null : JSON.parse(plan.allowedScopes);
  return {
    record: {
      seq: record.seq,
      id: record.id,
      digest: record.digest,
      hint: record.hint,
      scopes: record.scopes,
      enabled: record.enabled,
      createdAt: record.createdAt,
      expiresAt: record.expiresAt,
      revokedAt: record.revokedAt,
      replaces: record.replaces,
      replacedBy: record.replacedBy,
      graceEndsAt: record.graceEndsAt,
      ...(owner.ownerDisabled === undefined ? {} : { ownerDisabled: true }),
      ...(allowedScopes === null ? {} : { allowedScopes }),
    },
    verifiedJson: JSON.stringify({
      ...verifiedKeyOf(record),
      ...owner,
      ...(plan === null ? {} : { plan: plan.id }),
      ...(allowedScopes === null ? {} : { allowedScopes }),
      ...(limits === null ? {} : { limits: limits.all }),
      ...(creditHolder === null ? {} : { isMetered: true }),
    }),
    limits,
    creditHolder,
    used: { keyId: record.id, owner: record.owner, plan: plan?.id ?? null },
    usedAt: record.lastUsedAt,
  };
}
