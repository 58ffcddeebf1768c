/**
 * The state of a tenant's object and how it changes: reads and mutations, uses and leases, the creation and deletion of
 * the tenant, and the alarm. Each mutation is one transaction. Memory follows only what was committed. A change returns
 * when no lease on the old state is left.
 */

import type { Command } from '../../domain/command.ts';
import { LeaseGranter } from '../../domain/leases/granter.ts';
import {
  type Concerned,
  type Known,
  LEASE_SECONDS_MAX,
  type Renewal,
  type ReportedUse,
} from '../../domain/leases/lease.ts';
import { TenantLeases } from '../../domain/leases/tenant-leases.ts';
import type { BudgetAnswer } from '../../domain/limits/budget.ts';
import { addSpend, remainingAfter } from '../../domain/limits/recent-spends.ts';
import type { HolderTurn, LimitCharge, LimitDecision, TenantLimits } from '../../domain/limits/tenant-limits.ts';
import { flushes, largestTenants, leaseWaits } from '../../domain/metrics/isolate-metrics.ts';
import { type Failure, fail, type Mutated, ok, type Result } from '../../domain/outcome.ts';
import { type Confirm, NOT_CONFIRMED } from '../../domain/tenants/lifecycle.ts';
import type { TenantRecord } from '../../domain/tenants/record.ts';
import { isMeant, type TenantTarget } from '../../domain/tenants/target.ts';
import type { UsageReport } from '../../domain/usage/reports.ts';
import type { UsageCode } from '../../domain/usage/tally.ts';
import { KEPT_FOR_MS } from '../idempotency-store.ts';
import { AlarmClock, earliest } from '../jobs/alarm-clock.ts';
import { logError, logEvent } from '../log.ts';
import { databaseVersion, migrate } from '../sql/migrate.ts';
import { cleanUp } from './cleanup.ts';
import type { HotKey } from './keys/hot-key.ts';
import { FLUSH_AFTER_MS } from './keys/last-used.ts';
import { TENANT_MIGRATIONS } from './migrations.ts';
import type { Mutation, MutationContext } from './mutation.ts';
import { keepResult, knownResult } from './repeated-calls.ts';
import { type Spent, TenantStore } from './store.ts';
import { CHECKS_SLACK_MS, firstDueAt, OWNERS_PER_PASS } from './tenant-jobs.ts';
import {
  insertTenant,
  readTenant,
  readTenantAtStart,
  type StoredTenant,
  settleLeases,
  writeLeasesOut,
} from './tenant-row.ts';

/** Passes that one alarm makes. Others are served between them. */
const PASSES_PER_ALARM = 20;
/** How long the alarm waits after a pass that threw, so that no work is dropped and a bug does not spin. */
const ALARM_RETRY_MS = 30_000;

/** Keys whose usage one step writes, each into up to eight rows: some milliseconds of work. */
const USAGE_WRITTEN_AT_ONCE = 40;

/** Rows of counters that one step writes: a few milliseconds of work. */
const COUNTERS_CLOSED_AT_ONCE = 200;
/** Such steps are at least so far apart (ms) unless there is more to do. */
const CLOSE_EVERY_MS = 500;

/**
 * Cloudflare ends an object's database at 10 GB. Above this size only mutations that end something are accepted, so
 * there is always room to revoke, disable and delete, and to trim the audit log.
 */
const GROWS_UP_TO_BYTES = 10_000_000_000 - 200_000_000;
/**
 * Mutations that may add data between two looks at the size, since a look costs as much as two statements. Of the
 * largest, bulk creations of 4 MiB, so many add less than half of the 200 MB.
 */
const GROWS_PER_LOOK = 16;

/** A result: at once, or when the changes that it tells of have returned. */
export type Later<T> = T | Promise<T>;

/** What a verification draws on: whose credits, how many, and the id of the verification if the caller gave one. */
export type CreditSpending = { readonly holder: string; readonly cost: number; readonly id: string | undefined };

const TAKEN = fail({ code: 'tenant_exists' });

export class TenantState {
  store: TenantStore;
  readonly #storage: DurableObjectStorage;
  readonly #alarm: AlarmClock;
  readonly #leases: TenantLeases;
  #tenant: TenantRecord | null = null;
  /** The timer of `#settleSoon` that is running, and when it goes off (ms). */
  #settling: { readonly at: number; readonly timer: ReturnType<typeof setTimeout> } | null = null;
  /** Mutations that may still add data before the size of the database is looked at. */
  #growsLeft = 0;
  /** Whether metrics know how many keys there are. */
  #isSizeKnown = false;
  /** Creations that wait for the directory. `refused` is the result of one that was cancelled meanwhile. */
  readonly #creations = new Set<{ readonly incarnation: string; refused: Result<never> | null }>();

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.store = new TenantStore(storage.sql, Date.now());
    this.#alarm = new AlarmClock(storage, (now) => this.#firstDueAt(now));
    const surroundings = {
      secondsInForce: () => this.#tenant?.leaseSecondsInForce ?? null,
      writeFlag: (areOut: boolean) => writeLeasesOut(storage.sql, areOut),
    };
    this.#leases = new TenantLeases(new LeaseGranter(crypto.randomUUID()), surroundings, Date.now());
    const current = readTenantAtStart(storage.sql, TENANT_MIGRATIONS.length);
    const stored = current ?? this.#bringUpToDate();
    if (stored === null) return;
    this.#tenant = stored.record;
    if (stored.hasGroupRevocations) this.store.keys.groupRevocations.reload();
    if (stored.hasUnfilledOwners) this.store.owners.reload();
    this.store.credits.learn(stored.hasCredits);
    if (current === null && stored.hasUnfilledOwners) this.#beginToFillOwners();
    this.#leases.resume(stored.leasesOut);
    if (stored.leasesOut) this.#settleSoon(FLUSH_AFTER_MS);
  }

  /**
   * The tenant of a database that an earlier version wrote; null when there is none. A database that was never set up
   * stays empty, since a question about an unknown tenant must store nothing.
   */
  #bringUpToDate(): StoredTenant | null {
    const version = databaseVersion(this.#storage.sql);
    if (version === 0) return null;
    migrate(this.#storage, TENANT_MIGRATIONS, version);
    return readTenant(this.#storage.sql);
  }

  /** Makes the records of the first owners of older keys, in most tenants of all. An alarm makes those of the rest. */
  #beginToFillOwners(): void {
    this.#transaction(() => this.store.owners.fill(OWNERS_PER_PASS));
    if (!this.store.owners.isFilled) this.#alarm.armForAll(Date.now());
  }

  /** The tenant's record as it was committed; null while the tenant does not exist. */
  get tenant(): TenantRecord | null {
    return this.#tenant;
  }

  /**
   * Reads something of the tenant that is meant. `about` names the keys whose state the result tells, so that the
   * result waits until changes of these have returned. It gives null for a result that may show a change as soon as it
   * is committed.
   */
  read<T>(
    target: TenantTarget,
    compute: (tenant: TenantRecord, now: number) => Result<T>,
    about: (result: Result<T>) => Concerned | null = () => null,
  ): Later<Result<T>> {
    const now = Date.now();
    if (this.#tenant === null || !isMeant(this.#tenant, target)) return this.#missing(now);
    const result = compute(this.#tenant, now);
    const concerned = about(result);
    return concerned === null ? result : this.#after(this.#leases.beforeTelling(concerned, now), result, 'read');
  }

  /**
   * Runs a mutation: change, audit entries, kept result and alarm in one transaction. The first result is returned
   * again when the command was applied already, and when the same `Idempotency-Key` had a result before. The change is
   * committed at once. The result waits until no isolate holds a lease on the old state, and until changes by others
   * that it tells of have returned.
   */
  mutate<T, F>(target: TenantTarget, command: Command, mutation: Mutation<T, F>): Later<Mutated<T, F | Failure>> {
    const now = Date.now();
    const tenant = this.#tenant;
    if (tenant === null || !isMeant(tenant, target)) return this.#missing(now);
    if (command.grows && !this.#mayGrow()) return fail({ code: 'storage_full' });
    const context = { store: this.store, tenant, now, command };
    const { result, changed, purged } = this.#transaction(() => this.#apply(context, mutation));
    this.#leases.removed(purged);
    return this.#after(this.#leases.beforeResult(changed, mutation.about, now), result, 'change');
  }

  /** Whether a mutation may add data. */
  #mayGrow(): boolean {
    if (this.#growsLeft === 0 && this.#storage.sql.databaseSize <= GROWS_UP_TO_BYTES) this.#growsLeft = GROWS_PER_LOOK;
    if (this.#growsLeft === 0) return false;
    this.#growsLeft -= 1;
    return true;
  }

  #apply<T, F>(context: MutationContext, mutation: Mutation<T, F>): Applied<T, F | Failure> {
    const { store, tenant, now, command } = context;
    const known = knownResult(context, mutation);
    if (known !== null) return { result: known, changed: null, purged: [] };

    const change = mutation.run(context);
    const written = store.keys.takeWritten();
    const isChange = change.ok && change.value.audit.length > 0;
    if (isChange) store.audit.append(command, change.value.audit, now);
    const result: Mutated<T, F> = change.ok ? ok(change.value.value) : change;
    keepResult(context, result, isChange && mutation.again === undefined);
    const updated = (change.ok ? change.value.tenant : undefined) ?? tenant;
    this.#alarm.arm(this.#dueAfter(updated, written, command, now), now);
    if (updated !== tenant) {
      this.#tenant = updated;
      this.#alarm.armForAll(now);
    }
    const { purged } = written;
    if (!change.ok || !isChange) return { result, changed: null, purged };
    return { result, changed: change.value.concerns ?? written.changed, purged };
  }

  /** When the first of what a mutation has written is due (ms); null for never. */
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

  /**
   * Records in memory that a key was used at `now`. Nothing is written yet, so the verification succeeds even when
   * storage takes no writes.
   */
  noteUse(hot: HotKey, now: number): void {
    this.store.lastUsed.note(hot, now);
    if (this.store.lastUsed.any) this.#settleSoon(FLUSH_AFTER_MS);
  }

  /** Records uses that a holder decided itself, as `noteUse` does. */
  noteUses(uses: readonly ReportedUse[], now: number): void {
    if (this.#tenant === null) return;
    for (const { keyId, agoMs } of uses) {
      const hot = this.store.keys.getHot(keyId);
      if (hot === undefined) continue;
      this.noteUse(hot, now - agoMs);
      this.store.keys.demoteHot(keyId);
    }
  }

  /** Counts a verification in memory. `units` is what it cost if it was valid. */
  countUse({ used }: HotKey, code: UsageCode, units: number, now: number): void {
    if (!this.#countsUsage) return;
    this.store.pendingUsage.count(used, code, units, now);
    this.#settleSoon(FLUSH_AFTER_MS);
  }

  /** Counts what a holder has verified itself. */
  takeUsage(report: UsageReport | undefined, now: number): void {
    if (report === undefined || report.incarnation !== this.#tenant?.incarnation || !this.#countsUsage) return;
    this.store.reportedUsage.take(report, this.store.pendingUsage, now);
    this.#settleSoon(FLUSH_AFTER_MS);
  }

  get #countsUsage(): boolean {
    const settings = this.#tenant?.settings;
    if (settings === undefined) return false;
    return settings.usageHourRetentionSeconds > 0 || settings.usageDayRetentionSeconds > 0;
  }

  /**
   * Decides by limits, and answers the holder that asked. What is used is written before the answer leaves, unless a
   * row has it written off already. When storage takes no write, this throws, or the platform keeps the answer back:
   * never more is admitted than is written.
   */
  spend(charges: readonly LimitCharge[], turn: HolderTurn | null, now: number): LimitDecision {
    const { limits } = this.store;
    return this.#counting(limits, () => limits.decide(charges, null, turn, now), now);
  }

  /** Takes what a holder tells of its budgets with a call that charges no limits, and answers it. */
  renewBudgets(turn: HolderTurn, now: number): BudgetAnswer {
    const { limits } = this.store;
    return this.#counting(limits, () => limits.renew(turn, now), now);
  }

  /** Runs a turn of limits. If it throws, what it may have written is not believed. */
  #counting<T>(limits: TenantLimits, run: () => T, now: number): T {
    try {
      const done = run();
      this.#armForCounters(now);
      return done;
    } catch (error) {
      limits.rolledBack();
      this.#alarm.forget();
      throw error;
    } finally {
      if (limits.hasOpen) this.#settleSoon(FLUSH_AFTER_MS);
    }
  }

  /**
   * Decides by limits and credits. What is spent is written before the answer leaves, in one transaction. `id` names
   * the verification: one that was answered before gets the first answer again and spends nothing.
   */
  spendCredits(charges: readonly LimitCharge[], { holder, cost, id }: CreditSpending, now: number): Spent {
    const { limits, credits, recentSpends } = this.store;
    const known = id === undefined ? undefined : recentSpends.find(id);
    if (known !== undefined) return known;
    const stored = credits.read(holder);
    if (stored === null) throw new Error('the credits of a key are not there');
    const spentBefore = id === undefined ? null : remainingAfter(stored.spends, id);
    const run = (): Spent => {
      if (spentBefore !== null) {
        // An earlier instance of this object spent it. How the limits stand is told as of now.
        const asking = charges.map((charge) => ({ ...charge, cost: 0 }));
        const { limits: standings } = limits.decide(asking, null, null, now);
        return { refusal: null, limits: standings, credits: { ...stored.credits, remaining: spentBefore } };
      }
      const decided = limits.decide(charges, { credits: stored.credits, cost }, null, now);
      if (decided.refusal === null && decided.credits !== null && cost > 0) {
        const { remaining } = decided.credits;
        const spends = id === undefined ? stored.spends : addSpend(stored.spends, id, remaining);
        credits.spend(holder, decided.credits, spends);
        if (id !== undefined) recentSpends.remember(id, decided);
      }
      return decided;
    };
    return this.#counting(limits, run, now);
  }

  /** Decides a check of an identifier. Returns null when there is no room to count for it. */
  check(charge: LimitCharge, now: number): LimitDecision | null {
    const { identifiers } = this.store;
    return this.#counting(identifiers.limits, () => identifiers.check(charge, now), now);
  }

  /** Sees that rows of counters are deleted when nothing in them counts any more. */
  #armForCounters(now: number): void {
    const checksEndAt = this.store.checks.takeEnd();
    const endsAt = earliest(this.store.counters.takeEnd(), checksEndAt === null ? null : checksEndAt + CHECKS_SLACK_MS);
    if (endsAt !== null) this.#alarm.arm(endsAt, now);
  }

  /** Grants a holder a lease on the tenant, or null for none (domain/leases). */
  renewLease(known: Known | null, keyId: string | null, now: number): Renewal | null {
    const tenant = this.#tenant;
    if (tenant?.status !== 'active') return null;
    const renewal = this.#leases.grant(known, keyId, tenant.settings.leaseSeconds, now);
    if (renewal === null) return null;
    if (keyId !== null) this.store.keys.demoteHot(keyId);
    this.#settleSoon(FLUSH_AFTER_MS);
    return renewal;
  }

  /**
   * Makes sure that what only memory knows is written soon: uses, and that no lease is out any more. A timer does it,
   * since setting one needs no write. `FLUSH_AFTER_MS` is well below the time after which the platform evicts an idle
   * object (about 10 s). A use must not wait for the timer of a lease, which may go off later.
   */
  #settleSoon(ms: number): void {
    const at = Date.now() + ms;
    if (this.#settling !== null) {
      if (this.#settling.at <= at) return;
      clearTimeout(this.#settling.timer);
    }
    const timer = setTimeout(() => {
      this.#settling = null;
      try {
        this.#settle(Date.now());
      } catch (error) {
        logError('settling_failed', error, this.#tenant === null ? {} : { tenant: this.#tenant.id });
        this.#settleSoon(FLUSH_AFTER_MS);
      }
    }, ms);
    this.#settling = { at, timer };
  }

  #settle(now: number): void {
    if (this.#tenant === null) return;
    const { lastUsed, keys, rotations, limitsInUse, identifiersInUse, usage, pendingUsage } = this.store;
    const inUse = [limitsInUse, identifiersInUse].filter((limits) => limits !== null);
    const haveOpen = () => inUse.some((limits) => limits.hasOpen);
    const { settings } = this.#tenant;
    const leases = this.#leases;
    const uses = lastUsed.batch();
    const isOver = leases.isOver(now);
    const counted = pendingUsage.batch(USAGE_WRITTEN_AT_ONCE, now);
    let areMoreUnused = false;
    if (uses.length > 0 || isOver || haveOpen() || counted.length > 0) {
      areMoreUnused = this.#transaction(() => {
        lastUsed.write(uses, keys, rotations);
        const more = inUse.map((limits) => limits.closeUnused(FLUSH_AFTER_MS, COUNTERS_CLOSED_AT_ONCE, now));
        this.#armForCounters(now);
        if (counted.length > 0) this.#alarm.arm(usage.write(counted, settings), now);
        if (isOver) {
          leases.note(false);
          keys.removedDigests.clear();
        }
        return more.some((areMore) => areMore);
      });
      flushes.at().count += 1;
      lastUsed.written(uses);
      pendingUsage.written(counted, now);
    }
    this.#logDropped();
    if (!this.#isSizeKnown) this.#noteSize();
    const usageDueIn = pendingUsage.untilDue(now);
    if (usageDueIn !== null) this.#settleSoon(Math.min(usageDueIn, FLUSH_AFTER_MS));
    leases.sweep(now);
    for (const limits of inUse) limits.sweep(now);
    if (lastUsed.any) this.#settleSoon(uses.length === 0 ? FLUSH_AFTER_MS : 0);
    else if (haveOpen()) this.#settleSoon(areMoreUnused ? 0 : untilUnused(inUse, now));
    else if (leases.areOut) this.#settleSoon(Math.max(FLUSH_AFTER_MS, leases.untilOver(now)));
  }

  /** Lets metrics know how many keys there are by their stored statuses. */
  #noteSize(): void {
    if (this.#tenant === null) return;
    largestTenants.note(this.#tenant.id, this.store.keys.counts.byStatus());
    this.#isSizeKnown = true;
  }

  #logDropped(): void {
    const verifications = this.store.pendingUsage.takeDropped();
    if (verifications > 0) logEvent('error', 'usage_not_counted', { tenant: this.#tenant?.id, verifications });
  }

  // ---- creation and deletion of the tenant (domain/tenants/lifecycle.ts) ----

  /**
   * Creates the tenant, if the directory confirms it. A call with the same incarnation is a repetition of the same
   * creation.
   */
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
      return this.store.idempotency.resultOf<TenantRecord>(command, Date.now()) ?? ok(existing);
    }
    if (existing !== null) return TAKEN;
    // Until the leases on an earlier tenant have ended, results about this one wait for them. The stored record says
    // so, since a later instance of this object must wait as well.
    const tenant = waitMs === 0 ? wanted : { ...wanted, leaseSecondsInForce: LEASE_SECONDS_MAX };
    const { createdAt, name, settings } = tenant;
    this.#transaction(() => {
      migrate(this.#storage, TENANT_MIGRATIONS, databaseVersion(this.store.sql));
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

  /**
   * Called by the directory before it gives an incarnation up. Returns whether the incarnation exists; if not, every
   * creation of it that waits for the directory is cancelled.
   */
  cancelCreation(incarnation: string): boolean {
    if (this.#tenant?.incarnation === incarnation) return true;
    this.#refuseCreations(incarnation, TAKEN);
    return false;
  }

  #refuseCreations(incarnation: string, result: Result<never>): void {
    for (const creation of this.#creations) if (creation.incarnation === incarnation) creation.refused = result;
  }

  /**
   * Records that the change which led to this tenant was waited for, so no longer lease than its setting is in force.
   * Does nothing after a later change, which calls this itself.
   */
  settleLeases({ incarnation, version }: TenantRecord): void {
    const tenant = this.#tenant;
    if (tenant?.incarnation !== incarnation || tenant.version !== version) return;
    this.#tenant = settleLeases(this.store.sql, tenant);
  }

  /**
   * Deletes everything, alarm included, if it belongs to this incarnation. Resolves when no lease on any of it is left.
   * Idempotent.
   */
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
    // Memory first: from here on the tenant does not exist for any call.
    this.#tenant = null;
    this.#isSizeKnown = false;
    largestTenants.forget(tenant.id);
    this.store = new TenantStore(this.#storage.sql, now);
    this.#alarm.forget();
    // Both calls in one turn. Otherwise what a creation writes in between would be deleted too.
    try {
      await Promise.all([this.#storage.deleteAlarm(), this.#storage.deleteAll()]);
    } catch (error) {
      // It is still stored, so the next attempt must find it.
      this.#tenant = tenant;
      this.store = store;
      throw error;
    }
    this.#leases.destroyed(incarnation);
    await scheduler.wait(waitMs);
  }

  // ---- the alarm ----

  /**
   * Call this when the alarm has gone off: makes passes until nothing is due, at most `PASSES_PER_ALARM`, and sets the
   * next alarm.
   */
  async runAlarm(): Promise<void> {
    this.#alarm.wentOff();
    for (let pass = 0; pass < PASSES_PER_ALARM; pass++) {
      if (!this.#pass()) break;
      await scheduler.wait(0);
    }
    this.#alarm.armForAll(Date.now());
  }

  /** Makes one pass. Returns whether there is more to do. */
  #pass(): boolean {
    const tenant = this.#tenant;
    if (tenant === null) return false;
    const now = Date.now();
    const { remaining } = this.#transaction(() => cleanUp({ store: this.store, tenant, now }, 'alarm'));
    // No call waits for an alarm: what it writes, time or a group revocation has decided before.
    this.#leases.removed(this.store.keys.takeWritten().purged);
    return remaining > 0;
  }

  /** Sets the next alarm after one that failed, since the platform gives up on an alarm that throws a few times. */
  armAfterFailure(): void {
    this.#alarm.wentOff();
    const now = Date.now();
    this.#alarm.arm(now + ALARM_RETRY_MS, now);
  }

  #firstDueAt(now: number): number | null {
    return this.#tenant === null ? null : firstDueAt({ store: this.store, tenant: this.#tenant, now });
  }

  // ---- shared by all of the above ----

  /** The result that there is no such tenant. It waits until this is true for every isolate. */
  #missing(now: number): Later<{ readonly ok: false; readonly failure: { readonly code: 'tenant_not_found' } }> {
    return this.#after(this.#leases.beforeMissing(now), fail({ code: 'tenant_not_found' }), 'missing');
  }

  #after<T>(waitMs: number, result: T, kind: 'change' | 'read' | 'missing'): Later<T> {
    leaseWaits.at(kind).observe(waitMs / 1000);
    return waitMs === 0 ? result : scheduler.wait(waitMs).then(() => result);
  }

  /** Runs a transaction. When it does not commit, what it changed in memory is undone. */
  #transaction<T>(run: () => T): T {
    const tenant = this.#tenant;
    const { areOut } = this.#leases;
    try {
      let hasOtherSize = false;
      const done = this.#storage.transactionSync(() => {
        const result = run();
        hasOtherSize = this.store.keys.counts.flush();
        return result;
      });
      if (hasOtherSize) this.#noteSize();
      return done;
    } catch (error) {
      this.#tenant = tenant;
      this.#leases.restore(areOut);
      this.#alarm.forget();
      this.store.keys.groupRevocations.reload();
      this.store.owners.reload();
      this.store.credits.learn(null);
      this.store.keys.counts.discard();
      this.store.keys.takeWritten();
      this.store.keys.forgetHot();
      this.store.limitsInUse?.rolledBack();
      this.store.identifiersInUse?.rolledBack();
      this.store.usage.rolledBack();
      throw error;
    }
  }
}

/** When to look again for counters that are not used any more: together for those of one moment. */
function untilUnused(inUse: readonly TenantLimits[], now: number): number {
  const waits = inUse.map((limits) => limits.untilUnused(FLUSH_AFTER_MS, now) ?? FLUSH_AFTER_MS);
  return Math.max(Math.min(...waits), CLOSE_EVERY_MS);
}

type Applied<T, F> = {
  readonly result: Mutated<T, F>;
  /** What was changed now; null when nothing was. */
  readonly changed: Concerned | null;
  /** Keys whose records were deleted long after they had ended. */
  readonly purged: readonly string[];
};
