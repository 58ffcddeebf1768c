/**
 * The state of a tenant's object and how it changes: one transaction for each mutation, memory that follows only what was committed, the alarm
 * for what is due next, and the leases that a change waits for. The public methods in tenant.ts are all made of `read`, `mutate` and `verify`.
 */

import type { Command } from '../../domain/command.ts';
import { type Concerned, LEASE_SECONDS_MAX } from '../../domain/leases/ledger.ts';
import { type Failure, fail, type Mutated, ok, type PrefixMismatch, type Result } from '../../domain/outcome.ts';
import { type Confirm, NOT_CONFIRMED } from '../../domain/tenants/lifecycle.ts';
import type { TenantRecord } from '../../domain/tenants/record.ts';
import { isMeant, type TenantTarget } from '../../domain/tenants/target.ts';
import { KEPT_FOR_MS } from '../idempotency-store.ts';
import { AlarmClock, earliest } from '../jobs/alarm-clock.ts';
import { logError } from '../log.ts';
import { migrate, schemaVersion } from '../sql/migrations.ts';
import { cleanUp } from './cleanup.ts';
import { firstDueAt } from './jobs.ts';
import { FLUSH_AFTER_MS } from './keys/last-used.ts';
import type { HotKey } from './keys/table.ts';
import { TenantLeases } from './leases.ts';
import { TENANT_MIGRATIONS } from './migrations.ts';
import type { Mutation, MutationContext } from './mutation.ts';
import { TenantStore } from './store.ts';
import { insertTenant, readTenant, readTenantAtStart, type StoredTenant, settleLeases } from './table.ts';

/** Passes that one alarm makes, others being served between them. */
const PASSES_PER_ALARM = 20;
/** How long the alarm waits after a pass that threw, so that work is never dropped and a bug does not spin. */
const ALARM_RETRY_MS = 30_000;

/**
 * An object's database ends at 10 GB on Cloudflare. From here on only what ends something is taken, so that there is always room to revoke, disable
 * and delete, and to trim the audit log.
 */
const GROWS_UP_TO_BYTES = 10_000_000_000 - 200_000_000;

/** At once, or when changes that an answer tells of have returned. */
export type Later<T> = T | Promise<T>;

const TAKEN = fail({ code: 'tenant_exists' });

export class TenantState {
  store: TenantStore;
  readonly #storage: DurableObjectStorage;
  readonly #alarm: AlarmClock;
  readonly #leases: TenantLeases;
  #tenant: TenantRecord | null = null;
  #settling = false;
  /** Creations that wait for the directory. What was decided about one meanwhile is the answer to it. */
  readonly #creations = new Set<{ readonly incarnation: string; refused: Result<never> | null }>();

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.store = new TenantStore(storage.sql);
    this.#alarm = new AlarmClock(storage, (now) => this.#firstDueAt(now));
    this.#leases = new TenantLeases(storage.sql, () => this.#tenant?.leaseSecondsInForce ?? null, Date.now());
    const stored = readTenantAtStart(storage.sql, TENANT_MIGRATIONS.length) ?? this.#bringUpToDate();
    if (stored === null) return;
    this.#tenant = stored.record;
    if (stored.hasGroupRevocations) this.store.keys.groupRevocations.reload();
    this.#leases.resume(stored.leasesOut);
    if (stored.leasesOut) this.#settleSoon(FLUSH_AFTER_MS);
  }

  /** The tenant of a database that an earlier version wrote. One that never held a tenant stays empty: a question about it must leave nothing behind. */
  #bringUpToDate(): StoredTenant | null {
    const version = schemaVersion(this.#storage.sql);
    if (version === 0) return null;
    migrate(this.#storage, TENANT_MIGRATIONS, version);
    return readTenant(this.#storage.sql);
  }

  /** What is committed of the tenant's row, null while the tenant does not exist. */
  get tenant(): TenantRecord | null {
    return this.#tenant;
  }

  /**
   * Answers about the tenant that is meant. `tells` names the keys whose state the answer tells, so that it does not tell of a change before that
   * has returned; null for an answer that tells of changes as soon as they are committed.
   */
  read<T>(
    target: TenantTarget,
    answer: (tenant: TenantRecord, now: number) => Result<T>,
    tells: (result: Result<T>) => Concerned | null = () => null,
  ): Later<Result<T>> {
    const now = Date.now();
    if (this.#tenant === null || !isMeant(this.#tenant, target)) return this.#missing(now);
    const result = answer(this.#tenant, now);
    const about = tells(result);
    return about === null ? result : this.#after(this.#leases.beforeTelling(about, now), result);
  }

  /**
   * Runs a mutation: change, audit entries, kept result and alarm in one transaction. A repeated call of an command that was applied already, and
   * a request whose `Idempotency-Key` was answered before, get the first result again. The change is committed at once; the answer waits until no
   * isolate holds a lease from before, and until changes by others that it tells of have returned.
   */
  mutate<T, F>(target: TenantTarget, command: Command, mutation: Mutation<T, F>): Later<Mutated<T, F | Failure>> {
    const now = Date.now();
    const tenant = this.#tenant;
    if (tenant === null || !isMeant(tenant, target)) return this.#missing(now);
    if (command.grows && this.#storage.sql.databaseSize > GROWS_UP_TO_BYTES) return fail({ code: 'storage_full' });
    const context = { store: this.store, tenant, now, command };
    const { answer, changed } = this.#transaction(() => this.#apply(context, mutation));
    return this.#after(this.#leases.beforeAnswer(changed, mutation.about, now), answer);
  }

  #apply<T, F>(context: MutationContext, mutation: Mutation<T, F>): Applied<T, F | Failure> {
    const { store, tenant, now, command } = context;
    const known = this.#knownResult(context, mutation);
    if (known !== null) return { answer: known, changed: null };

    const change = mutation.run(context);
    const written = store.keys.takeWritten();
    const isChange = change.ok && change.value.audit.length > 0;
    if (isChange) store.audit.append(command, change.value.audit, now);
    const answer: Mutated<T, F> = change.ok ? ok(change.value.value) : change;
    this.#keepResult(command, answer, isChange && mutation.again === undefined, now);
    const updated = (change.ok ? change.value.tenant : undefined) ?? tenant;
    this.#alarm.arm(this.#dueAfter(updated, written, command, now), now);
    if (updated !== tenant) {
      this.#tenant = updated;
      this.#alarm.armForAll(now);
    }
    if (!change.ok || !isChange) return { answer, changed: null };
    return { answer, changed: change.value.concerns ?? written.changed };
  }

  /** What a mutation that was applied before has to answer again, null for one that was not. */
  #knownResult<T, F>(context: MutationContext, mutation: Mutation<T, F>): Mutated<T, F | Failure> | null {
    const { command, now } = context;
    const { idempotency, retry, id } = command;
    if (idempotency !== null) return this.#keptResult<T, F>(command, now);
    if (!retry) return null;
    if (mutation.again !== undefined) {
      const entry = this.store.audit.recentEntry(id, now);
      return entry === null ? null : mutation.again(context, entry.at);
    }
    const result = this.store.results.find(id);
    if (result !== null) return JSON.parse(result);
    // Applied, but so many mutations ago that its result is gone. It must not be applied again.
    if (this.store.audit.recentEntry(id, now) !== null)
      throw new Error('the result of a repeated command is not kept any more');
    return null;
  }

  #keptResult<T, F>(command: Command, now: number): Mutated<T, F | Failure> | null {
    const { idempotency, retry } = command;
    const kept = idempotency && this.store.idempotency.find(idempotency.key, now);
    if (!kept) return null;
    if (kept.requestHash !== idempotency.requestHash) return fail({ code: 'idempotency_key_reused' });
    const answer: Mutated<T, F | Failure> = JSON.parse(kept.answer);
    // The Worker's own repetition is still the first request of its caller. Its key strings are those that were minted for it.
    return retry && kept.commandId === command.id
      ? answer
      : { ...answer, replay: { sealedSecrets: kept.sealedSecrets } };
  }

  #keepResult(command: Command, answer: Mutated<unknown, unknown>, isWanted: boolean, now: number): void {
    const { idempotency, id } = command;
    if (idempotency === null) {
      if (isWanted) this.store.results.keep(id, JSON.stringify(answer), now);
    } else if (!NOT_KEPT.has(failureCodeOf(answer))) {
      this.store.idempotency.keep(idempotency, id, JSON.stringify(answer), now);
    }
  }

  /** When what a mutation has written is due first (ms), null for never. */
  #dueAfter(
    { settings }: TenantRecord,
    { dueAt, endedAt }: { readonly dueAt: number | null; readonly endedAt: number | null },
    { idempotency }: Command,
    now: number,
  ): number | null {
    return earliest(
      dueAt,
      endedAt === null ? null : endedAt + settings.retentionSeconds * 1000,
      idempotency === null ? null : now + KEPT_FOR_MS,
      this.store.keys.groupRevocations.pending.length > 0 ? now : null,
    );
  }

  // ---- verification ----

  /** Notes that a key was used at `now`. Nothing is written yet, and the verification does not depend on whether it can be. */
  noteUse(hot: HotKey, now: number): void {
    this.store.lastUsed.note(hot, now);
    if (this.store.lastUsed.any) this.#settleSoon(FLUSH_AFTER_MS);
  }

  /** Grants a lease on a key: for how long (ms), 0 for none (leases.ts). */
  grantLease({ settings }: TenantRecord, keyId: string, now: number): number {
    const leaseMs = this.#leases.grant(keyId, settings.leaseSeconds, now);
    if (leaseMs > 0) this.#settleSoon(FLUSH_AFTER_MS);
    return leaseMs;
  }

  /**
   * Sees to it that what memory owes to storage is written soon: uses, and that no lease is out any more. By a timer, since that needs no write, and
   * sooner than the platform takes an idle object from memory (about 10 s).
   */
  #settleSoon(ms: number): void {
    if (this.#settling) return;
    this.#settling = true;
    setTimeout(() => {
      this.#settling = false;
      try {
        this.#settle(Date.now());
      } catch (error) {
        logError('settling_failed', error, this.#tenant === null ? {} : { tenant: this.#tenant.id });
        this.#settleSoon(FLUSH_AFTER_MS);
      }
    }, ms);
  }

  #settle(now: number): void {
    if (this.#tenant === null) return;
    const { lastUsed, keys, rotations } = this.store;
    const leases = this.#leases;
    const uses = lastUsed.batch();
    const isOver = leases.isOver(now);
    if (uses.length > 0 || isOver) {
      this.#transaction(() => {
        lastUsed.write(uses, keys, rotations);
        if (isOver) leases.note(false);
      });
      lastUsed.written(uses);
    }
    leases.sweep(now);
    if (lastUsed.any) this.#settleSoon(uses.length === 0 ? FLUSH_AFTER_MS : 0);
    else if (leases.areOut) this.#settleSoon(Math.max(FLUSH_AFTER_MS, leases.untilOver(now)));
  }

  // ---- the tenant's own life (tenants/lifecycle.ts) ----

  /** Creates the tenant, if the directory confirms that it may. The same incarnation again is the same creation repeated. */
  async create(tenant: TenantRecord, command: Command, confirm: Confirm): Promise<Mutated<TenantRecord>> {
    const creation: { readonly incarnation: string; refused: Result<never> | null } = {
      incarnation: tenant.incarnation,
      refused: null,
    };
    this.#creations.add(creation);
    try {
      const { allowed, earlierDeletion } = await confirm();
      if (!allowed) return NOT_CONFIRMED;
      if (creation.refused !== null) return creation.refused;
      const waitMs = this.#leases.beforeCreation(earlierDeletion, Date.now());
      const created = this.#createNow(tenant, command, waitMs);
      if (waitMs > 0) await scheduler.wait(waitMs);
      this.settleLeases(tenant);
      return created;
    } finally {
      this.#creations.delete(creation);
    }
  }

  #createNow(wanted: TenantRecord, command: Command, waitMs: number): Mutated<TenantRecord> {
    const existing = this.#tenant;
    if (existing?.incarnation === wanted.incarnation) {
      return this.#keptResult<TenantRecord, Failure>(command, Date.now()) ?? ok(existing);
    }
    if (existing !== null) {
      // The directory drops the entry now, so another copy of this creation must not go on if the id becomes free.
      this.#refuseCreations(wanted.incarnation, TAKEN);
      return TAKEN;
    }
    // Until the leases on an earlier tenant have ended, answers about this one wait for them, also if this instance does not live as long.
    const tenant = waitMs === 0 ? wanted : { ...wanted, leaseSecondsInForce: LEASE_SECONDS_MAX };
    const { createdAt, name, settings } = tenant;
    this.#transaction(() => {
      migrate(this.#storage, TENANT_MIGRATIONS, schemaVersion(this.store.sql));
      insertTenant(this.store.sql, tenant);
      if (waitMs > 0) this.#leases.note(true);
      this.store.audit.append(command, [{ action: 'tenant.create', changes: { name, settings } }], createdAt);
      if (command.idempotency === null) return;
      this.store.idempotency.keep(command.idempotency, command.id, JSON.stringify(ok(tenant)), createdAt);
      this.#alarm.arm(createdAt + KEPT_FOR_MS, createdAt);
    });
    this.#tenant = tenant;
    if (waitMs > 0) {
      this.#leases.created(waitMs, Date.now());
      this.#settleSoon(Math.max(FLUSH_AFTER_MS, waitMs));
    }
    return ok(tenant);
  }

  #refuseCreations(incarnation: string, answer: Result<never>): void {
    for (const creation of this.#creations) if (creation.incarnation === incarnation) creation.refused = answer;
  }

  /** Notes that the change which led to this tenant has been waited for: its setting is what is in force. A later change sees to itself. */
  settleLeases({ incarnation, version }: TenantRecord): void {
    const tenant = this.#tenant;
    if (tenant?.incarnation !== incarnation || tenant.version !== version) return;
    this.#tenant = settleLeases(this.store.sql, tenant);
  }

  /** Deletes everything, alarm included, if it is of this incarnation; resolves when no lease on any of it is left. Idempotent. */
  async destroy(incarnation: string): Promise<void> {
    this.#refuseCreations(incarnation, NOT_CONFIRMED);
    const tenant = this.#tenant;
    const now = Date.now();
    if (tenant?.incarnation !== incarnation) {
      await scheduler.wait(this.#leases.beforeDestroyedAgain(incarnation, now));
      return;
    }
    const waitMs = this.#leases.beforeDestroyed(now);
    const { store } = this;
    // Memory first: from here on every question is answered as if the tenant had never been.
    this.#tenant = null;
    this.store = new TenantStore(this.#storage.sql);
    this.#alarm.forget();
    // Both in one turn: what a creation writes meanwhile must not be deleted along.
    try {
      await Promise.all([this.#storage.deleteAlarm(), this.#storage.deleteAll()]);
    } catch (error) {
      // It is still there, so the next attempt must find it.
      this.#tenant = tenant;
      this.store = store;
      throw error;
    }
    this.#leases.destroyed(incarnation);
    await scheduler.wait(waitMs);
  }

  // ---- the alarm ----

  /** The alarm has gone off: makes passes until nothing is due, or others may have waited long enough, and sets the next alarm. */
  async runAlarm(): Promise<void> {
    this.#alarm.wentOff();
    for (let pass = 0; pass < PASSES_PER_ALARM; pass++) {
      if (!this.#pass()) break;
      await scheduler.wait(0);
    }
    this.#alarm.armForAll(Date.now());
  }

  /** One pass; whether there is more to do. */
  #pass(): boolean {
    const tenant = this.#tenant;
    if (tenant === null) return false;
    const now = Date.now();
    const { remaining } = this.#transaction(() => cleanUp({ store: this.store, tenant, now }, 'alarm'));
    // Nobody waits for an alarm: what it changes, time has decided already.
    this.store.keys.takeWritten();
    return remaining > 0;
  }

  /** After an alarm that failed: sets the next one, since the platform gives up on an alarm that throws a few times. */
  armAfterFailure(): void {
    this.#alarm.wentOff();
    const now = Date.now();
    this.#alarm.arm(now + ALARM_RETRY_MS, now);
  }

  #firstDueAt(now: number): number | null {
    return this.#tenant === null ? null : firstDueAt({ store: this.store, tenant: this.#tenant, now });
  }

  // ---- what all of them share ----

  /** That there is no such tenant, told when it is true everywhere. */
  #missing(now: number): Later<{ readonly ok: false; readonly failure: { readonly code: 'tenant_not_found' } }> {
    return this.#after(this.#leases.beforeMissing(now), fail({ code: 'tenant_not_found' }));
  }

  #after<T>(waitMs: number, answer: T): Later<T> {
    return waitMs === 0 ? answer : scheduler.wait(waitMs).then(() => answer);
  }

  /** A transaction that takes memory back with it when it does not commit. */
  #transaction<T>(run: () => T): T {
    const tenant = this.#tenant;
    const { areOut } = this.#leases;
    try {
      return this.#storage.transactionSync(() => {
        const done = run();
        this.store.keys.counts.flush();
        return done;
      });
    } catch (error) {
      this.#tenant = tenant;
      this.#leases.restore(areOut);
      this.#alarm.forget();
      this.store.keys.groupRevocations.reload();
      this.store.keys.counts.discard();
      this.store.keys.takeWritten();
      this.store.keys.forgetHot();
      throw error;
    }
  }
}

type Applied<T, F> = {
  readonly answer: Mutated<T, F>;
  /** What was changed now, null when nothing was. */
  readonly changed: Concerned | null;
};

/** Failures after which the same request may yet succeed: the Worker mints anew, or the caller's permissions change. */
const NOT_KEPT: ReadonlySet<unknown> = new Set([
  'prefix_mismatch',
  'would_widen',
  'outlives_caller',
  'not_for_confined',
] satisfies (Failure | PrefixMismatch)['code'][]);

function failureCodeOf(answer: Result<unknown, unknown>): unknown {
  if (answer.ok) return null;
  const { failure } = answer;
  return typeof failure === 'object' && failure !== null && 'code' in failure ? failure.code : null;
}
