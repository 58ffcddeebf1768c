/**
 * The directory object: which tenants may exist. The deployment has one, and no verification asks it.
 * domain/tenants/lifecycle.ts describes what it decides and how tenants are created and deleted.
 */
import { DurableObject } from 'cloudflare:workers';
import type { Command } from '../../domain/command.ts';
import { type Failure, fail, type Mutated, ok, type Result } from '../../domain/outcome.ts';
import { type Confirmation, grantOwner, retryDelayMs } from '../../domain/tenants/lifecycle.ts';
import { locatorOf, objectNameOf, SYSTEM_TENANT_ID } from '../../domain/tenants/locator.ts';
import type { Bound, TenantRef } from '../../domain/tenants/target.ts';
import { AUDIT_TABLES, type AuditEntry, AuditLog, type AuditQuery } from '../audit-log.ts';
import { type ObjectBindings, tenantStub } from '../bindings.ts';
import { IDEMPOTENCY_TABLES, IdempotencyStore, KEPT_FOR_MS } from '../idempotency-store.ts';
import { AlarmClock, earliest } from '../jobs/alarm-clock.ts';
import type { Job } from '../jobs/job.ts';
import { logError } from '../log.ts';
import { databaseVersion, type Migration, migrate } from '../sql/migrations.ts';
import { type Page, startOf } from '../sql/paging.ts';

export type DirectoryEntry = TenantRef & { readonly seq: number };

/** A creation that has not reached the tenant's object after this time never will: its request ended long ago. */
const ABANDONED_AFTER_MS = 60 * 60 * 1000;
/** How long a request has to finish a deletion before the alarm tries as well. */
const FINISH_DELETION_AFTER_MS = 15_000;
/** Deletions that one alarm attempts, in parallel. */
const FINISH_BATCH = 20;
const PURGE_BATCH = 50;
/** How long the alarm waits after it failed itself. */
const ALARM_RETRY_MS = 30_000;

const DIRECTORY_MIGRATIONS: readonly Migration[] = [
  `
  CREATE TABLE tenants (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    deleting TEXT             -- the command that decided the deletion, as JSON
  ) STRICT;
  CREATE UNIQUE INDEX tenants_by_id ON tenants (id, incarnation);
  CREATE INDEX tenants_deleting ON tenants (seq) WHERE deleting IS NOT NULL;
  ${AUDIT_TABLES}
  ${IDEMPOTENCY_TABLES}
  `,
  `
  ALTER TABLE tenants ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;   -- failed ones to finish the deletion
  ALTER TABLE tenants ADD COLUMN attempt_at INTEGER;                    -- when the alarm tries to finish it next
  UPDATE tenants SET attempt_at = 0 WHERE deleting IS NOT NULL;
  DROP INDEX tenants_deleting;
  CREATE INDEX tenants_to_delete ON tenants (attempt_at) WHERE deleting IS NOT NULL;
  ALTER TABLE audit ADD COLUMN on_behalf_of TEXT;
  ALTER TABLE idempotency ADD COLUMN operation_id TEXT;
  CREATE TABLE probe (at INTEGER NOT NULL) STRICT;
  INSERT INTO probe VALUES (0);
  `,
];

export const DIRECTORY_QUERIES = {
  add: 'INSERT INTO tenants (id, incarnation, added_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  addedAgain: 'UPDATE tenants SET added_at = ? WHERE id = ? AND incarnation = ?',
  ofId: 'SELECT id AS tenantId, incarnation, deleting IS NOT NULL AS deleting FROM tenants WHERE id = ?',
  decide: 'UPDATE tenants SET deleting = ?, attempt_at = ? WHERE id = ? AND incarnation = ? AND deleting IS NULL',
  decided: 'SELECT deleting AS command, attempts FROM tenants WHERE id = ? AND incarnation = ?',
  failed: 'UPDATE tenants SET attempts = ?, attempt_at = ? WHERE id = ? AND incarnation = ?',
  remove: 'DELETE FROM tenants WHERE id = ? AND incarnation = ?',
  refuse: 'DELETE FROM tenants WHERE id = ? AND incarnation = ? AND deleting IS NULL',
  prune: 'DELETE FROM tenants WHERE id = ? AND incarnation = ? AND deleting IS NULL AND added_at < ?',
  list: 'SELECT seq, id AS tenantId, incarnation FROM tenants WHERE deleting IS NULL AND seq > ? ORDER BY seq LIMIT ?',
  toDelete: `SELECT id AS tenantId, incarnation FROM tenants
    WHERE deleting IS NOT NULL AND attempt_at <= ? ORDER BY attempt_at LIMIT ?`,
  firstToDelete: 'SELECT attempt_at AS at FROM tenants WHERE deleting IS NOT NULL ORDER BY attempt_at LIMIT 1',
  probe: 'UPDATE probe SET at = ?',
} as const;

type JobContext = { readonly now: number };

export class Directory extends DurableObject<ObjectBindings> {
  readonly #sql: SqlStorage;
  readonly #audit: AuditLog;
  readonly #idempotency: IdempotencyStore;
  readonly #alarmClock: AlarmClock;
  /** Deletions that are being finished now. Everybody else who asks for the same one waits for the same attempt. */
  readonly #finishing = new Map<string, Promise<void>>();
  readonly #jobs: readonly Job<JobContext, object>[];

  constructor(ctx: DurableObjectState, env: ObjectBindings) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#audit = new AuditLog(this.#sql);
    this.#idempotency = new IdempotencyStore(this.#sql);
    migrate(ctx.storage, DIRECTORY_MIGRATIONS, databaseVersion(this.#sql));
    this.#jobs = [
      {
        name: 'deletions',
        dueAt: () => this.#sql.exec<{ at: number }>(DIRECTORY_QUERIES.firstToDelete).toArray()[0]?.at ?? null,
        // Each attempt runs on its own and has its next attempt recorded first, so no attempt delays the others or the
        // purge.
        run: ({ now }, limit) => {
          const due = this.#sql.exec<TenantRef>(DIRECTORY_QUERIES.toDelete, now, limit).toArray();
          for (const ref of due) {
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
    while (this.#isDeleting(ref.tenantId)) await this.#finishAllOf(ref.tenantId);
    const now = Date.now();
    return this.ctx.storage.transactionSync(() => {
      const kept = this.#idempotency.resultOf<TenantRef>(command, now);
      if (kept === null) {
        this.#sql.exec(DIRECTORY_QUERIES.add, ref.tenantId, ref.incarnation, now);
        this.#keep(command, ok(ref), now);
        return ok(ref);
      }
      if (!kept.ok) return kept;
      // A tenant that was deleted since does not come back when its creation is repeated.
      if (this.#stateOf(kept.value) !== 'listed') return fail({ code: 'tenant_not_found' });
      // Its creation is under way again, so `prune` must not drop the entry as abandoned.
      this.#sql.exec(DIRECTORY_QUERIES.addedAgain, now, kept.value.tenantId, kept.value.incarnation);
      return kept;
    });
  }

  /** Called by the tenant's object before it writes anything of a new incarnation. */
  confirm(ref: TenantRef): Confirmation {
    return { allowed: this.#stateOf(ref) === 'listed', earlierDeletion: this.#isDeleting(ref.tenantId) };
  }

  /**
   * Called after a tenant could not be created; returns the result for the request. When the id is taken, keeps that
   * result and drops the entry. Any other failure comes from a deletion, or from another copy of the request that was
   * refused; then the result of that copy counts for this one too. Idempotent.
   */
  async refuse(ref: TenantRef, failure: Failure, command: Command): Promise<Mutated<TenantRef>> {
    if (failure.code !== 'tenant_exists') {
      await this.#finishAllOf(ref.tenantId);
      const kept = this.#idempotency.resultOf<TenantRef>(command, Date.now());
      return kept === null || kept.ok ? fail(failure) : kept;
    }
    return this.ctx.storage.transactionSync(() => {
      this.#sql.exec(DIRECTORY_QUERIES.refuse, ref.tenantId, ref.incarnation);
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
    if (this.#entriesOf(tenantId).length === 0) return null;
    const tenant = tenantStub(this.env, objectNameOf(await locatorOf(tenantId)));
    const described = await tenant.describe({ tenantId, bound });
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
      const state = found && this.#stateOf(found);
      const decided: Result<TenantRef> =
        found === null || state === null ? fail({ code: 'tenant_not_found' }) : ok(found);
      if (decided.ok && state === 'listed') {
        const { tenantId, incarnation } = decided.value;
        const attemptAt = now + FINISH_DELETION_AFTER_MS;
        const stored = JSON.stringify({ ...command, idempotency: null });
        this.#sql.exec(DIRECTORY_QUERIES.decide, stored, attemptAt, tenantId, incarnation);
        this.#audit.append(command, [{ action: 'tenant.delete', changes: { tenantId } }], now);
        this.#alarmClock.arm(attemptAt, now);
      }
      this.#keep(command, decided, now);
      return decided;
    });
  }

  #isDeleting(tenantId: string): boolean {
    return this.#entriesOf(tenantId).some(({ deleting }) => deleting);
  }

  /** Finishes every decided deletion of a tenant with this id. */
  async #finishAllOf(tenantId: string): Promise<void> {
    const deleting = this.#entriesOf(tenantId).filter((entry) => entry.deleting);
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
      const command = this.#decidedCommand(ref);
      if (command === null) return;
      await Promise.all([this.#revokeGrants(ref, command), this.#destroy(ref)]);
      this.#sql.exec(DIRECTORY_QUERIES.remove, ref.tenantId, ref.incarnation);
    } catch (error) {
      this.#postpone(ref, Date.now(), true);
      logError('deletion_not_finished', error, { tenant: ref.tenantId });
      throw error;
    }
  }

  async #destroy({ tenantId, incarnation }: TenantRef): Promise<void> {
    await tenantStub(this.env, objectNameOf(await locatorOf(tenantId))).destroy(incarnation);
  }

  /**
   * Revokes the management keys that are bound to the incarnation, including those from before incarnations were
   * recorded.
   */
  async #revokeGrants(ref: TenantRef, command: Command): Promise<void> {
    const system = tenantStub(this.env, objectNameOf(await locatorOf(SYSTEM_TENANT_ID)));
    const target = { tenantId: SYSTEM_TENANT_ID, bound: null };
    for (const owner of [grantOwner(ref), ref.tenantId]) {
      const revocation = { ...command, id: `${command.id}.${owner}`, retry: false, grows: false, ifVersions: null };
      await system.revokeKeys(target, { owner }, revocation);
    }
  }

  #decidedCommand({ tenantId, incarnation }: TenantRef): Command | null {
    type Row = { command: string | null };
    const row = this.#sql.exec<Row>(DIRECTORY_QUERIES.decided, tenantId, incarnation).toArray()[0];
    if (row === undefined || row.command === null) return null;
    // Commands that an earlier version stored lack the fields that were added later.
    return { onBehalfOf: null, grows: false, ...JSON.parse(row.command), idempotency: null };
  }

  /** Records when the alarm attempts this deletion next: later after each attempt that failed. */
  #postpone({ tenantId, incarnation }: TenantRef, now: number, failed: boolean): void {
    type Row = { attempts: number };
    const row = this.#sql.exec<Row>(DIRECTORY_QUERIES.decided, tenantId, incarnation).toArray()[0];
    if (row === undefined) return;
    const attempts = row.attempts + (failed ? 1 : 0);
    const attemptAt = now + retryDelayMs(attempts);
    this.#sql.exec(DIRECTORY_QUERIES.failed, attempts, attemptAt, tenantId, incarnation);
    this.#alarmClock.arm(attemptAt, now);
  }

  // ---- questions ----

  /**
   * Whether a tenant with this id may exist, so that its object should be asked. An object that is never asked stores
   * nothing. While a deletion is under way, this waits for its end.
   */
  async mayExist(tenantId: string): Promise<boolean> {
    if (this.#entriesOf(tenantId).some(({ deleting }) => !deleting)) return true;
    await this.#finishAllOf(tenantId);
    return this.#entriesOf(tenantId).length > 0;
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
    for (const { tenantId, incarnation } of missing) {
      this.#sql.exec(DIRECTORY_QUERIES.prune, tenantId, incarnation, addedBefore);
    }
  }

  /** Entries in the order of creation. The tenants' objects say which of them exist. */
  list(after: number | null, limit: number): Page<DirectoryEntry> {
    const found = this.#sql.exec<DirectoryEntry>(DIRECTORY_QUERIES.list, startOf('asc', after), limit + 1).toArray();
    const items = found.slice(0, limit);
    return { items, next: found.length > limit ? (items.at(-1)?.seq ?? null) : null };
  }

  /** The deployment's own audit log. It records deletions of tenants, whose own logs are deleted with them. */
  listAudit(query: AuditQuery): Page<AuditEntry> {
    return this.#audit.list(query);
  }

  /** Writes a row, to find out whether storage takes writes. */
  probe(): void {
    this.#sql.exec(DIRECTORY_QUERIES.probe, Date.now());
  }

  // ---- the alarm ----

  /** Starts everything that is due and sets the next alarm. */
  override alarm(): void {
    const now = Date.now();
    this.#alarmClock.wentOff();
    try {
      for (const job of this.#jobs) job.run({ now }, FINISH_BATCH);
      this.#alarmClock.armForAll(now);
    } catch (error) {
      logError('alarm_failed', error, { object: 'directory' });
      this.#alarmClock.wentOff();
      this.#alarmClock.arm(now + ALARM_RETRY_MS, now);
    }
  }

  #entriesOf(tenantId: string): (TenantRef & { readonly deleting: boolean })[] {
    type Row = TenantRef & { deleting: number };
    const rows = this.#sql.exec<Row>(DIRECTORY_QUERIES.ofId, tenantId).toArray();
    return rows.map((row) => ({ ...row, deleting: row.deleting !== 0 }));
  }

  #stateOf({ tenantId, incarnation }: TenantRef): 'listed' | 'deleting' | null {
    const entry = this.#entriesOf(tenantId).find((found) => found.incarnation === incarnation);
    if (entry === undefined) return null;
    return entry.deleting ? 'deleting' : 'listed';
  }

  #keep({ idempotency, id }: Command, result: Result<TenantRef>, now: number): void {
    if (idempotency === null) return;
    this.#idempotency.keep(idempotency, id, JSON.stringify(result), now);
    this.#alarmClock.arm(now + KEPT_FOR_MS, now);
  }
}
