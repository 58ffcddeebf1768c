/** Everything that a tenant's object keeps: its tables, and the uses that memory holds until they are written. */

import type { KeyRecord, KeyView, ListedKey } from '../../domain/keys/record.ts';
import { viewOf } from '../../domain/keys/status.ts';
import { BudgetGranter } from '../../domain/limits/budget-granter.ts';
import { type Credits, creditsOfKey, creditsOfOwner, refilled } from '../../domain/limits/credits.ts';
import { ALLOWANCES } from '../../domain/limits/limit.ts';
import { RecentSpends } from '../../domain/limits/recent-spends.ts';
import { type LimitDecision, TenantLimits } from '../../domain/limits/tenant-limits.ts';
import { type Failure, fail, ok, type Result } from '../../domain/outcome.ts';
import type { OwnerRecord, OwnerView } from '../../domain/owners/record.ts';
import { type AuditEntry, AuditLog, type AuditQuery } from '../audit-log.ts';
import { IdempotencyStore } from '../idempotency-store.ts';
import type { Page } from '../sql/paging.ts';
import { CleanupReports } from './cleanup-reports.ts';
import type { CreditTable } from './credits/credit-table.ts';
import { Envelopes } from './keys/envelopes.ts';
import { KeyTable } from './keys/key-table.ts';
import { LastUsed } from './keys/last-used.ts';
import { CheckTable } from './limits/check-table.ts';
import { CounterTable } from './limits/counter-table.ts';
import { IdentifierLimits } from './limits/identifier-limits.ts';
import type { OwnerTable } from './owners/owner-table.ts';
import type { PlanTable } from './plans/plan-table.ts';
import { Results } from './results.ts';
import { RotationTable } from './rotations.ts';

/** What a verification was answered that has spent credits. */
export type Spent = Omit<LimitDecision, 'budgets'>;

export class TenantStore {
  readonly sql: SqlStorage;
  readonly keys: KeyTable;
  readonly owners: OwnerTable;
  readonly plans: PlanTable;
  readonly credits: CreditTable;
  readonly envelopes: Envelopes;
  readonly rotations: RotationTable;
  readonly audit: AuditLog;
  readonly reports: CleanupReports;
  readonly idempotency: IdempotencyStore;
  readonly results: Results;
  readonly counters: CounterTable;
  readonly checks: CheckTable;
  readonly lastUsed = new LastUsed();
  readonly recentSpends = new RecentSpends<Spent>();
  readonly #startedAt: number;
  #limits: TenantLimits | null = null;
  #identifiers: IdentifierLimits | null = null;

  constructor(sql: SqlStorage, now: number) {
    this.sql = sql;
    this.#startedAt = now;
    this.counters = new CounterTable(sql);
    this.checks = new CheckTable(sql);
    this.keys = new KeyTable(sql);
    this.owners = this.keys.owners;
    this.plans = this.keys.plans;
    this.credits = this.keys.credits;
    this.envelopes = new Envelopes(sql, this.keys.counts);
    this.rotations = new RotationTable(sql);
    this.audit = new AuditLog(sql);
    this.reports = new CleanupReports(sql);
    this.idempotency = new IdempotencyStore(sql);
    this.results = new Results(sql);
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

  /** The limits of the tenant for identifiers. Made when they are first asked for. */
  get identifiers(): IdentifierLimits {
    this.#identifiers ??= new IdentifierLimits(this.checks, this.#startedAt);
    return this.#identifiers;
  }

  /** Counters of identifiers that are in memory; null when nobody has asked for them. */
  get identifiersInUse(): TenantLimits | null {
    return this.#identifiers?.limits ?? null;
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
    return viewOf(this.lastUsed.overlay(record), this.creditsOf(creditsOfKey(record), now), now);
  }

  /** An owner as a caller may see it at `now`. */
  viewOwner(record: OwnerRecord, now: number): OwnerView {
    return { ...record, credits: this.creditsOf(creditsOfOwner(record.id), now) };
  }

  /** The credits of a holder at `now`; null when it has none. */
  creditsOf(holder: string, now: number): Credits | null {
    const credits = this.credits.get(holder);
    return credits && refilled(credits, now);
  }

  /** The credits of several holders at `now`, read in one step. */
  creditsOfMany(holders: readonly string[], now: number): (holder: string) => Credits | null {
    const found = this.credits.getMany(holders);
    return (holder) => {
      const credits = found.get(holder);
      return credits === undefined ? null : refilled(credits, now);
    };
  }

  /** Call this when a key was deleted: its lineage's credits go with the last key of it that is not revoked. */
  forgetCredits(key: Pick<ListedKey, 'id' | 'lineage'>): void {
    if (!this.credits.mayHaveAny) return;
    if (key.lineage === null || !this.keys.hasUnrevoked(key.lineage)) this.credits.remove(creditsOfKey(key));
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
