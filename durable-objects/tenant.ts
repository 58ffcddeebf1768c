/**
 * The object of one tenant: it decides. Each method reads the clock once and then runs synchronously to its end, its writes in one
 * transaction with the audit entry and the alarm. Nothing here ever waits between a read and a write, so calls cannot interleave.
 *
 * It never sees a key string: it is given digests and sealed envelopes. Rules are pure functions in keys/ and tenants/; this class
 * brings them together with storage and reads like a table of contents.
 */
import { DurableObject } from 'cloudflare:workers';
import { type AuditEntry, AuditLog, type AuditQuery, type AuditSubject } from './audit.ts';
import type { ObjectBindings } from './bindings.ts';
import { type CleanupReport, CleanupReports, type CleanupTrigger, cleanupPass, didNothing } from './cleanup.ts';
import { changesBetween, isoTime } from './keys/changes.ts';
import { LastUsed } from './keys/last-used.ts';
import { lineageOf } from './keys/lineage.ts';
import { type KeyListQuery, listKeys } from './keys/list.ts';
import type { KeyAttributes, KeyView, MintedKey, StoredKey } from './keys/record.ts';
import { viewOf } from './keys/status.ts';
import { KeyTable } from './keys/table.ts';
import { createKey, type KeyPatch, type RotationInput, revokeKey, rotateKey, updateKey } from './keys/transitions.ts';
import { type DecisionCode, decide, type Warning } from './keys/verification.ts';
import type { Operation } from './operation.ts';
import { type Failure, fail, ok, type PrefixMismatch, type Result } from './outcome.ts';
import { migrate, schemaVersion } from './storage/migrations.ts';
import type { Page } from './storage/paging.ts';
import {
  changedFields,
  newTenant,
  type TenantPatch,
  type TenantRecord,
  type TenantSettings,
  updateTenant,
} from './tenants/record.ts';
import { TENANT_MIGRATIONS } from './tenants/schema.ts';
import { readTenant, writeTenant } from './tenants/table.ts';

export type VerifyAnswer =
  | { readonly code: 'NOT_FOUND' }
  | {
      readonly code: DecisionCode;
      readonly tenantId: string;
      readonly key: KeyView;
      readonly warnings: readonly Warning[];
    };

/** Grace in seconds; absent for the tenant's own. */
export type RotationRequest = Omit<RotationInput, 'graceMs'> & { readonly gracePeriodSeconds?: number };

export type RotatedPair = { readonly successor: KeyView; readonly predecessor: KeyView };

export type CleanupOverview = { readonly reports: readonly CleanupReport[]; readonly nextAlarmAt: number | null };

/** How long the alarm waits after a pass that threw, so that work is never dropped and a bug does not spin. */
const ALARM_RETRY_MS = 30_000;

export class Tenant extends DurableObject<ObjectBindings> {
  readonly #storage: DurableObjectStorage;
  readonly #keys: KeyTable;
  readonly #audit: AuditLog;
  readonly #reports: CleanupReports;
  #lastUsed = new LastUsed();
  /** What is committed of the tenant's row, null while the tenant does not exist. */
  #tenant: TenantRecord | null = null;
  /** When the alarm is set for, null for never, undefined when this instance does not know. */
  #alarmAt: number | null | undefined;

  constructor(ctx: DurableObjectState, env: ObjectBindings) {
    super(ctx, env);
    this.#storage = ctx.storage;
    this.#keys = new KeyTable(ctx.storage.sql);
    this.#audit = new AuditLog(ctx.storage.sql);
    this.#reports = new CleanupReports(ctx.storage.sql);
    // A tenant that was never created keeps an empty database: a question about it must leave nothing behind.
    if (schemaVersion(ctx.storage.sql) === 0) return;
    migrate(ctx.storage, TENANT_MIGRATIONS);
    this.#tenant = readTenant(ctx.storage.sql);
  }

  // ---- the tenant ----

  /** Creates the tenant. The same incarnation again is the same creation repeated. */
  create(
    id: string,
    incarnation: string,
    input: { readonly name: string; readonly settings: Partial<TenantSettings> },
    operation: Operation,
  ): Result<TenantRecord> {
    if (this.#tenant !== null) {
      return this.#tenant.incarnation === incarnation ? ok(this.#tenant) : fail({ code: 'tenant_exists' });
    }
    const now = Date.now();
    const tenant = newTenant(id, incarnation, input, now);
    this.#storage.transactionSync(() => {
      migrate(this.#storage, TENANT_MIGRATIONS);
      writeTenant(this.#storage.sql, tenant);
      const changes = { name: tenant.name, settings: tenant.settings };
      this.#audit.append(operation, { action: 'tenant.create', changes }, now);
    });
    this.#tenant = tenant;
    return ok(tenant);
  }

  describe(tenantId: string): Result<TenantRecord> {
    return this.#read(tenantId, (tenant) => ok(tenant));
  }

  update(tenantId: string, patch: TenantPatch, operation: Operation): Result<TenantRecord> {
    return this.#mutate<TenantRecord>(tenantId, operation, {
      apply: (tenant, now) => {
        const changes = changedFields(tenant, patch);
        if (changes === null) return ok(null);
        writeTenant(this.#storage.sql, updateTenant(tenant, patch, now));
        return ok({ action: 'tenant.update', changes });
      },
      answer: (tenant) => ok(tenant),
    });
  }

  /** Deletes all that this object holds, alarm included, if it holds this incarnation. Idempotent. */
  async destroy(incarnation: string): Promise<void> {
    if (this.#tenant?.incarnation !== incarnation) return;
    // Memory first: from here on every question is answered as if the tenant had never been.
    this.#tenant = null;
    this.#lastUsed = new LastUsed();
    this.#alarmAt = undefined;
    await this.#storage.deleteAlarm();
    await this.#storage.deleteAll();
  }

  // ---- keys ----

  /** Stores a key that the Worker minted. `prefix` undefined asks for the tenant's own. */
  createKey(
    tenantId: string,
    minted: MintedKey,
    attributes: KeyAttributes,
    prefix: string | undefined,
    operation: Operation,
  ): Result<KeyView, Failure | PrefixMismatch> {
    return this.#mutate<KeyView, Failure | PrefixMismatch>(tenantId, operation, {
      apply: (tenant, now) => {
        const wanted = prefix ?? tenant.settings.keyPrefix;
        if (minted.prefix !== wanted) return fail({ code: 'prefix_mismatch', prefix: wanted });
        const created = createKey(stored(minted, tenant), attributes, now);
        if (!created.ok) return created;
        this.#keys.insert(created.value, now);
        return ok({ action: 'key.create', keyId: minted.id });
      },
      answer: (_tenant, now) => this.#view(minted.id, now),
    });
  }

  getKey(tenantId: string, keyId: string): Result<KeyView> {
    return this.#read(tenantId, (_tenant, now) => this.#view(keyId, now));
  }

  listKeys(tenantId: string, query: KeyListQuery): Result<Page<KeyView>> {
    return this.#read(tenantId, (_tenant, now) => {
      const { items, next } = listKeys(this.#keys, query, now);
      return ok({ items: items.map((record) => viewOf(this.#lastUsed.overlay(record), now)), next });
    });
  }

  updateKey(tenantId: string, keyId: string, patch: KeyPatch, operation: Operation): Result<KeyView> {
    return this.#mutate<KeyView>(tenantId, operation, {
      apply: (_tenant, now) => {
        const record = this.#keys.get(keyId);
        if (record === undefined) return fail({ code: 'key_not_found' });
        const updated = updateKey(record, patch, now);
        if (!updated.ok) return updated;
        const changes = changesBetween(record, updated.value);
        if (Object.keys(changes).length === 0) return ok(null);
        this.#keys.update(updated.value, now);
        return ok({ action: 'key.update', keyId, changes });
      },
      answer: (_tenant, now) => this.#view(keyId, now),
    });
  }

  /** Revokes one key, or with `lineage` all that it replaced and was replaced by. What is revoked already stays as it is. */
  revokeKey(
    tenantId: string,
    keyId: string,
    { reason, lineage }: { readonly reason: string | null; readonly lineage: boolean },
    operation: Operation,
  ): Result<KeyView> {
    return this.#mutate<KeyView>(tenantId, operation, {
      apply: (_tenant, now) => {
        const record = this.#keys.get(keyId);
        if (record === undefined) return fail({ code: 'key_not_found' });
        const targets = lineage ? lineageOf(record, (id) => this.#keys.get(id)) : [record];
        const revoked = targets.filter((target) => target.revokedAt === null);
        if (revoked.length === 0) return ok(null);
        for (const target of revoked) this.#keys.update(revokeKey(target, now), now);
        const changes = {
          ...(reason === null ? {} : { reason }),
          ...(lineage ? { lineage: revoked.map((target) => target.id) } : {}),
        };
        return ok({ action: 'key.revoke', keyId, changes });
      },
      answer: (_tenant, now) => this.#view(keyId, now),
    });
  }

  /** Rotates an active key to the minted successor: both in one step, or nothing. */
  rotateKey(
    tenantId: string,
    keyId: string,
    minted: MintedKey,
    { gracePeriodSeconds, overrides }: RotationRequest,
    operation: Operation,
  ): Result<RotatedPair, Failure | PrefixMismatch> {
    return this.#mutate<RotatedPair, Failure | PrefixMismatch>(tenantId, operation, {
      apply: (tenant, now) => {
        const record = this.#keys.get(keyId);
        if (record === undefined) return fail({ code: 'key_not_found' });
        const graceMs = (gracePeriodSeconds ?? tenant.settings.gracePeriodSeconds) * 1000;
        const rotated = rotateKey(record, stored(minted, tenant), { graceMs, overrides }, now);
        if (!rotated.ok) return rotated;
        const { predecessor, successor } = rotated.value;
        this.#keys.update(predecessor, now);
        this.#keys.insert(successor, now);
        const changes = { replacedBy: successor.id, graceEndsAt: isoTime(predecessor.graceEndsAt) };
        return ok({ action: 'key.rotate', keyId, successorId: successor.id, changes });
      },
      answer: (_tenant, now) => {
        const [successor, predecessor] = [this.#view(minted.id, now), this.#view(keyId, now)];
        if (!successor.ok) return successor;
        return predecessor.ok ? ok({ successor: successor.value, predecessor: predecessor.value }) : predecessor;
      },
    });
  }

  /** Forgets the record; the audit trail stays. */
  deleteKey(tenantId: string, keyId: string, operation: Operation): Result<null> {
    return this.#mutate<null>(tenantId, operation, {
      apply: () => {
        const record = this.#keys.get(keyId);
        if (record === undefined) return fail({ code: 'key_not_found' });
        this.#keys.remove(record);
        this.#lastUsed.forget(record.seq);
        return ok({ action: 'key.delete', keyId, changes: { name: record.name } });
      },
      answer: () => ok(null),
    });
  }

  /**
   * Decides about a key string that the Worker found well-formed and signed. `digest` is what the Worker computed from it: a record with
   * this id but another digest belongs to another key string.
   */
  verifyKey(keyId: string, digest: Uint8Array, wantedScopes: readonly string[]): VerifyAnswer {
    if (this.#tenant === null) return { code: 'NOT_FOUND' };
    const record = this.#keys.get(keyId);
    if (record === undefined || !sameBytes(record.digest, digest)) return { code: 'NOT_FOUND' };
    const now = Date.now();
    const { code, warnings } = decide(this.#tenant.status, record, wantedScopes, now);
    if (code === 'VALID' && this.#lastUsed.note(record, this.#keys, now)) this.#arm(this.#tenant);
    return { code, tenantId: this.#tenant.id, key: viewOf(this.#lastUsed.overlay(record), now), warnings };
  }

  // ---- audit and cleanup ----

  listAudit(tenantId: string, query: AuditQuery): Result<Page<AuditEntry>> {
    return this.#read(tenantId, () => ok(this.#audit.list(query)));
  }

  /** Runs the pass that the alarm runs, now. */
  runCleanup(tenantId: string, operation: Operation): Result<CleanupReport> {
    return this.#mutate<CleanupReport>(tenantId, operation, {
      apply: (tenant, now) => {
        const { seq: _seq, ...changes } = this.#cleanUp(tenant, 'manual', now);
        return ok({ action: 'cleanup.run', changes });
      },
      answer: () => ok(this.#reports.latest()),
    });
  }

  async listCleanups(tenantId: string): Promise<Result<CleanupOverview>> {
    const nextAlarmAt = await this.#storage.getAlarm();
    return this.#read(tenantId, () => ok({ reports: this.#reports.list(), nextAlarmAt }));
  }

  /**
   * Makes stored state catch up with the time, one bounded pass per alarm, and arms the next. The platform gives up on an alarm that
   * throws a few times; this one arms itself again instead, so that nothing due is ever dropped.
   */
  override async alarm(): Promise<void> {
    this.#alarmAt = null;
    const tenant = this.#tenant;
    if (tenant === null) return;
    const now = Date.now();
    try {
      this.#storage.transactionSync(() => this.#cleanUp(tenant, 'alarm', now));
      this.#arm(tenant);
    } catch (error) {
      const name = error instanceof Error ? error.name : typeof error;
      console.error(JSON.stringify({ level: 'error', event: 'alarm_failed', tenantId: tenant.id, error: name }));
      await this.#storage.setAlarm(now + ALARM_RETRY_MS);
      this.#alarmAt = now + ALARM_RETRY_MS;
    }
  }

  // ---- what the methods above are made of ----

  #read<T>(tenantId: string, answer: (tenant: TenantRecord, now: number) => Result<T>): Result<T> {
    if (this.#tenant?.id !== tenantId) return fail({ code: 'tenant_not_found' });
    return answer(this.#tenant, Date.now());
  }

  /**
   * Runs a mutation: change, audit entry and alarm in one transaction, then the answer from what stands there. `apply` decides before it
   * writes, so a failure writes nothing; it returns what the one audit entry says, or null when there was nothing to change. A repeated
   * operation that was applied already is only answered.
   */
  #mutate<T, F = Failure>(tenantId: string, operation: Operation, mutation: Mutation<T, F>): Result<T, F | Failure> {
    const tenant = this.#tenant;
    if (tenant?.id !== tenantId) return fail({ code: 'tenant_not_found' });
    const now = Date.now();
    const applied = this.#storage.transactionSync((): Result<AppliedChange, F> => {
      if (operation.retry && this.#audit.has(operation.id, now)) return ok({ tenant, dueAt: null });
      const subject = mutation.apply(tenant, now);
      if (!subject.ok) return subject;
      if (subject.value === null) return ok({ tenant, dueAt: null });
      this.#audit.append(operation, subject.value, now);
      const updated = readTenant(this.#storage.sql) ?? tenant;
      const dueAt = this.#nextDueAt(updated);
      if (this.#isSooner(dueAt)) void this.#storage.setAlarm(dueAt);
      return ok({ tenant: updated, dueAt });
    });
    if (!applied.ok) return applied;
    // Memory follows only what was committed.
    this.#tenant = applied.value.tenant;
    if (this.#isSooner(applied.value.dueAt)) this.#alarmAt = applied.value.dueAt;
    return mutation.answer(applied.value.tenant, now);
  }

  #view(keyId: string, now: number): Result<KeyView> {
    const record = this.#keys.get(keyId);
    return record === undefined ? fail({ code: 'key_not_found' }) : ok(viewOf(this.#lastUsed.overlay(record), now));
  }

  /** One pass with its report; an alarm that found nothing to do leaves none. */
  #cleanUp(tenant: TenantRecord, trigger: CleanupTrigger, now: number): CleanupReport {
    this.#lastUsed.flush(this.#keys);
    const result = cleanupPass(this.#keys, tenant.settings.retentionSeconds * 1000, now);
    const report = { trigger, startedAt: now, durationMs: Date.now() - now, ...result };
    return trigger === 'alarm' && didNothing(result) ? { seq: 0, ...report } : this.#reports.append(report);
  }

  /** When the alarm has something to do next (ms), null if it never has. */
  #nextDueAt(tenant: TenantRecord): number | null {
    const firstEndedAt = this.#keys.firstEndedAt();
    const purgeAt = firstEndedAt === null ? null : firstEndedAt + tenant.settings.retentionSeconds * 1000;
    return earliest(this.#keys.firstDueAt(), purgeAt, this.#lastUsed.flushAt);
  }

  #isSooner(dueAt: number | null): dueAt is number {
    return dueAt !== null && (this.#alarmAt === undefined || this.#alarmAt === null || dueAt < this.#alarmAt);
  }

  /** Sees to an alarm for all that is due next, not only for what is new: a fresh instance does not know what the alarm is set for. */
  #arm(tenant: TenantRecord): void {
    const dueAt = this.#nextDueAt(tenant);
    if (!this.#isSooner(dueAt)) return;
    void this.#storage.setAlarm(dueAt);
    this.#alarmAt = dueAt;
  }
}

type Mutation<T, F> = {
  readonly apply: (tenant: TenantRecord, now: number) => Result<AuditSubject | null, F>;
  readonly answer: (tenant: TenantRecord, now: number) => Result<T, Failure>;
};

type AppliedChange = { readonly tenant: TenantRecord; readonly dueAt: number | null };

/** A tenant that wants no recoverable secret gets none stored: the envelope ends here. */
function stored(minted: MintedKey, tenant: TenantRecord): StoredKey {
  return tenant.settings.storage === 'sealed' ? minted : { ...minted, envelope: null, sealingKeyId: null };
}

function earliest(...times: readonly (number | null)[]): number | null {
  const set = times.filter((time) => time !== null);
  return set.length === 0 ? null : Math.min(...set);
}

/** Constant-time, since a digest is a secret's shadow. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && crypto.subtle.timingSafeEqual(a, b);
}
