/** What an update changed, as the audit entry records it. */
import type { KeyAttributes, KeyRecord } from './record.ts';

const FIELDS = [
  'name',
  'owner',
  'scopes',
  'metadata',
  'expiresAt',
  'enabled',
  'plan',
  'rateLimits',
  'quotas',
] as const satisfies readonly (keyof KeyAttributes)[];

/**
 * Old and new value of each attribute that differs; empty when none does. Metadata is the caller's own data and may be
 * large, so the entry says only that it changed.
 */
export function changesBetween(before: KeyRecord, after: KeyRecord): Record<string, unknown> {
  const changes: Record<string, unknown> = {};
  for (const field of FIELDS) {
    const [from, to] = [before[field], after[field]];
    if (JSON.stringify(from) === JSON.stringify(to)) continue;
    if (field === 'metadata') changes[field] = 'changed';
    else if (field === 'rateLimits' || field === 'quotas') {
      changes[field] = { from: JSON.parse(before[field]), to: JSON.parse(after[field]) };
    } else if (field === 'expiresAt')
      changes[field] = { from: isoTime(before.expiresAt), to: isoTime(after.expiresAt) };
    else changes[field] = { from, to };
  }
  return changes;
}

/** RFC 3339 in UTC with milliseconds; null stays null. */
export function isoTime(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}
