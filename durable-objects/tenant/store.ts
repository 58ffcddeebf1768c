/** Everything that a tenant's object keeps: its tables, and the uses that memory holds until they are written. */

import type { KeyRecord, KeyView } from '../../domain/keys/record.ts';
import { viewOf } from '../../domain/keys/status.ts';
import { BudgetGranter } from '../../domain/limits/budget-granter.ts';
import { ALLOWANCES } from '../../domain/limits/limit.ts';
import { TenantLimits } from '../../domain/limits/tenant-limits.ts';
import { type Failure, fail, ok, type Result } from '../../domain/outcome.ts';
import { PendingUsage } from '../../domain/usage/pending-usage.ts';
import { ReportedUsage } from '../../domain/usage/reports.ts';
import { type AuditEntry, AuditLog, type AuditQuery } from '../audit-log.ts';
import { IdempotencyStore } from '../idempotency-store.ts';
import type { Page } from '../sql/paging.ts';
import { CleanupReports } from './cleanup-reports.ts';
import { Envelopes } from './keys/envelopes.ts';
import { KeyTable } from './keys/key-table.ts';
import { LastUsed } from './keys/last-used.ts';
import { CounterTable } from './limits/counter-table.ts';
import type { OwnerTable } from './owners/owner-table.ts';
import type { PlanTable } from './plans/plan-table.ts';
import { Results } from './results.ts';
import { RotationTable } from './rotations.ts';
import { UsageTable } from './usage/usage-table.ts';

export class TenantStore {
  readonly sql: SqlStorage;
  readonly keys: KeyTable;
  readonly owners: OwnerTable;
  readonly plans: PlanTable;
  readonly envelopes: Envelopes;
  readonly rotations: RotationTable;
  readonly audit: AuditLog;
  readonly reports: CleanupReports;
  readonly idempotency: IdempotencyStore;
  readonly results: Results;
  readonly counters: CounterTable;
  readonly lastUsed = new LastUsed();
  readonly usage: UsageTable;
  readonly pendingUsage = new PendingUsage();
  readonly reportedUsage = new ReportedUsage();
  readonly #startedAt: number;
  #limits: TenantLimits | null = null;

  constructor(sql: SqlStorage, now: number) {
    this.sql = sql;
    this.#startedAt = now;
    this.counters = new CounterTable(sql);
    this.keys = new KeyTable(sql);
    this.owners = this.keys.owners;
    this.plans = this.keys.plans;
    this.envelopes = new Envelopes(sql, this.keys.counts);
    this.rotations = new RotationTable(sql);
    this.audit = new AuditLog(sql);
    this.reports = new CleanupReports(sql);
    this.idempotency = new IdempotencyStore(sql);
    this.results = new Results(sql);
    this.usage = new UsageTable(sql);
  }

  /** The limits and what was used of them. Made when they are first asked for, since most tenants have none. */
  get limits(): TenantLimits {
    this.#limits ??= new TenantLimits(
      this.counters,
      new BudgetGranter(crypto.randomUUID()),
      { allowances: ALLOWANCES },
      this.#startedAt,
    );
    return this.#limits;
  }

  /** The same; null when nobody has asked for them. */
  get limitsInUse(): TenantLimits | null {
    return this.#limits;
  }

  /** A key with its latest use, which may not be stored yet. */
  getKey(id: string): KeyRecord | undefined {
    const record = this.keys.get(id);
    return record && this.lastUsed.overlay(record);
  }

  /** A key as a caller may see it at `now`. */
  viewKey(id: string, now: number): Result<KeyView, Failure> {
    const record = this.keys.get(id);
    return record === undefined ? fail({ code: 'key_not_found' }) : ok(this.viewOf(record, now));
  }

  /** A record as a caller may see it at `now`, with its latest use. */
  viewOf(record: KeyRecord, now: number): KeyView {
    return viewOf(this.lastUsed.overlay(record), now);
  }

  /** When a key that replaced another was first used (ms), if that is not stored yet; null otherwise. */
  firstUseOf(keyId: string): number | null {
    const record = this.lastUsed.any ? this.keys.get(keyId) : undefined;
    return record === undefined ? null : this.lastUsed.firstUseOf(record.seq);
  }

  /**
   * A page of the audit log. A key that was revoked with its whole group may not have its own entry yet; until then its
   * log shows the entry of the group.
   */
  listAudit(query: AuditQuery): Page<AuditEntry> {
    const { keyId } = query.filter;
    const record =
      keyId === undefined || this.keys.groupRevocations.pending.length === 0 ? undefined : this.keys.get(keyId);
    const revocation = record === undefined ? null : this.keys.groupRevocations.of(record);
    const commandId = revocation?.commandId ?? null;
    if (revocation === null || commandId === null) return this.audit.list(query);
    return this.audit.list(query, this.audit.entryOf(commandId, revocation.revokedAt));
  }
}
