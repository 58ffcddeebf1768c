/**
 * The cleanup pass, run by the alarm or by hand. It runs a batch of each job that is due (tenant-jobs.ts) and reports
 * what it did. Each pass is short and handles each row idempotently, so a pass that is cut off loses nothing. No result
 * depends on whether a pass has run: readers compare times themselves.
 */
import type { CleanupCounts, CleanupReport, CleanupTrigger } from './cleanup-reports.ts';
import { TENANT_JOBS, type TenantJobContext } from './tenant-jobs.ts';

/**
 * Rows of each job that one pass handles at most: some milliseconds in all. Meanwhile the object serves nobody else.
 */
export const CLEANUP_BATCH = 100;
const REMAINING_MAX = 10_000;

/**
 * Runs one pass at `now` (ms) and returns its report. A pass by the alarm that found nothing to do stores no report.
 * Call it inside a transaction.
 */
export function cleanUp(context: TenantJobContext, trigger: CleanupTrigger): CleanupReport {
  const { store, now } = context;
  const done = { expired: 0, rotationsEnded: 0, purged: 0, idempotencyPurged: 0, auditTrimmed: 0, usageTrimmed: 0 };
  let remaining = 0;
  for (const job of TENANT_JOBS) {
    for (const [name, n] of entriesOf(job.run(context, CLEANUP_BATCH))) done[name] += n;
    remaining += job.remaining(context, REMAINING_MAX);
  }
  const report = { trigger, startedAt: now, durationMs: Date.now() - now, ...done, remaining };
  const isEmpty = remaining === 0 && Object.values(done).every((n) => n === 0);
  return trigger === 'alarm' && isEmpty ? { seq: 0, ...report } : store.reports.append(report);
}

function entriesOf(done: Partial<CleanupCounts>): [keyof CleanupCounts, number][] {
  const names = ['expired', 'rotationsEnded', 'purged', 'idempotencyPurged', 'auditTrimmed', 'usageTrimmed'] as const;
  return names.map((name) => [name, done[name] ?? 0]);
}
