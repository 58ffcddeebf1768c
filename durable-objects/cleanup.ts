/**
 * The cleanup pass, run by the alarm or by hand: makes stored statuses catch up with the time and purges ended keys after
 * retention. Each pass is bounded and each row idempotent, so a pass that is cut off loses nothing. No answer waits for a pass: readers
 * compare times themselves.
 */
import { statusOf } from './keys/status.ts';
import type { TenantStore } from './store.ts';
import type { TenantRecord } from './tenants/record.ts';

export type CleanupTrigger = 'alarm' | 'manual';

export type CleanupReport = {
  readonly seq: number;
  readonly trigger: CleanupTrigger;
  readonly startedAt: number;
  readonly durationMs: number;
  readonly expired: number;
  readonly rotationsEnded: number;
  readonly purged: number;
  readonly idempotencyPurged: number;
  /** Rows still due after the pass, counted up to `REMAINING_MAX` of each kind. */
  readonly remaining: number;
};

/** Rows of each kind that a pass takes at most: tens of milliseconds, during which the object serves nobody else. */
export const CLEANUP_BATCH = 1000;
export const REMAINING_MAX = 100_000;
/** Reports kept; older ones go as new ones come. */
export const REPORTS_KEPT = 100;

export const CLEANUP_QUERIES = {
  insert:
    'INSERT INTO cleanups (trigger, started_at, duration_ms, expired, rotations_ended, purged, idempotency_purged, remaining) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq',
  trim: 'DELETE FROM cleanups WHERE seq <= ?',
  list: 'SELECT seq, trigger, started_at, duration_ms, expired, rotations_ended, purged, idempotency_purged, remaining FROM cleanups ORDER BY seq DESC',
} as const;

/** What a pass did, before it is written down. */
export type PassResult = Pick<
  CleanupReport,
  'expired' | 'rotationsEnded' | 'purged' | 'idempotencyPurged' | 'remaining'
>;

/** One bounded pass at `now` (ms). Call inside a transaction. */
export function cleanupPass(store: TenantStore, tenant: TenantRecord, now: number): PassResult {
  const { keys, rotations, envelopes, keptAnswers } = store;
  const endedBefore = now - tenant.settings.retentionSeconds * 1000;
  let expired = 0;
  let rotationsEnded = 0;
  for (const { owner } of keys.ownerRevocations.pending.slice(0, 1))
    keys.writeOwnerRevocation(owner, CLEANUP_BATCH, now);
  for (const record of keys.due(now, CLEANUP_BATCH)) {
    keys.update(record, now);
    const status = statusOf(record, now);
    if (status === 'expired') expired += 1;
    if (status === 'rotated') rotationsEnded += 1;
  }
  const purged = keys.purge(endedBefore, CLEANUP_BATCH);
  for (const id of purged) rotations.forget(id);
  const idempotencyPurged = keptAnswers.purge(now, CLEANUP_BATCH);
  if (mustShed(store, tenant)) envelopes.shed();
  const remaining = keys.countOverdue(now, endedBefore, REMAINING_MAX) + keptAnswers.countOld(now, REMAINING_MAX);
  return { expired, rotationsEnded, purged: purged.length, idempotencyPurged, remaining };
}

/** Whether envelopes are left that the tenant does not want kept. */
export function mustShed(store: TenantStore, tenant: TenantRecord): boolean {
  return tenant.settings.storage === 'digest' && store.envelopes.any();
}

/** Whether a pass found nothing at all that was due. */
export function didNothing({ expired, rotationsEnded, purged, idempotencyPurged, remaining }: PassResult): boolean {
  return expired + rotationsEnded + purged + idempotencyPurged + remaining === 0;
}

export class CleanupReports {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  append(report: Omit<CleanupReport, 'seq'>): CleanupReport {
    const { trigger, startedAt, durationMs, expired, rotationsEnded, purged, idempotencyPurged, remaining } = report;
    const done = [expired, rotationsEnded, purged, idempotencyPurged, remaining];
    const values = [trigger, startedAt, durationMs, ...done];
    const { seq } = this.#sql.exec<{ seq: number }>(CLEANUP_QUERIES.insert, ...values).one();
    this.#sql.exec(CLEANUP_QUERIES.trim, seq - REPORTS_KEPT);
    return { seq, ...report };
  }

  /** The report of the pass before; there must have been one. */
  latest(): CleanupReport {
    const [latest] = this.list();
    if (latest === undefined) throw new Error('no cleanup pass has been reported');
    return latest;
  }

  /** Newest first. */
  list(): CleanupReport[] {
    type Row = {
      seq: number;
      trigger: CleanupTrigger;
      started_at: number;
      duration_ms: number;
      expired: number;
      rotations_ended: number;
      purged: number;
      idempotency_purged: number;
      remaining: number;
    };
    return this.#sql
      .exec<Row>(CLEANUP_QUERIES.list)
      .toArray()
      .map(({ started_at, duration_ms, rotations_ended, idempotency_purged, ...rest }) => ({
        ...rest,
        startedAt: started_at,
        durationMs: duration_ms,
        rotationsEnded: rotations_ended,
        idempotencyPurged: idempotency_purged,
      }));
  }
}
