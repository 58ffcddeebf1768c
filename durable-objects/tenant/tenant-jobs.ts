/**
 * The jobs of a tenant's object. They write into the rows what time and group revocations have decided, and delete what
 * is old.
 */

import { isoTime } from '../../domain/keys/changed-attributes.ts';
import { statusOf } from '../../domain/keys/status.ts';
import type { TenantRecord } from '../../domain/tenants/record.ts';
import { originOf } from '../audit-log.ts';
import { earliest } from '../jobs/alarm-clock.ts';
import type { Job } from '../jobs/job.ts';
import type { CleanupCounts } from './cleanup-reports.ts';
import type { TenantStore } from './store.ts';

export type TenantJobContext = { readonly store: TenantStore; readonly tenant: TenantRecord; readonly now: number };

type TenantJob = Job<TenantJobContext, CleanupCounts>;

/** Writes statuses that time has changed. */
const statuses: TenantJob = {
  name: 'statuses',
  dueAt: ({ store }) => store.keys.firstDueAt(),
  run: ({ store, now }, limit) => {
    let expired = 0;
    let rotationsEnded = 0;
    for (const record of store.keys.due(now, limit)) {
      store.keys.update(record, now);
      const status = statusOf(record, now);
      if (status === 'expired') expired += 1;
      if (status === 'rotated') rotationsEnded += 1;
    }
    return { expired, rotationsEnded };
  },
  remaining: ({ store, now }, limit) => store.keys.countDue(now, limit),
};

/** Writes revocations of whole groups into the rows of their keys, each with its audit entry. */
const groupRevocations: TenantJob = {
  name: 'group_revocations',
  dueAt: ({ store }) => (store.keys.groupRevocations.pending.length > 0 ? 0 : null),
  run: ({ store, now }, limit) => {
    const [revocation] = store.keys.groupRevocations.pending;
    if (revocation === undefined) return {};
    const written = store.keys.writeGroupRevocation(revocation, limit);
    const { kind, value, commandId, revokedAt } = revocation;
    // Group revocations from before commands were recorded have one audit entry only.
    const entry = commandId === null ? null : store.audit.entryOf(commandId, revokedAt);
    if (entry === null) return {};
    const changes = { [kind]: value, revokedAt: isoTime(revokedAt) };
    const others = written.filter(({ id }) => id !== entry.keyId);
    const subjects = others.map(({ id }) => ({ action: 'key.revoke', keyId: id, changes }) as const);
    store.audit.appendLater(originOf(entry), subjects, now);
    return {};
  },
  remaining: ({ store }) => store.keys.groupRevocations.pending.length,
};

/** Deletes keys whose retention is over. */
const retention: TenantJob = {
  name: 'retention',
  dueAt: ({ store, tenant }) => {
    const endedAt = store.keys.firstEndedAt();
    return endedAt === null ? null : endedAt + tenant.settings.retentionSeconds * 1000;
  },
  run: ({ store, tenant, now }, limit) => {
    const purged = store.keys.purge(now - tenant.settings.retentionSeconds * 1000, limit);
    for (const { id, seq, replacedBy, lineage } of purged) {
      store.rotations.forget({ id, replacedBy });
      store.forgetCredits({ id, lineage });
      // A new key may get the same `seq`.
      store.lastUsed.forget(seq);
    }
    return { purged: purged.length };
  },
  remaining: ({ store, tenant, now }, limit) =>
    store.keys.countPurgeable(now - tenant.settings.retentionSeconds * 1000, limit),
};

/** Fewer rows than for other jobs, because these can be large: one may hold 500,000 characters. */
const KEPT_RESULTS_BATCH = 20;

/** Deletes results that were kept long enough. */
const idempotency: TenantJob = {
  name: 'kept_results',
  dueAt: ({ store }) => store.idempotency.firstDueAt(),
  run: ({ store, now }) => ({ idempotencyPurged: store.idempotency.purge(now, KEPT_RESULTS_BATCH) }),
  remaining: ({ store, now }, limit) => store.idempotency.countOld(now, limit),
};

const AUDIT_SLACK_MS = 60 * 60 * 1000;

/** Trims the audit log of tenants that do not keep it for ever. */
const auditRetention: TenantJob = {
  name: 'audit_retention',
  dueAt: ({ store, tenant }) => {
    const { auditRetentionSeconds } = tenant.settings;
    const firstAt = auditRetentionSeconds === null ? null : store.audit.firstAt();
    if (firstAt === null || auditRetentionSeconds === null) return null;
    // Late enough for many entries at once. Otherwise each entry would wake the object on its own.
    return firstAt + auditRetentionSeconds * 1000 + AUDIT_SLACK_MS;
  },
  run: ({ store, tenant, now }, limit) => {
    const { auditRetentionSeconds } = tenant.settings;
    if (auditRetentionSeconds === null) return {};
    return { auditTrimmed: store.audit.trim(now - auditRetentionSeconds * 1000, limit) };
  },
  remaining: ({ store, tenant, now }, limit) => {
    const { auditRetentionSeconds } = tenant.settings;
    return auditRetentionSeconds === null ? 0 : store.audit.countOld(now - auditRetentionSeconds * 1000, limit);
  },
};

/** Drops the envelopes of a tenant that keeps nothing recoverable. */
const envelopes: TenantJob = {
  name: 'envelopes',
  dueAt: ({ store, tenant }) => (tenant.settings.storage === 'digest' && store.envelopes.any() ? 0 : null),
  run: ({ store, tenant }) => {
    if (tenant.settings.storage === 'digest' && store.envelopes.any()) store.envelopes.shed();
    return {};
  },
  // Envelopes are not rows that are due, so they are not counted.
  remaining: () => 0,
};

/** Deletes rows of counters in which nothing counts any more. */
const counters: TenantJob = {
  name: 'counters',
  dueAt: ({ store }) => store.counters.firstOverAt(),
  run: ({ store, now }, limit) => {
    for (const name of store.counters.over(now, limit)) {
      if (store.limitsInUse?.drop(name, now) ?? true) store.counters.remove(name);
    }
    return {};
  },
  remaining: ({ store, now }, limit) => store.counters.countOver(now, limit),
};

/**
 * How long after its end a row of an identifier is deleted (ms), so that rows with short windows do not wake the object
 * each on its own. A check that needs the room deletes them at once.
 */
export const CHECKS_SLACK_MS = 60 * 60 * 1000;

/** Deletes counters of identifiers in which nothing counts any more. */
const identifiers: TenantJob = {
  name: 'identifiers',
  dueAt: ({ store }) => {
    const overAt = store.checks.firstOverAt();
    return overAt === null ? null : overAt + CHECKS_SLACK_MS;
  },
  run: ({ store, now }, limit) => {
    const names = store.checks.over(now, limit);
    if (names.length > 0) store.identifiers.remove(names, now);
    return {};
  },
  remaining: ({ store, now }, limit) => store.checks.countOver(now - CHECKS_SLACK_MS, limit),
};

/** Owners whose records one pass makes: some milliseconds, also where the first key of each is far from the others. */
export const OWNERS_PER_PASS = 250;

/** Makes the records of owners of keys from before there were such records. */
const owners: TenantJob = {
  name: 'owners',
  dueAt: ({ store }) => (store.owners.isFilled ? null : 0),
  run: ({ store }) => {
    if (!store.owners.isFilled) store.owners.fill(OWNERS_PER_PASS);
    return {};
  },
  // Nothing that is due: no reader needs the records.
  remaining: () => 0,
};

export const TENANT_JOBS: readonly TenantJob[] = [
  statuses,
  groupRevocations,
  retention,
  idempotency,
  auditRetention,
  envelopes,
  owners,
  counters,
  identifiers,
];

/** When the first of the jobs is due (ms); null when none is. */
export function firstDueAt(context: TenantJobContext): number | null {
  return earliest(...TENANT_JOBS.map((job) => job.dueAt(context)));
}
