/** Everything that a tenant's object keeps: its tables, and the uses that memory holds until they are written. */

import type { KeyRecord, KeyView } from '../../domain/keys/record.ts';
import { viewOf } from '../../domain/keys/status.ts';
import { type Failure, fail, ok, type Result } from '../../domain/outcome.ts';
import { type AuditEntry, AuditLog, type AuditQuery } from '../audit-log.ts';
import { IdempotencyStore } from '../idempotency-store.ts';
import type { Page } from '../sql/paging.ts';
import { CleanupReports } from './cleanup-reports.ts';
import { Envelopes } from './keys/envelopes.ts';
import { KeyTable } from './keys/key-table.ts';
import { LastUsed } from './keys/last-used.ts';
import type { OwnerTable } from './owners/owner-table.ts';
import { Results } from './results.ts';
import { RotationTable } from './rotations.ts';

export class TenantStore {
  readonly sql: SqlStorage;
  readonly keys: KeyTable;
  readonly owners: OwnerTable;
  readonly envelopes: Envelopes;
  readonly rotations: RotationTable;
  readonly audit: AuditLog;
  readonly reports: CleanupReports;
  readonly idempotency: IdempotencyStore;
  readonly results: Results;
  readonly lastUsed = new LastUsed();

  constructor(sql: SqlStorage) {
    this.sql = sql;
    this.keys = new KeyTable(sql);
    this.owners = this.keys.owners;
    this.envelopes = new Envelopes(sql, this.keys.counts);
    this.rotations = new RotationTable(sql);
    this.audit = new AuditLog(sql);
    this.reports = new CleanupReports(sql);
    this.idempotency = new IdempotencyStore(sql);
    this.results = new Results(sql);
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
