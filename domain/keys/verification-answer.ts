/**
 * What a verification tells its caller: the server's answer, and that of a client which decides by a lease of its own.
 */
import type { LimitResult } from '../limits/decision.ts';
import { isoTime } from './changed-attributes.ts';
import type { VerifiedKey } from './record.ts';
import type { DecisionCode, Warning } from './verification.ts';

/** Codes of key strings for which no key is found. */
export const UNFOUND_CODES = ['MALFORMED', 'FORGED', 'NOT_FOUND'] as const;
type UnfoundCode = (typeof UNFOUND_CODES)[number];

/** What verifying a key string found. */
export type Found = {
  readonly code: DecisionCode;
  readonly tenantId: string;
  readonly key: VerifiedKey;
  readonly warnings: readonly Warning[];
  /** How the limits stand that decided; absent when none was asked. */
  readonly limits?: readonly LimitResult[];
  /** What is left of the credits; absent when the key has none or none were asked. */
  readonly credits?: { readonly remaining: number };
};

export type LimitAnswer = Omit<LimitResult, 'resetsAt'> & { resetsAt: string };

export type Lineage = {
  replaces: string | null;
  replacedBy: string | null;
  rotatedAt: string | null;
  graceEndsAt: string | null;
};

export type WarningAnswer =
  | { code: 'key_rotated'; message: string; graceEndsAt: string; replacedBy: string | null }
  | { code: 'expiring_soon'; message: string; expiresAt: string };

/** The fields are in docs/api.md. All beyond the first three are of keys that were found. */
export type VerificationAnswer = {
  valid: boolean;
  code: DecisionCode | UnfoundCode;
  warnings: WarningAnswer[];
  keyId?: string;
  tenantId?: string;
  name?: string;
  owner?: string | null;
  ownerMetadata?: Record<string, unknown>;
  plan?: string;
  scopes?: string[];
  metadata?: Record<string, unknown>;
  expiresAt?: string | null;
  rotation?: Lineage;
  limits?: LimitAnswer[];
  credits?: { remaining: number };
};

export function toVerificationAnswer(verified: Found | { readonly code: UnfoundCode }): VerificationAnswer {
  if (!('key' in verified)) return { valid: false, code: verified.code, warnings: [] };
  const { code, tenantId, key, warnings, limits, credits } = verified;
  const found = {
    valid: code === 'VALID',
    code,
    keyId: key.id,
    tenantId,
    name: key.name,
    owner: key.owner,
    ...(key.owner === null ? {} : { ownerMetadata: parseMetadata(key.ownerMetadata ?? '{}') }),
    ...(key.plan === undefined ? {} : { plan: key.plan }),
    scopes: [...key.scopes],
    metadata: parseMetadata(key.metadata),
    expiresAt: isoTime(key.expiresAt),
    ...(limits === undefined ? {} : { limits: limits.map(toLimitAnswer) }),
    ...(credits === undefined ? {} : { credits }),
    warnings: warnings.map(toWarningAnswer),
  };
  return key.replaces === null && key.replacedBy === null ? found : { ...found, rotation: toLineage(key) };
}

export function toWarningAnswer(warning: Warning): WarningAnswer {
  switch (warning.code) {
    case 'key_rotated':
      return {
        code: warning.code,
        message: 'This key was rotated and stops working when its grace period ends. Switch to its successor.',
        graceEndsAt: new Date(warning.graceEndsAt).toISOString(),
        replacedBy: warning.replacedBy,
      };
    case 'expiring_soon':
      return {
        code: warning.code,
        message: 'This key expires soon.',
        expiresAt: new Date(warning.expiresAt).toISOString(),
      };
  }
}

export function toLimitAnswer({ resetsAt, ...limit }: LimitResult): LimitAnswer {
  return { ...limit, resetsAt: new Date(resetsAt).toISOString() };
}

export function toLineage(key: Pick<VerifiedKey, 'replaces' | 'replacedBy' | 'rotatedAt' | 'graceEndsAt'>): Lineage {
  return {
    replaces: key.replaces,
    replacedBy: key.replacedBy,
    rotatedAt: isoTime(key.rotatedAt),
    graceEndsAt: isoTime(key.graceEndsAt),
  };
}

/** Parses metadata as the object keeps it: the JSON text of an object. */
export function parseMetadata(text: string): Record<string, unknown> {
  return JSON.parse(text);
}
