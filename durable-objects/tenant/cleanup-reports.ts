/** Reports of cleanup passes, in storage. */

/** What a cleanup pass did: how many rows of each kind. */
export type CleanupCounts = {
  readonly expired: number;
  readonly rotationsEnded: number;
  readonly purged: number;
  readonly idempotencyPurged: number;
  readonly auditTrimmed: number;
  readonly usageTrimmed: number;
};

export type CleanupTrigger = 'alarm' | 'manual';

export type CleanupReport = CleanupCounts & {
  readonly seq: number;
  readonly trigger: CleanupTrigger;
  readonly startedAt: number;
  readonly durationMs: number;
  /** Rows that are still due after the pass, counted up to a bound for each job (cleanup.ts). */
  readonly remaining: number;
};

/** Reports that are kept. A new report replaces the oldest. */
export const REPORTS_KEPT = 100;

export const CLEANUP_QUERIES = {
  insert: `INSERT INTO cleanups (trigger, started_at, duration_ms, expired, rotations_ended, purged,
      idempotency_purged, audit_trimmed, usage_trimmed, remaining)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq`,
  amend: `UPDATE cleanups
    SET (duration_ms, expired, rotations_ended, purged, idempotency_purged, audit_trimmed, usage_trimmed, remaining)
      = (?, ?, ?, ?, ?, ?, ?, ?)
    WHERE seq = ?`,
  trim: 'DELETE FROM cleanups WHERE seq <= ?',
  latest: `SELECT seq, trigger, started_at, duration_ms, expired, rotations_ended, purged, idempotency_purged,
      audit_trimmed, usage_trimmed, remaining
    FROM cleanups ORDER BY seq DESC LIMIT ?`,
} as const;

export class CleanupReports {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Stores a report. A pass by the alarm that continues the one before is added to the same report. */
  append(report: Omit<CleanupReport, 'seq'>): CleanupReport {
    const [latest] = this.#latest(1);
    const goesOn = latest?.trigger === 'alarm' && latest.remaining > 0 && report.trigger === 'alarm';
    return goesOn ? this.#amend(latest, report) : this.#insert(report);
  }

  #insert(report: Omit<CleanupReport, 'seq'>): CleanupReport {
    const values = [report.trigger, report.startedAt, ...countsOf(report)];
    const { seq } = this.#sql.exec<{ seq: number }>(CLEANUP_QUERIES.insert, ...values).one();
    this.#sql.exec(CLEANUP_QUERIES.trim, seq - REPORTS_KEPT);
    return { seq, ...report };
  }

  #amend(before: CleanupReport, report: Omit<CleanupReport, 'seq'>): CleanupReport {
    const amended = {
      ...before,
      durationMs: before.durationMs + report.durationMs,
      expired: before.expired + report.expired,
      rotationsEnded: before.rotationsEnded + report.rotationsEnded,
      purged: before.purged + report.purged,
      idempotencyPurged: before.idempotencyPurged + report.idempotencyPurged,
      auditTrimmed: before.auditTrimmed + report.auditTrimmed,
      usageTrimmed: before.usageTrimmed + report.usageTrimmed,
      remaining: report.remaining,
    };
    this.#sql.exec(CLEANUP_QUERIES.amend, ...countsOf(amended), before.seq);
    return amended;
  }

  /** All kept reports, newest first. */
  list(): CleanupReport[] {
    return this.#latest(REPORTS_KEPT);
  }

  #latest(limit: number): CleanupReport[] {
    type Row = {
      seq: number;
      trigger: CleanupTrigger;
      started_at: number;
      duration_ms: number;
      expired: number;
      rotations_ended: number;
      purged: number;
      idempotency_purged: number;
      audit_trimmed: number;
      usage_trimmed: number;
      remaining: number;
    };
    return this.#sql
      .exec<Row>(CLEANUP_QUERIES.latest, limit)
      .toArray()
      .map(
        ({ started_at, duration_ms, rotations_ended, idempotency_purged, audit_trimmed, usage_trimmed, ...rest }) => ({
          ...rest,
          startedAt: started_at,
          durationMs: duration_ms,
          rotationsEnded: rotations_ended,
          idempotencyPurged: idempotency_purged,
          auditTrimmed: audit_trimmed,
          usageTrimmed: usage_trimmed,
        }),
      );
  }
}

/** The counts in the order of the columns. */
function countsOf(report: Omit<CleanupReport, 'seq'>): number[] {
  const { durationMs, expired, rotationsEnded, purged, idempotencyPurged, auditTrimmed, usageTrimmed, remaining } =
    report;
  return [durationMs, expired, rotationsEnded, purged, idempotencyPurged, auditTrimmed, usageTrimmed, remaining];
}
