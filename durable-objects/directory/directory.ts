/**
 * The directory object: which tenants may exist. The deployment has one, and no verification asks it.
 * domain/tenants/lifecycle.ts describes what it decides and how tenants are created and deleted.
 */
import { DurableObject } from 'cloudflare:workers';
import type { Command } from '../../domain/command.ts';
import { alarmLags } from '../../domain/metrics/isolate-metrics.ts';
import { type Failure, fail, type Mutated, ok, type Result } from '../../domain/outcome.ts';
import { type Confirmation, grantOwner, NOT_CONFIRMED, retryDelayMs } from '../../domain/tenants/lifecycle.ts';
import { locatorOf, objectNameOf, SYSTEM_TENANT_ID } from '../../domain/tenants/locator.ts';
import type { Bound, TenantRef } from '../../domain/tenants/target.ts';
import { type AuditEntry, AuditLog, type AuditQuery } from '../audit-log.ts';
import { type ObjectBindings, type TenantPeer, tenantStub } from '../bindings.ts';
import { IdempotencyStore, KEPT_FOR_MS } from '../idempotency-store.ts';
import { AlarmClock, earliest, lagOf } from '../jobs/alarm-clock.ts';
import type { Job } from '../jobs/job.ts';
import { logError } from '../log.ts';
import { databaseVersion, migrate } from '../sql/migrate.ts';
import type { Page } from '../sql/paging.ts';
import { DIRECTORY_QUERIES, type DirectoryEntry, type DirectoryOverview, Entries } from './entries.ts';
import { DIRECTORY_MIGRATIONS } from './migrations.ts';

/** A creation that has not reached the tenant's object after this time never will: its request ended long ago. */
const ABANDONED_AFTER_MS = 60 * 60 * 1000;
/** How long a request has to finish a deletion before the alarm tries as well. */
const FINISH_DELETION_AFTER_MS = 15_000;
/** Deletions that one alarm attempts, in parallel. */
const FINISH_BATCH = 20;
const PURGE_BATCH = 50;
/** How long the alarm waits after it failed itself. */
const ALARM_RETRY_MS = 30_000;

type JobContext = { readonly now: number };

export class Directory extends DurableObject<ObjectBindings> {
  readonly #sql: SqlStorage;
  readonly #entries: Entries;
  readonly #audit: AuditLog;
  readonly #idempotency: IdempotencyStore;
  readonly #alarmClock: AlarmClock;
  /** Deletions that are being finished now. Everybody else who asks for the same one waits for the same attempt. */
  readonly #finishing = new Map<string, Promise<void>>();
  /** Refusals under way, by incarnation. */
  readonly #refusals = new Map<string, Promise<unknown>>();
  readonly #jobs: readonly Job<JobContext, object>[];

  constructor(ctx: DurableObjectState, env: ObjectBindings) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#entries = new Entries(this.#sql);
    this.#audit = new AuditLog(this.#sql);
    this.#idempotency = new IdempotencyStore(this.#sql);
    migrate(ctx.storage, DIRECTORY_MIGRATIONS, databaseVersion(this.#sql));
    this.#jobs = [
      {
        name: 'deletions',
        dueAt: () => this.#entries.firstToDeleteAt(),
        // Each attempt runs on its own and has its next attempt recorded first, so no attempt delays the others or the
        // purge.
        run: ({ now }, limit) => {
          for (const ref of this.#entries.toDelete(now, limit)) {
            this.#postpone(ref, now, false);
            this.ctx.waitUntil(this.#finish(ref).catch(() => {}));
          }
          return {};
        },
        remaining: () => 0,
      },
      {
        name: 'kept_results',
        dueAt: () => this.#idempotency.firstDueAt(),
        run: ({ now }) => {
          this.#idempotency.purge(now, PURGE_BATCH);
          return {};
        },
        remaining: ({ now }, limit) => this.#idempotency.countOld(now, limit),
      },
    ];
    this.#alarmClock = new AlarmClock(ctx.storage, () => earliest(...this.#jobs.map((job) => job.dueAt({ now: 0 }))));
  }

  // ---- creation ----

  /**
   * Called before a tenant is created: adds an entry for it, once no earlier tenant with this id is being deleted.
   * Returns the entry to create. When this `Idempotency-Key` made an entry before, it returns that one, so a repeated
   * creation is of the same tenant, even with a generated id.
   */
  async add(ref: TenantRef, command: Command): Promise<Mutated<TenantRef>> {
    // Nothing may be decided between this check and the entry, so there is no `await` between them.
    while (this.#entries.isDeleting(ref.tenantId)) await this.#finishAllOf(ref.tenantId);
    const now = Date.now();
    return this.ctx.storage.transactionSync(() => {
      const kept = this.#idempotency.resultOf<TenantRef>(command, now);
      if (kept === null) {
        this.#entries.add(ref, now);
        this.#keep(command, ok(ref), now);
        return ok(ref);
      }
      if (!kept.ok) return kept;
      // A tenant that was deleted since does not come back when its creation is repeated.
      if (this.#entries.stateOf(kept.value) !== 'listed') return fail({ code: 'tenant_not_found' });
      // Its creation is under way again, so `prune` must not drop the entry as abandoned.
      this.#entries.addAgain(kept.value, now);
      return kept;
    });
  }

  /** Called by the tenant's object before it writes anything of a new incarnation. Waits for a refusal under way. */
  async confirm(ref: TenantRef): Promise<Confirmation> {
    while (this.#refusals.has(ref.incarnation)) await this.#refusals.get(ref.incarnation)?.catch(() => {});
    return {
      allowed: this.#entries.stateOf(ref) === 'listed',
      earlierDeletion: this.#entries.isDeleting(ref.tenantId),
    };
  }

  /**
   * Called after a tenant could not be created; returns the result for the request, which is the incarnation when
   * another copy of the request has created it after all. When the id is taken, keeps that result and drops the entry.
   * Any other failure comes from a deletion, or from another copy of the request that was refused; then the result of
   * that copy counts for this one too. Idempotent.
   */
  async refuse(ref: TenantRef, failure: Failure, command: Command): Promise<Mutated<TenantRef>> {
    const isTaken = failure.code === 'tenant_exists';
    const taken = isTaken ? await this.#refuseOneByOne(ref, failure, command) : null;
    if (taken !== null) return taken;
    await this.#finishAllOf(ref.tenantId);
    const kept = this.#idempotency.resultOf<TenantRef>(command, Date.now());
    if (kept !== null && !kept.ok) return kept;
    return isTaken ? NOT_CONFIRMED : fail(failure);
  }

  /** One refusal of an incarnation at a time. Creations of it wait for the end (`confirm`). */
  async #refuseOneByOne(ref: TenantRef, failure: Failure, command: Command): Promise<Mutated<TenantRef> | null> {
    const { incarnation } = ref;
    const before = this.#refusals.get(incarnation) ?? Promise.resolve();
    const refusal = before.catch(() => {}).then(() => this.#refuseTaken(ref, failure, command));
    this.#refusals.set(incarnation, refusal);
    try {
      return await refusal;
    } finally {
      if (this.#refusals.get(incarnation) === refusal) this.#refusals.delete(incarnation);
    }
  }

  /** Null when another copy of the request has created the incarnation, and it was deleted since. */
  async #refuseTaken(ref: TenantRef, failure: Failure, command: Command): Promise<Mutated<TenantRef> | null> {
    // The id may have become free after the failure, and another copy of the request may have created the incarnation.
    const exists = await this.#askTenant(ref.tenantId, (tenant) => tenant.cancelCreation(ref.incarnation));
    if (exists) return ok(ref);
    return this.ctx.storage.transactionSync(() => {
      const kept = this.#idempotency.resultOf<TenantRef>(command, Date.now());
      if (kept !== null && !kept.ok) return kept;
      if (kept !== null && this.#entries.stateOf(ref) !== 'listed') return null;
      this.#entries.refuse(ref);
      this.#keep(command, fail(failure), Date.now());
      return fail(failure);
    });
  }

  // ---- deletion ----

  /**
   * Deletes the tenant with this id: decides it, together with the audit entry, and finishes it. A repeated call
   * decides nothing new, but returns only when the deletion is finished. Throws when it is decided but could not be
   * finished yet; the alarm then continues.
   */
  async deleteTenant(tenantId: string, bound: Bound | null, command: Command): Promise<Mutated<null>> {
    const before = await this.#deletedBefore(tenantId, command);
    if (before !== null) return before;
    const decided = this.#decide(await this.#find(tenantId, bound), command);
    if (decided === null) {
      // Another copy of this request was faster.
      return (await this.#deletedBefore(tenantId, command)) ?? fail({ code: 'tenant_not_found' });
    }
    if (decided.ok) await this.#finish(decided.value);
    else await this.#finishAllOf(tenantId);
    return decided.ok ? ok(null) : decided;
  }

  /** The tenant that is meant, as its object says; null when there is none. */
  async #find(tenantId: string, bound: Bound | null): Promise<TenantRef | null> {
    if (this.#entries.ofId(tenantId).length === 0) return null;
    const described = await this.#askTenant(tenantId, (tenant) => tenant.describe({ tenantId, bound }));
    return described.ok ? { tenantId, incarnation: described.value.incarnation } : null;
  }

  /** The result of an earlier deletion with this `Idempotency-Key` or by this command; null when there was none. */
  async #deletedBefore(tenantId: string, command: Command): Promise<Mutated<null> | null> {
    const now = Date.now();
    if (!this.#isDecided(command, now)) return null;
    if (command.idempotency === null) {
      await this.#finishAllOf(tenantId);
      return ok(null);
    }
    const kept = this.#idempotency.resultOf<TenantRef>(command, now);
    if (kept === null || !kept.ok) return kept;
    await this.#finish(kept.value);
    return { ...kept, value: null };
  }

  #isDecided({ idempotency, id, retry }: Command, now: number): boolean {
    return idempotency === null
      ? retry && this.#audit.recentEntry(id, now) !== null
      : this.#idempotency.find(idempotency.key, now) !== null;
  }

  /**
   * Decides a deletion of the incarnation that was found, and keeps the decision. An incarnation that is being deleted
   * already is not decided again, and one that was deleted since it was found does not exist. Returns null when this
   * command or its `Idempotency-Key` has decided something before.
   */
  #decide(found: TenantRef | null, command: Command): Result<TenantRef> | null {
    const now = Date.now();
    return this.ctx.storage.transactionSync(() => {
      if (this.#isDecided(command, now)) return null;
      const state = found && this.#entries.stateOf(found);
      const decided: Result<TenantRef> =
        found === null || state === null ? fail({ code: 'tenant_not_found' }) : ok(found);
      if (decided.ok && state === 'listed') {
        const { tenantId } = decided.value;
        const attemptAt = now + FINISH_DELETION_AFTER_MS;
        this.#entries.decide(decided.value, command, attemptAt);
        this.#audit.append(command, [{ action: 'tenant.delete', changes: { tenantId } }], now);
        this.#alarmClock.arm(attemptAt, now);
      }
      this.#keep(command, decided, now);
      return decided;
    });
  }

  /** Finishes every decided deletion of a tenant with this id. */
  async #finishAllOf(tenantId: string): Promise<void> {
    const deleting = this.#entries.ofId(tenantId).filter((entry) => entry.deleting);
    await Promise.all(deleting.map((ref) => this.#finish(ref)));
  }

  /** Finishes a decided deletion. Resolves at once when it is finished already. */
  #finish(ref: TenantRef): Promise<void> {
    const name = grantOwner(ref);
    const running = this.#finishing.get(name);
    if (running !== undefined) return running;
    const attempt = this.#attempt(ref).finally(() => this.#finishing.delete(name));
    this.#finishing.set(name, attempt);
    return attempt;
  }

  async #attempt(ref: TenantRef): Promise<void> {
    try {
      const command = this.#entries.decidedCommand(ref);
      if (command === null) return;
      await Promise.all([this.#revokeGrants(ref, command), this.#destroy(ref)]);
      this.#entries.remove(ref);
    } catch (error) {
      this.#postpone(ref, Date.now(), true);
      logError('deletion_not_finished', error, { tenant: ref.tenantId });
      throw error;
    }
  }

  async #destroy({ tenantId, incarnation }: TenantRef): Promise<void> {
    await this.#askTenant(tenantId, (tenant) => tenant.destroy(incarnation));
  }

  /**
   * Revokes the management keys that are bound to the incarnation, including those from before incarnations were
   * recorded.
   */
  async #revokeGrants(ref: TenantRef, command: Command): Promise<void> {
    const target = { tenantId: SYSTEM_TENANT_ID, bound: null };
    for (const owner of [grantOwner(ref), ref.tenantId]) {
      const revocation = { ...command, id: `${command.id}.${owner}`, retry: false, grows: false, ifVersions: null };
      await this.#askTenant(SYSTEM_TENANT_ID, (system) => system.revokeKeys(target, { owner }, revocation));
    }
  }

  /** Calls the object of a tenant. */
  async #askTenant<T>(tenantId: string, ask: (tenant: TenantPeer) => Promise<T>): Promise<T> {
    // No promise may hold a stub: awaiting it would look for a method `then` of the object.
    const objectName = objectNameOf(await locatorOf(tenantId));
    return ask(tenantStub(this.env, objectName));
  }

  /** Records when the alarm attempts this deletion next: later after each attempt that failed. */
  #postpone(ref: TenantRef, now: number, failed: boolean): void {
    const before = this.#entries.failedAttempts(ref);
    if (before === null) return;
    const attempts = before + (failed ? 1 : 0);
    const attemptAt = now + retryDelayMs(attempts);
    this.#entries.setAttempts(ref, attempts, attemptAt);
    this.#alarmClock.arm(attemptAt, now);
  }

  // ---- questions ----

  /**
   * Whether a tenant with this id may exist, so that its object should be asked. An object that is never asked stores
   * nothing. While a deletion is under way, this waits for its end.
   */
  async mayExist(tenantId: string): Promise<boolean> {
    if (this.#entries.ofId(tenantId).some(({ deleting }) => !deleting)) return true;
    await this.#finishAllOf(tenantId);
    return this.#entries.ofId(tenantId).length > 0;
  }

  /**
   * Resolves when no deletion of a tenant with this id is under way. Only then may a caller learn that the tenant is
   * gone.
   */
  async awaitDeletions(tenantId: string): Promise<void> {
    await this.#finishAllOf(tenantId);
  }

  /** Drops entries whose tenants were found missing, unless their creation may still be under way. */
  prune(missing: readonly TenantRef[]): void {
    const addedBefore = Date.now() - ABANDONED_AFTER_MS;
    for (const ref of missing) this.#entries.prune(ref, addedBefore);
  }

  /** Entries in the order of creation. The tenants' objects say which of them exist. */
  list(after: number | null, limit: number): Page<DirectoryEntry> {
    return this.#entries.list(after, limit);
  }

  /** The deployment's own audit log. It records deletions of tenants, whose own logs are deleted with them. */
  listAudit(query: AuditQuery): Page<AuditEntry> {
    return this.#audit.list(query);
  }

  /** How many tenants there are and how many deletions wait, for metrics. Bounded work. */
  overview(): DirectoryOverview {
    return this.#entries.overview();
  }

  /** Writes a row, to find out whether storage takes writes. */
  probe(): void {
    this.#sql.exec(DIRECTORY_QUERIES.probe, Date.now());
  }

  // ---- the alarm ----

  /** Starts everything that is due and sets the next alarm. A job that fails holds up no other, and is tried again. */
  override alarm(info?: AlarmInvocationInfo): void {
    const now = Date.now();
    alarmLags.at('directory').observe(lagOf(info, now));
    this.#alarmClock.wentOff();
    const failures = this.#jobs.filter((job) => this.#hasFailed(() => void job.run({ now }, FINISH_BATCH)));
    if (failures.length === 0 && !this.#hasFailed(() => this.#alarmClock.armForAll(now))) return;
    this.#alarmClock.wentOff();
    this.#alarmClock.arm(now + ALARM_RETRY_MS, now);
  }

  /** Whether this step of the alarm fails. The platform gives up on an alarm that throws a few times. */
  #hasFailed(step: () => void): boolean {
    try {
      step();
      return false;
    } catch (error) {
      logError('alarm_failed', error, { object: 'directory' });
      return true;
    }
  }

  #keep({ idempotency, id }: Command, result: Result<TenantRef>, now: number): void {
    if (idempotency === null) return;
    this.#idempotency.keep(idempotency, id, JSON.stringify(result), now);
    this.#alarmClock.arm(now + KEPT_FOR_MS, now);
  }
}
