/** Schemas of cleanup reports, and how a record becomes a resource. */
import * as v from 'valibot';
import { isoTime } from '../../../domain/keys/changed-attributes.ts';
import type { CleanupReport } from '../../../durable-objects/tenant/cleanup-reports.ts';
import type { CleanupOverview } from '../../../durable-objects/tenant/tenant.ts';
import { timeOut } from '../fields.ts';

export const cleanupReport = v.strictObject({
  id: v.string(),
  trigger: v.picklist(['alarm', 'manual']),
  startedAt: timeOut,
  durationMs: v.number(),
  expired: v.number(),
  rotationsEnded: v.number(),
  purged: v.number(),
  idempotencyPurged: v.number(),
  auditTrimmed: v.number(),
  usageTrimmed: v.number(),
  remaining: v.number(),
});

export const cleanupList = v.strictObject({ data: v.array(cleanupReport), nextAlarmAt: v.nullable(timeOut) });

export function toCleanupReport(report: CleanupReport): v.InferOutput<typeof cleanupReport> {
  return {
    id: `cleanup_${report.seq}`,
    trigger: report.trigger,
    startedAt: new Date(report.startedAt).toISOString(),
    durationMs: report.durationMs,
    expired: report.expired,
    rotationsEnded: report.rotationsEnded,
    purged: report.purged,
    idempotencyPurged: report.idempotencyPurged,
    auditTrimmed: report.auditTrimmed,
    // A result that an earlier version kept has none.
    usageTrimmed: report.usageTrimmed ?? 0,
    remaining: report.remaining,
  };
}

export function toCleanupList({ reports, nextAlarmAt }: CleanupOverview): v.InferOutput<typeof cleanupList> {
  return { data: reports.map(toCleanupReport), nextAlarmAt: isoTime(nextAlarmAt) };
}
