/** Everything that a tenant's object keeps, in one place: the tables, and the little that lives in memory between writes. */
import { AuditLog } from './audit.ts';
import { CleanupReports } from './cleanup.ts';
import { KeptAnswers } from './idempotency.ts';
import { Envelopes } from './keys/envelopes.ts';
import { LastUsed } from './keys/last-used.ts';
import type { KeyRecord, KeyView, UsedKey } from './keys/record.ts';
import { viewOf } from './keys/status.ts';
import { KeyTable } from './keys/table.ts';
import { type Failure, fail, ok, type Result } from './outcome.ts';
import { RotationTable } from './rotations/table.ts';

export class TenantStore {
  readonly sql: SqlStorage;
  readonly keys: KeyTable;
  readonly envelopes: Envelopes;
  readonly rotations: RotationTable;
  readonly audit: AuditLog;
  readonly reports: CleanupReports;
  readonly keptAnswers: KeptAnswers;
  readonly lastUsed = new LastUsed();

  constructor(sql: SqlStorage) {
    this.sql = sql;
    this.keys = new KeyTable(sql);
    this.envelopes = new Envelopes(sql, this.keys.counts);
    this.rotations = new RotationTable(sql);
    this.audit = new AuditLog(sql);
    this.reports = new CleanupReports(sql);
    this.keptAnswers = new KeptAnswers(sql);
  }

  /** A key with its latest use, which storage may not know yet. */
  getKey(id: string): KeyRecord | undefined {
    const record = this.keys.get(id);
    return record && this.lastUsed.overlay(record);
  }

  /** A key as a caller may see it at `now`. */
  viewKey(id: string, now: number): Result<KeyView, Failure> {
    const record = this.getKey(id);
    return record === undefined ? fail({ code: 'key_not_found' }) : ok(viewOf(record, now));
  }

  /** Notes a successful verification; whether an alarm has to be seen to. */
  noteUse(record: UsedKey, now: number): boolean {
    return this.lastUsed.note(record, this.keys, this.rotations, now);
  }

  flushUses(): void {
    this.lastUsed.flush(this.keys, this.rotations);
  }
}
