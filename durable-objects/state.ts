/**
 * The state of a tenant's object and how it changes: one transaction for each mutation, memory that follows only what was committed, the alarm
 * for what is due next, and the leases that a change waits for. The public methods in tenant.ts are all made of `read` and `mutate`.
 */
import { mustShed } from './cleanup.ts';
import { LEASE_SECONDS_MAX, LeaseLedger } from './leases/ledger.ts';
import type { Mutation, MutationContext } from './mutation.ts';
import type { Operation } from './operation.ts';
import { type Failure, fail, type Mutated, ok, type Result } from './outcome.ts';
import { migrate, schemaVersion } from './storage/migrations.ts';
import { TenantStore } from './store.ts';
import { cleanUp } from './tenants/mutations.ts';
import type { TenantRecord } from './tenants/record.ts';
import { TENANT_MIGRATIONS } from './tenants/schema.ts';
import { readTenant, settleLeases, writeTenant } from './tenants/table.ts';

/** How far ahead an alarm is set at most: the platform takes no dates after 2189. One that finds nothing due sets the next. */
const ALARM_AHEAD_MAX_MS = 365 * 24 * 60 * 60 * 1000;

/** At once, or when the leases on what was changed have ended. */
export type Later<T> = T | Promise<T>;

export class TenantState {
  store: TenantStore;
  leases: LeaseLedger;
  readonly #storage: DurableObjectStorage;
  readonly #startedAt = Date.now();
  /** Whether this instance never held a tenant. */
  #beganEmpty = true;
  #tenant: TenantRecord | null = null;
  /** When the alarm is set for, null for never, undefined when this instance does not know. */
  #alarmAt: number | null | undefined;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.store = new TenantStore(storage.sql);
    this.leases = new LeaseLedger(this.#startedAt, 0);
    // A tenant that was never created keeps an empty database: a question about it must leave nothing behind.
    if (schemaVersion(storage.sql) === 0) return;
    migrate(storage, TENANT_MIGRATIONS);
    this.#tenant = readTenant(storage.sql);
    this.#beganEmpty = this.#tenant === null;
    this.store.keys.ownerRevocations.reload();
    this.leases = new LeaseLedger(this.#startedAt, (this.#tenant?.leaseSecondsInForce ?? 0) * 1000);
  }

  /** What is committed of the tenant's row, null while the tenant does not exist. */
  get tenant(): TenantRecord | null {
    return this.#tenant;
  }

  /** Answers about the tenant with this id. */
  read<T>(tenantId: string, answer: (tenant: TenantRecord, now: number) => Result<T>): Result<T> {
    if (this.#tenant?.id !== tenantId) return fail({ code: 'tenant_not_found' });
    return answer(this.#tenant, Date.now());
  }

  /**
   * Runs a mutation: change, audit entries, kept answer and alarm in one transaction. A repeated call of an operation that was applied
   * already is only answered; a request whose `Idempotency-Key` was answered before gets that answer again. The change is committed at once
   * and for all to see; the answer waits until no isolate holds a lease from before.
   */
  mutate<T, F>(tenantId: string, operation: Operation, mutation: Mutation<T, F>): Later<Mutated<T, F | Failure>> {
    const tenant = this.#tenant;
    if (tenant?.id !== tenantId) return fail({ code: 'tenant_not_found' });
    const now = Date.now();
    const context = { store: this.store, tenant, now, ifVersions: operation.ifVersions };
    const done = this.#transaction(() => this.#apply(context, operation, mutation));
    // Memory follows only what was committed.
    this.#tenant = done.tenant;
    if (this.#isSooner(done.dueAt)) this.#alarmAt = done.dueAt;
    const changed = this.store.keys.takeChanged();
    if (!done.answer.ok) return done.answer;
    // What changed nothing may still repeat, or find done, a change that has not returned yet.
    const concerned = !done.isChange ? null : mutation.concerns === 'every key' ? 'everything' : changed;
    const waitMs = this.leases.waitMs(concerned, done.tenant.leaseSecondsInForce * 1000, now);
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
    if (this.#isSooner(dueAt)) void this.#storage.setAlarm(dueAt);
    return { tenant: updated, dueAt, answer, isChange: change.ok && change.value.length > 0 };
  }

  #keptAnswer<T, F>(operation: Operation, now: number): Mutated<T, F | Failure> | null {
    const { idempotency } = operation;
    const kept = idempotency && this.store.keptAnswers.find(idempotency.key, now);
    if (!kept) return null;
    if (kept.fingerprint !== idempotency.fingerprint) return fail({ code: 'idempotency_key_reused' });
    return { ...JSON.parse(kept.answer), replay: { sealedSecrets: kept.sealedSecrets } };
  }

  /** Creates the tenant. The same incarnation again is the same creation repeated. */
  create(tenant: TenantRecord, operation: Operation): Mutated<TenantRecord> {
    const existing = this.#tenant;
    if (existing?.incarnation === tenant.incarnation) {
      if (operation.idempotency === null || operation.retry) return ok(existing);
      return this.#keptAnswer<TenantRecord, Failure>(operation, Date.now()) ?? fail({ code: 'tenant_exists' });
    }
    if (existing !== null) return fail({ code: 'tenant_exists' });
    const { createdAt, name, settings } = tenant;
    this.#storage.transactionSync(() => {
      migrate(this.#storage, TENANT_MIGRATIONS);
      writeTenant(this.store.sql, tenant);
      this.store.audit.append(operation, [{ action: 'tenant.create', changes: { name, settings } }], createdAt);
      if (operation.idempotency === null) return;
      this.store.keptAnswers.keep(operation.idempotency, JSON.stringify(ok(tenant)), createdAt);
      void this.#storage.setAlarm(this.#nextDueAt(tenant) ?? createdAt);
    });
    this.#tenant = tenant;
    this.#beganEmpty = false;
    return ok(tenant);
  }

  /** Notes that the change which led to this tenant has been waited for: its setting is what is in force. A later change sees to itself. */
  settleLeases({ version }: TenantRecord): void {
    if (this.#tenant?.version === version) this.#tenant = settleLeases(this.store.sql, this.#tenant);
  }

  /** Deletes everything, alarm included, if it is of this incarnation; resolves when no lease on any of it is left. Idempotent. */
  async destroy(incarnation: string): Promise<void> {
    const tenant = this.#tenant;
    const now = Date.now();
    if (tenant?.incarnation !== incarnation) {
      // Gone already, but its leases may not be: an earlier instance may have deleted it and died before it had waited. No row tells their length.
      const leases = this.#beganEmpty ? new LeaseLedger(this.#startedAt, LEASE_SECONDS_MAX * 1000) : this.leases;
      if (tenant === null) await scheduler.wait(leases.waitMs(null, LEASE_SECONDS_MAX * 1000, now));
      return;
    }
    const waitMs = this.leases.waitMs('everything', tenant.leaseSecondsInForce * 1000, now);
    // Memory first: from here on every question is answered as if the tenant had never been.
    this.#tenant = null;
    this.store = new TenantStore(this.#storage.sql);
    this.#alarmAt = undefined;
    await this.#storage.deleteAlarm();
    await this.#storage.deleteAll();
    await scheduler.wait(waitMs);
  }

  /** The alarm has gone off: runs a cleanup pass and sets the next alarm. Throws when the pass does, having changed nothing. */
  cleanUp(): void {
    this.#alarmAt = null;
    const tenant = this.#tenant;
    if (tenant === null) return;
    this.#transaction(() => cleanUp(this.store, tenant, 'alarm', Date.now()));
    // Nobody waits for an alarm: what it changes, time has decided already.
    this.store.keys.takeChanged();
    this.arm();
  }

  /** Sets the alarm for a time of its own, whatever is due. */
  async armFor(time: number): Promise<void> {
    await this.#storage.setAlarm(time);
    this.#alarmAt = time;
  }

  /** Sees to an alarm for all that is due next, not only for what is new: a fresh instance does not know what the alarm is set for. */
  arm(): void {
    const dueAt = this.#tenant && this.#nextDueAt(this.#tenant);
    if (!this.#isSooner(dueAt)) return;
    void this.#storage.setAlarm(dueAt);
    this.#alarmAt = dueAt;
  }

  /** A transaction that takes memory back with it when it does not commit. */
  #transaction<T>(run: () => T): T {
    try {
      return this.#storage.transactionSync(run);
    } catch (error) {
      this.store.keys.ownerRevocations.reload();
      this.store.keys.takeChanged();
      this.store.keys.forgetHot();
      throw error;
    }
  }

  /** When the alarm has something to do next (ms), null if it never has. */
  #nextDueAt(tenant: TenantRecord): number | null {
    const { keys, keptAnswers, lastUsed } = this.store;
    const firstEndedAt = keys.firstEndedAt();
    const purgeAt = firstEndedAt === null ? null : firstEndedAt + tenant.settings.retentionSeconds * 1000;
    const atOnce = keys.ownerRevocations.pending.length > 0 || mustShed(this.store, tenant) ? Date.now() : null;
    const dueAt = earliest(keys.firstDueAt(), purgeAt, keptAnswers.firstDueAt(), lastUsed.flushAt, atOnce);
    return dueAt === null ? null : Math.min(dueAt, Date.now() + ALARM_AHEAD_MAX_MS);
  }

  #isSooner(dueAt: number | null): dueAt is number {
    return dueAt !== null && (this.#alarmAt === undefined || this.#alarmAt === null || dueAt < this.#alarmAt);
  }
}

type Applied<T, F> = {
  readonly tenant: TenantRecord;
  readonly dueAt: number | null;
  readonly answer: Mutated<T, F>;
  /** Whether anything was changed now. */
  readonly isChange: boolean;
};

function isPrefixMismatch(answer: Result<unknown, unknown>): boolean {
  if (answer.ok) return false;
  const { failure } = answer;
  return typeof failure === 'object' && failure !== null && 'code' in failure && failure.code === 'prefix_mismatch';
}

function earliest(...times: readonly (number | null)[]): number | null {
  const set = times.filter((time) => time !== null);
  return set.length === 0 ? null : Math.min(...set);
}
