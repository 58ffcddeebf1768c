/**
 * The object of one tenant: it decides. Each method reads the clock once and then runs synchronously to its end, its writes in one
 * transaction with the audit entry and the alarm. Nothing here ever waits between a read and a write, so calls cannot interleave.
 *
 * It never sees a key string: it is given digests and sealed envelopes. Rules are pure functions in keys/ and tenants/; this class
 * brings them together with storage and reads like a table of contents.
 */
import { DurableObject } from 'cloudflare:workers';
import type { AuditEntry, AuditQuery } from './audit.ts';
import type { ObjectBindings } from './bindings.ts';
import { type CleanupReport, mustShed } from './cleanup.ts';
import type { SealedItem } from './keys/envelopes.ts';
import { type KeyListQuery, listKeys, listKeysByOffset, type OffsetPage } from './keys/list.ts';
import type { NewKey, Revealed, RotatedPair, RotationRequest } from './keys/mutations.ts';
import * as keyMutations from './keys/mutations.ts';
import type { KeyRecord, KeyView, MintedKey, VerifiedKey } from './keys/record.ts';
import { viewOf } from './keys/status.ts';
import type { KeyPatch } from './keys/transitions.ts';
import { type DecisionCode, decide, mayLease, type Warning } from './keys/verification.ts';
import { LEASE_SECONDS_MAX, LeaseLedger } from './leases/ledger.ts';
import type { Mutation, MutationContext } from './mutation.ts';
import type { Operation } from './operation.ts';
import { type Failure, fail, type Mutated, ok, type PrefixMismatch, type Result } from './outcome.ts';
import type { RotationState, RotationView } from './rotations/table.ts';
import { migrate, schemaVersion } from './storage/migrations.ts';
import type { Page } from './storage/paging.ts';
import { TenantStore } from './store.ts';
import type { Dependents, ResealBatch, ResealProgress } from './tenants/mutations.ts';
import * as tenantMutations from './tenants/mutations.ts';
import { newTenant, type TenantPatch, type TenantRecord, type TenantSettings } from './tenants/record.ts';
import { TENANT_MIGRATIONS } from './tenants/schema.ts';
import { readTenant, settleLeases, writeTenant } from './tenants/table.ts';

export type VerifyAnswer =
  | { readonly code: 'NOT_FOUND' }
  | {
      readonly code: DecisionCode;
      readonly tenantId: string;
      readonly key: VerifiedKey;
      readonly warnings: readonly Warning[];
      /** How long the record is sure not to change (ms), 0 for no promise. */
      readonly leaseMs: number;
    };

export type CleanupOverview = { readonly reports: readonly CleanupReport[]; readonly nextAlarmAt: number | null };

/** How long the alarm waits after a pass that threw, so that work is never dropped and a bug does not spin. */
const ALARM_RETRY_MS = 30_000;
/** How far ahead an alarm is set at most: the platform takes no dates after 2189. One that finds nothing due sets the next. */
const ALARM_AHEAD_MAX_MS = 365 * 24 * 60 * 60 * 1000;

export class Tenant extends DurableObject<ObjectBindings> {
  #store: TenantStore;
  #leases: LeaseLedger;
  readonly #startedAt = Date.now();
  /** Whether this instance never held a tenant. */
  #beganEmpty = true;
  /** What is committed of the tenant's row, null while the tenant does not exist. */
  #tenant: TenantRecord | null = null;
  /** When the alarm is set for, null for never, undefined when this instance does not know. */
  #alarmAt: number | null | undefined;

  constructor(ctx: DurableObjectState, env: ObjectBindings) {
    super(ctx, env);
    this.#store = new TenantStore(ctx.storage.sql);
    this.#leases = new LeaseLedger(this.#startedAt, 0);
    // A tenant that was never created keeps an empty database: a question about it must leave nothing behind.
    if (schemaVersion(ctx.storage.sql) === 0) return;
    migrate(ctx.storage, TENANT_MIGRATIONS);
    this.#tenant = readTenant(ctx.storage.sql);
    this.#beganEmpty = this.#tenant === null;
    this.#store.keys.ownerRevocations.reload();
    this.#leases = new LeaseLedger(this.#startedAt, (this.#tenant?.leaseSecondsInForce ?? 0) * 1000);
  }

  // ---- the tenant ----

  /** Creates the tenant. The same incarnation again is the same creation repeated. */
  create(
    id: string,
    incarnation: string,
    input: { readonly name: string; readonly settings: Partial<TenantSettings> },
    operation: Operation,
  ): Mutated<TenantRecord> {
    const existing = this.#tenant;
    if (existing?.incarnation === incarnation) {
      return operation.idempotency === null || operation.retry ? ok(existing) : this.#replayCreation(operation);
    }
    if (existing !== null) return fail({ code: 'tenant_exists' });
    const now = Date.now();
    const tenant = newTenant(id, incarnation, input, now);
    this.ctx.storage.transactionSync(() => {
      migrate(this.ctx.storage, TENANT_MIGRATIONS);
      writeTenant(this.#store.sql, tenant);
      const changes = { name: tenant.name, settings: tenant.settings };
      this.#store.audit.append(operation, [{ action: 'tenant.create', changes }], now);
      if (operation.idempotency !== null) {
        this.#store.keptAnswers.keep(operation.idempotency, JSON.stringify(ok(tenant)), now);
        void this.ctx.storage.setAlarm(this.#nextDueAt(tenant) ?? now);
      }
    });
    this.#tenant = tenant;
    this.#beganEmpty = false;
    return ok(tenant);
  }

  describe(tenantId: string): Result<TenantRecord> {
    return this.#read(tenantId, (tenant) => ok(tenant));
  }

  async update(tenantId: string, patch: TenantPatch, operation: Operation): Promise<Mutated<TenantRecord>> {
    const updated = await this.#mutate(tenantId, operation, tenantMutations.tenantUpdate(patch));
    // Every lease from before has ended: the setting is what is in force. A change meanwhile sees to itself.
    if (updated.ok && this.#tenant?.version === updated.value.version)
      this.#tenant = settleLeases(this.#store.sql, this.#tenant);
    return updated;
  }

  /** Deletes all that this object holds, alarm included, if it holds this incarnation. Idempotent. */
  async destroy(incarnation: string): Promise<void> {
    const tenant = this.#tenant;
    const now = Date.now();
    if (tenant?.incarnation !== incarnation) {
      // Gone already, but its leases may not be: an earlier instance may have deleted it and died before it had waited. No row tells their length.
      const leases = this.#beganEmpty ? new LeaseLedger(this.#startedAt, LEASE_SECONDS_MAX * 1000) : this.#leases;
      if (tenant === null) await scheduler.wait(leases.waitMs(null, LEASE_SECONDS_MAX * 1000, now));
      return;
    }
    const waitMs = this.#leases.waitMs('everything', tenant.leaseSecondsInForce * 1000, now);
    // Memory first: from here on every question is answered as if the tenant had never been.
    this.#tenant = null;
    this.#store = new TenantStore(this.ctx.storage.sql);
    this.#alarmAt = undefined;
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    await scheduler.wait(waitMs);
  }

  // ---- keys ----

  /** Stores keys that the Worker minted: all, or none. */
  createKeys(
    tenantId: string,
    newKeys: readonly NewKey[],
    operation: Operation,
  ): Later<Mutated<readonly KeyView[], Failure | PrefixMismatch>> {
    return this.#mutate(tenantId, operation, keyMutations.creation(newKeys));
  }

  getKey(tenantId: string, keyId: string): Result<KeyView> {
    return this.#read(tenantId, (_tenant, now) => this.#store.viewKey(keyId, now));
  }

  listKeys(tenantId: string, query: KeyListQuery): Result<Page<KeyView>> {
    return this.#read(tenantId, (_tenant, now) => {
      const { items, next } = listKeys(this.#store.keys, query, now);
      return ok({ items: this.#views(items, now), next });
    });
  }

  listKeysByOffset(
    tenantId: string,
    query: Omit<KeyListQuery, 'after'> & { readonly offset: number },
  ): Result<OffsetPage<KeyView>> {
    return this.#read(tenantId, (_tenant, now) => {
      const { items, total } = listKeysByOffset(this.#store.keys, query, now);
      return ok({ items: this.#views(items, now), total });
    });
  }

  updateKey(tenantId: string, keyId: string, patch: KeyPatch, operation: Operation): Later<Mutated<KeyView>> {
    return this.#mutate(tenantId, operation, keyMutations.update(keyId, patch));
  }

  revokeKey(
    tenantId: string,
    keyId: string,
    input: { readonly reason: string | null; readonly lineage: boolean },
    operation: Operation,
  ): Later<Mutated<KeyView>> {
    return this.#mutate(tenantId, operation, keyMutations.revocation(keyId, input));
  }

  /** Revokes the keys with these ids, or all of an owner's: all, or none. */
  revokeKeys(
    tenantId: string,
    target: { readonly ids: readonly string[] } | { readonly owner: string },
    operation: Operation,
  ): Later<Mutated<{ readonly revoked: number }>> {
    const mutation =
      'ids' in target ? keyMutations.revocationOf(target.ids) : keyMutations.revocationOfOwner(target.owner);
    return this.#mutate(tenantId, operation, mutation);
  }

  /** Forgets the record; the audit trail stays. */
  deleteKey(tenantId: string, keyId: string, operation: Operation): Later<Mutated<null>> {
    return this.#mutate(tenantId, operation, keyMutations.deletion(keyId));
  }

  /** Hands out the envelope of a key whose tenant allows it, null otherwise. Recorded either way. */
  revealKey(tenantId: string, keyId: string, operation: Operation): Later<Mutated<Revealed | null>> {
    return this.#mutate(tenantId, operation, keyMutations.disclosure(keyId));
  }

  /**
   * Decides about a key string that the Worker found well-formed and signed. `digest` is what the Worker computed from it: a record with
   * this id but another digest belongs to another key string.
   */
  verifyKey(keyId: string, digest: Uint8Array, wantedScopes: readonly string[]): VerifyAnswer {
    const tenant = this.#tenant;
    if (tenant === null) return { code: 'NOT_FOUND' };
    const hot = this.#store.keys.getHot(keyId);
    if (hot === undefined || !sameBytes(hot.record.digest, digest)) return { code: 'NOT_FOUND' };
    const now = Date.now();
    const { code, warnings } = decide(tenant.status, hot.record, wantedScopes, now);
    if (code === 'VALID' && this.#store.noteUse(hot.record, now)) this.#arm(tenant);
    const leaseMs = mayLease(code) ? tenant.settings.leaseSeconds * 1000 : 0;
    if (leaseMs > 0) this.#leases.grant(keyId, leaseMs, now);
    return { code, tenantId: tenant.id, key: hot.verified, warnings, leaseMs };
  }

  /** Notes that a key was verified under a lease. */
  noteLeasedUse(keyId: string): void {
    const tenant = this.#tenant;
    const record = this.#store.keys.get(keyId);
    const now = Date.now();
    if (tenant !== null && record !== undefined && this.#store.noteUse(record, now)) this.#arm(tenant);
  }

  // ---- rotation ----

  /** Rotates an active key to the minted successor: both in one step, or nothing. */
  rotateKey(
    tenantId: string,
    keyId: string,
    minted: MintedKey,
    request: RotationRequest,
    operation: Operation,
  ): Later<Mutated<RotatedPair, Failure | PrefixMismatch>> {
    return this.#mutate(tenantId, operation, keyMutations.rotation(keyId, minted, request, operation.actor));
  }

  completeRotation(tenantId: string, keyId: string, operation: Operation): Later<Mutated<KeyView>> {
    return this.#mutate(tenantId, operation, keyMutations.rotationCompletion(keyId));
  }

  cancelRotation(tenantId: string, keyId: string, operation: Operation): Later<Mutated<KeyView>> {
    return this.#mutate(tenantId, operation, keyMutations.rotationCancellation(keyId));
  }

  listRotations(
    tenantId: string,
    query: { readonly state?: RotationState; readonly limit: number; readonly after: number | null },
  ): Result<Page<RotationView>> {
    const { rotations, lastUsed } = this.#store;
    const get = (id: string) => this.#store.getKey(id);
    return this.#read(tenantId, (_tenant, now) => ok(rotations.list(query, get, (id) => lastUsed.firstUseOf(id), now)));
  }

  // ---- audit, encryption, cleanup ----

  listAudit(tenantId: string, query: AuditQuery): Result<Page<AuditEntry>> {
    return this.#read(tenantId, () => ok(this.#store.audit.list(query)));
  }

  /** How much depends on each keyring entry. */
  countDependents(tenantId: string): Result<Dependents> {
    return this.#read(tenantId, () => ok(tenantMutations.dependents(this.#store)));
  }

  /** The next batch of what is not sealed with this keyring entry, for the Worker to seal anew. */
  takeForReseal(
    tenantId: string,
    currentId: number,
    limit: number,
  ): Result<{ readonly items: readonly SealedItem[]; readonly walkedTo: number; readonly remaining: number }> {
    return this.#read(tenantId, () => {
      const { items, walkedTo } = this.#store.envelopes.sealedOtherwise(currentId, limit);
      const answers = this.#store.keptAnswers
        .sealedOtherwise(currentId, limit - items.length)
        .map((item) => ({ kind: 'answer' as const, ...item }));
      const remaining = tenantMutations.sealedOtherwise(this.#store, currentId);
      return ok({ items: [...items, ...answers], walkedTo, remaining });
    });
  }

  /** Takes over a batch that was sealed anew, each item only if it is still what was taken. */
  reseal(tenantId: string, batch: ResealBatch, operation: Operation): Later<Mutated<ResealProgress>> {
    return this.#mutate(tenantId, operation, tenantMutations.resealing(batch));
  }

  /** Runs the pass that the alarm runs, now. */
  runCleanup(tenantId: string, operation: Operation): Later<Mutated<CleanupReport>> {
    return this.#mutate(tenantId, operation, tenantMutations.manualCleanup());
  }

  async listCleanups(tenantId: string): Promise<Result<CleanupOverview>> {
    const nextAlarmAt = await this.ctx.storage.getAlarm();
    return this.#read(tenantId, () => ok({ reports: this.#store.reports.list(), nextAlarmAt }));
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
      this.#transaction(() => tenantMutations.cleanUp(this.#store, tenant, 'alarm', now));
      // Nobody waits for an alarm: what it changes, time has decided already.
      this.#store.keys.takeChanged();
      this.#arm(tenant);
    } catch (error) {
      const name = error instanceof Error ? error.name : typeof error;
      console.error(JSON.stringify({ level: 'error', event: 'alarm_failed', tenantId: tenant.id, error: name }));
      await this.ctx.storage.setAlarm(now + ALARM_RETRY_MS);
      this.#alarmAt = now + ALARM_RETRY_MS;
    }
  }

  // ---- how the methods above run ----

  #read<T>(tenantId: string, answer: (tenant: TenantRecord, now: number) => Result<T>): Result<T> {
    if (this.#tenant?.id !== tenantId) return fail({ code: 'tenant_not_found' });
    return answer(this.#tenant, Date.now());
  }

  /**
   * Runs a mutation: change, audit entries, kept answer and alarm in one transaction. A repeated call of an operation that was applied
   * already is only answered; a request whose `Idempotency-Key` was answered before gets that answer again. The change is committed at once
   * and for all to see; the answer waits until no isolate holds a lease from before.
   */
  #mutate<T, F>(tenantId: string, operation: Operation, mutation: Mutation<T, F>): Later<Mutated<T, F | Failure>> {
    const tenant = this.#tenant;
    if (tenant?.id !== tenantId) return fail({ code: 'tenant_not_found' });
    const now = Date.now();
    const context = { store: this.#store, tenant, now, ifVersions: operation.ifVersions };
    const done = this.#transaction(() => this.#apply(context, operation, mutation));
    // Memory follows only what was committed.
    this.#tenant = done.tenant;
    if (this.#isSooner(done.dueAt)) this.#alarmAt = done.dueAt;
    const changed = this.#store.keys.takeChanged();
    if (!done.answer.ok) return done.answer;
    // What changed nothing may still repeat, or find done, a change that has not returned yet.
    const concerned = !done.isChange ? null : mutation.concerns === 'every key' ? 'everything' : changed;
    const waitMs = this.#leases.waitMs(concerned, done.tenant.leaseSecondsInForce * 1000, now);
    return waitMs === 0 ? done.answer : scheduler.wait(waitMs).then(() => done.answer);
  }

  #apply<T, F>(context: MutationContext, operation: Operation, mutation: Mutation<T, F>): Applied<T, F | Failure> {
    const { store, tenant, now } = context;
    const unchanged = { tenant, dueAt: null, isChange: false };
    if (operation.retry && store.audit.has(operation.id, now))
      return { ...unchanged, answer: mutation.answer(context) };
    const kept = this.#keptAnswer<T, F>(operation, now);
    if (kept !== null) return { ...unchanged, answer: kept };

    const change = mutation.apply(context);
    store.audit.append(operation, change.ok ? change.value : [], now);
    const updated = readTenant(store.sql) ?? tenant;
    const answer = change.ok ? mutation.answer({ ...context, tenant: updated }) : change;
    if (operation.idempotency !== null && !isPrefixMismatch(answer)) {
      store.keptAnswers.keep(operation.idempotency, JSON.stringify(answer), now);
    }
    const dueAt = this.#nextDueAt(updated);
    if (this.#isSooner(dueAt)) void this.ctx.storage.setAlarm(dueAt);
    return { tenant: updated, dueAt, answer, isChange: change.ok && change.value.length > 0 };
  }

  #keptAnswer<T, F>(operation: Operation, now: number): Mutated<T, F | Failure> | null {
    const { idempotency } = operation;
    const kept = idempotency && this.#store.keptAnswers.find(idempotency.key, now);
    if (!kept) return null;
    if (kept.fingerprint !== idempotency.fingerprint) return fail({ code: 'idempotency_key_reused' });
    return { ...JSON.parse(kept.answer), replay: { sealedSecrets: kept.sealedSecrets } };
  }

  #replayCreation(operation: Operation): Mutated<TenantRecord> {
    return this.#keptAnswer<TenantRecord, Failure>(operation, Date.now()) ?? fail({ code: 'tenant_exists' });
  }

  /** A transaction that takes memory back with it when it does not commit. */
  #transaction<T>(run: () => T): T {
    try {
      return this.ctx.storage.transactionSync(run);
    } catch (error) {
      this.#store.keys.ownerRevocations.reload();
      this.#store.keys.takeChanged();
      this.#store.keys.forgetHot();
      throw error;
    }
  }

  #views(records: readonly KeyRecord[], now: number): KeyView[] {
    return records.map((record) => viewOf(this.#store.lastUsed.overlay(record), now));
  }

  /** When the alarm has something to do next (ms), null if it never has. */
  #nextDueAt(tenant: TenantRecord): number | null {
    const { keys, keptAnswers, lastUsed } = this.#store;
    const firstEndedAt = keys.firstEndedAt();
    const purgeAt = firstEndedAt === null ? null : firstEndedAt + tenant.settings.retentionSeconds * 1000;
    const atOnce = keys.ownerRevocations.pending.length > 0 || mustShed(this.#store, tenant) ? Date.now() : null;
    const dueAt = earliest(keys.firstDueAt(), purgeAt, keptAnswers.firstDueAt(), lastUsed.flushAt, atOnce);
    return dueAt === null ? null : Math.min(dueAt, Date.now() + ALARM_AHEAD_MAX_MS);
  }

  #isSooner(dueAt: number | null): dueAt is number {
    return dueAt !== null && (this.#alarmAt === undefined || this.#alarmAt === null || dueAt < this.#alarmAt);
  }

  /** Sees to an alarm for all that is due next, not only for what is new: a fresh instance does not know what the alarm is set for. */
  #arm(tenant: TenantRecord): void {
    const dueAt = this.#nextDueAt(tenant);
    if (!this.#isSooner(dueAt)) return;
    void this.ctx.storage.setAlarm(dueAt);
    this.#alarmAt = dueAt;
  }
}

type Applied<T, F> = {
  readonly tenant: TenantRecord;
  readonly dueAt: number | null;
  readonly answer: Mutated<T, F>;
  /** Whether anything was changed now. */
  readonly isChange: boolean;
};

/** At once, or when the leases on what was changed have ended. */
type Later<T> = T | Promise<T>;

function isPrefixMismatch(answer: Result<unknown, unknown>): boolean {
  if (answer.ok) return false;
  const { failure } = answer;
  return typeof failure === 'object' && failure !== null && 'code' in failure && failure.code === 'prefix_mismatch';
}

function earliest(...times: readonly (number | null)[]): number | null {
  const set = times.filter((time) => time !== null);
  return set.length === 0 ? null : Math.min(...set);
}

/** Constant-time, since a digest is a secret's shadow. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && crypto.subtle.timingSafeEqual(a, b);
}
