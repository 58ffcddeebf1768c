/**
 * The object of one tenant. It decides about the tenant's keys. The class is a thin list of methods: the rules are pure
 * functions in domain/, state.ts runs them in transactions.
 *
 * A mutation or a read runs synchronously from its first read to its last write, and its writes are one transaction
 * with the audit entries and the alarm. So calls cannot interleave within it. A method may wait before that, and a
 * change waits afterwards until no lease on the old state is left.
 *
 * The object never sees a key string. It receives digests and sealed envelopes.
 */

import { DurableObject } from 'cloudflare:workers';
import { sameBytes } from '../../domain/bytes.ts';
import type { Command } from '../../domain/command.ts';
import type { CreatedKey, ImportedKey, KeyView, ListedKey, MintedKey } from '../../domain/keys/record.ts';
import { type DecisionCode, decide, mayLease, type Warning } from '../../domain/keys/verification.ts';
import type { Renewal } from '../../domain/leases/lease.ts';
import type { BudgetAnswer } from '../../domain/limits/budget.ts';
import type { CallWithBudgets, RenewalWithBudgets } from '../../domain/limits/call-with-budgets.ts';
import { type BalanceChange, creditsOfKey, creditsOfOwner, type NewCredits } from '../../domain/limits/credits.ts';
import type { LimitResult } from '../../domain/limits/decision.ts';
import { type Check, type CheckResult, checkCharge } from '../../domain/limits/identifiers.ts';
import { charges, type Spending } from '../../domain/limits/named-limit.ts';
import type { HolderTurn } from '../../domain/limits/tenant-limits.ts';
import { alarmLags } from '../../domain/metrics/isolate-metrics.ts';
import { type Failure, fail, type Mutated, ok, type PrefixMismatch, type Result } from '../../domain/outcome.ts';
import type { OwnerAttributes, OwnerView } from '../../domain/owners/record.ts';
import type { PlanAttributes, PlanPatch, PlanRecord } from '../../domain/plans/record.ts';
import { SYSTEM_TENANT_ID } from '../../domain/tenants/locator.ts';
import type { TenantUpdateRights } from '../../domain/tenants/operator-rights.ts';
import { newTenant, type TenantPatch, type TenantRecord, type TenantSettings } from '../../domain/tenants/record.ts';
import type { TenantIdentity, TenantRef, TenantTarget } from '../../domain/tenants/target.ts';
import type { AuditEntry, AuditQuery } from '../audit-log.ts';
import { directoryStub, type ObjectBindings } from '../bindings.ts';
import { lagOf } from '../jobs/alarm-clock.ts';
import { logError } from '../log.ts';
import type { Page } from '../sql/paging.ts';
import type { CleanupReport } from './cleanup-reports.ts';
import * as creditMutations from './credits/credit-mutations.ts';
import type { SealedItem } from './keys/envelopes.ts';
import type { HotKey } from './keys/hot-key.ts';
import type {
  KeyChanges,
  NewForeignKey,
  NewKey,
  Revealed,
  RotatedPairJson,
  RotationRequest,
} from './keys/key-mutations.ts';
import * as keyMutations from './keys/key-mutations.ts';
import {
  type KeyListQuery,
  type ListedKeysJson,
  listKeys,
  listKeysByOffset,
  type OffsetQuery,
  type OffsetStep,
  toListedJson,
} from './keys/list.ts';
import { countByStatus, type StatusCounts } from './keys/status-counts.ts';
import type { OwnerChanges } from './owners/owner-mutations.ts';
import * as ownerMutations from './owners/owner-mutations.ts';
import type { OwnerListQuery } from './owners/owner-table.ts';
import * as planMutations from './plans/plan-mutations.ts';
import type { PlanListQuery } from './plans/plan-table.ts';
import type { RotationState, RotationView } from './rotations.ts';
import { type Later, TenantState } from './state.ts';
import type { TenantStore } from './store.ts';
import type { Dependents, ResealBatch, ResealProgress } from './tenant-mutations.ts';
import * as tenantMutations from './tenant-mutations.ts';
import { readUsage, type UsagePage, type UsageQuery } from './usage/usage-query.ts';

/** The result of a verification in the object. */
export type VerifyResult =
  | { readonly code: 'NOT_FOUND' }
  | {
      readonly code: DecisionCode;
      readonly tenant: TenantIdentity;
      /** JSON text of a `VerifiedKey`. */
      readonly keyJson: string;
      readonly warnings: readonly Warning[];
      /** How the limits stand that decided; absent when none was asked. */
      readonly limits?: readonly LimitResult[];
      /** What is left of the credits; absent when the key has none or none were asked. */
      readonly credits?: { readonly remaining: number };
      /** The lease that is granted with this result; null for none. */
      readonly renewal: RenewalWithBudgets | null;
    };

/** A renewal with what becomes of budgets. Without a renewal the holder hears nothing, and tells of them again. */
function withBudgets(renewal: Renewal | null, budgets: BudgetAnswer | null): RenewalWithBudgets | null {
  return renewal === null || budgets === null ? renewal : { ...renewal, budgets };
}

/** Up to so many keys are received and stored in one turn. */
const KEYS_PER_TURN = 50;

export type CleanupOverview = { readonly reports: readonly CleanupReport[]; readonly nextAlarmAt: number | null };

export class Tenant extends DurableObject<ObjectBindings> {
  readonly #state: TenantState;

  constructor(ctx: DurableObjectState, env: ObjectBindings) {
    super(ctx, env);
    this.#state = new TenantState(ctx.storage);
  }

  // ---- the tenant ----

  /** Creates the tenant. A call with the same incarnation is a repetition of the same creation. */
  create(
    ref: TenantRef,
    input: { readonly name: string; readonly settings: Partial<TenantSettings> },
    command: Command,
  ): Promise<Mutated<TenantRecord>> {
    const tenant = newTenant(ref.tenantId, ref.incarnation, input, Date.now());
    // The tenant of the management keys is not listed in the directory and is never deleted.
    const isSystem = ref.tenantId === SYSTEM_TENANT_ID;
    const confirm = async () =>
      isSystem ? { allowed: true, earlierDeletion: false } : directoryStub(this.env).confirm(ref);
    return this.#state.create(tenant, command, confirm);
  }

  /** Settles that an incarnation is given up, unless it exists already: then returns true. Idempotent. */
  cancelCreation(incarnation: string): boolean {
    return this.#state.cancelCreation(incarnation);
  }

  describe(target: TenantTarget): Later<Result<TenantRecord>> {
    return this.#state.read(
      target,
      (tenant) => ok(tenant),
      () => [],
    );
  }

  async update(
    target: TenantTarget,
    patch: TenantPatch,
    rights: TenantUpdateRights,
    command: Command,
  ): Promise<Mutated<TenantRecord>> {
    const updated = await this.#state.mutate(target, command, tenantMutations.tenantUpdate(patch, rights));
    if (updated.ok) this.#state.settleLeases(updated.value);
    return updated;
  }

  /** Deletes everything in this object, if it holds this incarnation. Idempotent. Returns when no lease is left. */
  async destroy(incarnation: string): Promise<void> {
    await this.#state.destroy(incarnation);
  }

  // ---- keys ----

  /** Stores keys that the Worker minted: all, or none. Returns what the caller does not know of them. */
  createKeys(
    target: TenantTarget,
    newKeys: readonly NewKey[],
    command: Command,
  ): Later<Mutated<readonly CreatedKey[], Failure | PrefixMismatch>> {
    const store = () => this.#state.mutate(target, command, keyMutations.creation(newKeys, keyMutations.created));
    // Receiving and storing them take a turn each, so that others are served in between: they are some megabytes at
    // most.
    return newKeys.length > KEYS_PER_TURN ? scheduler.wait(0).then(store) : store();
  }

  /** Stores keys that were issued elsewhere: all, or none. */
  importKeys(
    target: TenantTarget,
    newKeys: readonly NewForeignKey[],
    command: Command,
  ): Later<Mutated<readonly ImportedKey[]>> {
    const store = () => this.#state.mutate(target, command, keyMutations.importation(newKeys));
    return newKeys.length > KEYS_PER_TURN ? scheduler.wait(0).then(store) : store();
  }

  /**
   * Stores one key and returns all of it. For callers whose repeated request may ask for something else, a later
   * default expiry for example, so that they cannot complete the result themselves.
   */
  createWholeKey(
    target: TenantTarget,
    newKey: NewKey,
    command: Command,
  ): Later<Mutated<readonly KeyView[], Failure | PrefixMismatch>> {
    return this.#state.mutate(target, command, keyMutations.creation([newKey], keyMutations.createdView));
  }

  getKey(target: TenantTarget, keyId: string): Later<Result<KeyView>> {
    return this.#state.read(
      target,
      (_tenant, now) => this.#state.store.viewKey(keyId, now),
      () => [keyId],
    );
  }

  listKeys(
    target: TenantTarget,
    query: KeyListQuery,
  ): Later<Result<{ readonly keys: ListedKeysJson; readonly next: number | null }>> {
    return this.#state.read(
      target,
      (_tenant, now) => {
        const { items, next } = listKeys(this.#state.store.keys, query, now);
        return ok({ keys: this.#listed(items, now), next });
      },
      anyKey,
    );
  }

  /** One step of a page by offset. The caller continues where it stopped. */
  listKeysByOffset(
    target: TenantTarget,
    query: OffsetQuery,
  ): Later<Result<Omit<OffsetStep, 'items'> & { readonly keys: ListedKeysJson }>> {
    return this.#state.read(
      target,
      (_tenant, now) => {
        const { items, ...step } = listKeysByOffset(this.#state.store.keys, query, now);
        return ok({ ...step, keys: this.#listed(items, now) });
      },
      anyKey,
    );
  }

  countKeys(target: TenantTarget): Later<Result<StatusCounts>> {
    return this.#state.read(target, (_tenant, now) => ok(countByStatus(this.#state.store.keys, now)), anyKey);
  }

  updateKey(target: TenantTarget, keyId: string, patch: KeyChanges, command: Command): Later<Mutated<KeyView>> {
    return this.#state.mutate(target, command, keyMutations.update(keyId, patch));
  }

  /** Changes the balance of a key, which is that of its whole lineage. */
  changeKeyCredits(
    target: TenantTarget,
    keyId: string,
    change: BalanceChange,
    command: Command,
  ): Later<Mutated<KeyView>> {
    return this.#state.mutate(target, command, creditMutations.keyBalance(keyId, change));
  }

  revokeKey(
    target: TenantTarget,
    keyId: string,
    input: { readonly reason: string | null; readonly lineage: boolean },
    command: Command,
  ): Later<Mutated<KeyView>> {
    return this.#state.mutate(target, command, keyMutations.revocation(keyId, input));
  }

  /** Revokes the keys with these ids, or every key of an owner: all, or none. */
  revokeKeys(
    target: TenantTarget,
    which: { readonly ids: readonly string[] } | { readonly owner: string },
    command: Command,
  ): Later<Mutated<{ readonly revoked: number }>> {
    const mutation =
      'ids' in which ? keyMutations.revocationOf(which.ids) : keyMutations.revocationOfOwner(which.owner);
    return this.#state.mutate(target, command, mutation);
  }

  /** Deletes the record. Its audit entries stay. */
  deleteKey(target: TenantTarget, keyId: string, command: Command): Later<Mutated<null>> {
    return this.#state.mutate(target, command, keyMutations.deletion(keyId));
  }

  /** Returns the envelope of a key if the tenant allows it, null otherwise. The audit log records both. */
  async revealKey(target: TenantTarget, keyId: string, command: Command): Promise<Mutated<Revealed | null>> {
    const decided = this.#state.mutate(target, command, keyMutations.disclosure(keyId));
    // Read in the same turn as the decision, before anything is waited for.
    const record = this.#state.tenant === null ? undefined : this.#state.store.keys.get(keyId);
    const revealed = await decided;
    if (!revealed.ok) return revealed;
    if (!revealed.value || record === undefined || record.envelope === null) return ok(null);
    return ok({ prefix: record.prefix, envelope: record.envelope });
  }

  /**
   * Decides about a key string that the Worker found well-formed and signed. `digest` is what the Worker computed from
   * it; a record with this id but another digest belongs to another key string. Without `wantsLease` the decision about
   * a key without limits needs no write, so it also succeeds when storage takes none. Without `spending` each automatic
   * limit is charged one unit, and so are credits. `spendId` names the verification: a repeated one spends no credits
   * again.
   */
  verifyKey(
    keyId: string,
    digest: Uint8Array,
    wantedScopes: readonly string[],
    call: CallWithBudgets,
    wantsLease: boolean,
    spending?: Spending,
    spendId?: string,
  ): VerifyResult {
    const find = ({ keys }: TenantStore) => {
      const hot = keys.getHot(keyId);
      return hot !== undefined && sameBytes(hot.record.digest, digest) ? hot : undefined;
    };
    return this.#verify(find, wantedScopes, call, wantsLease, spending, spendId);
  }

  /**
   * The same about a key string that was issued elsewhere. `digests` has one for each entry of HMAC_SECRET, since the
   * Worker does not know when the key was imported. `likelyId`: see `getHotImported`.
   */
  verifyForeignKey(
    digests: readonly Uint8Array[],
    likelyId: string | null,
    wantedScopes: readonly string[],
    call: CallWithBudgets,
    wantsLease: boolean,
    spending?: Spending,
    spendId?: string,
  ): VerifyResult {
    const find = ({ keys }: TenantStore) => keys.getHotImported(digests, likelyId);
    return this.#verify(find, wantedScopes, call, wantsLease, spending, spendId);
  }

  #verify(
    find: (store: TenantStore) => HotKey | undefined,
    wantedScopes: readonly string[],
    { known, uses, usage, budgets }: CallWithBudgets,
    wantsLease: boolean,
    spending: Spending | undefined,
    spendId: string | undefined,
  ): VerifyResult {
    const { tenant, store } = this.#state;
    if (tenant === null) return { code: 'NOT_FOUND' };
    const now = Date.now();
    if (uses.length > 0) this.#state.noteUses(uses, now);
    this.#state.takeUsage(usage, now);
    const hot = find(store);
    if (hot === undefined) return { code: 'NOT_FOUND' };
    const keyId = hot.record.id;
    const decided = decide(tenant.status, hot.record, wantedScopes, now);
    const { warnings } = decided;
    const isHeld = mayLease(decided.code, hot.creditHolder !== null);
    const renewal = wantsLease ? this.#state.renewLease(known, isHeld ? keyId : null, now) : null;
    const turn = budgets === undefined || !wantsLease ? null : { call: budgets, leaseMs: renewal?.leaseMs ?? 0 };
    const limited = decided.code === 'VALID' ? this.#spend(hot, spending, spendId, turn, now) : null;
    const code = limited?.refusal ?? decided.code;
    if (code === 'VALID') this.#state.noteUse(hot, now);
    this.#state.countUse(hot, code, spending?.cost ?? 1, now);
    const answered = limited?.budgets ?? (turn && this.#state.renewBudgets(turn, now));
    const { id, incarnation, createdAt } = tenant;
    const result = {
      code,
      tenant: { id, incarnation, createdAt },
      keyJson: hot.verifiedJson,
      warnings,
      renewal: withBudgets(renewal, answered),
    };
    if (limited === null) return result;
    const { limits, credits } = limited;
    return {
      ...result,
      warnings: code === 'VALID' ? warnings : [],
      ...(hot.limits === null ? {} : { limits }),
      ...(credits === null ? {} : { credits: { remaining: credits.remaining } }),
    };
  }

  /**
   * Charges limits and credits of a key that is valid otherwise. What refuses charges nothing. Returns null for a key
   * that has neither.
   */
  #spend(
    { limits, creditHolder: holder }: HotKey,
    spending: Spending | undefined,
    id: string | undefined,
    turn: HolderTurn | null,
    now: number,
  ) {
    if (limits === null && holder === null) return null;
    const charged = limits === null ? [] : spending === undefined ? limits.usual : charges(limits.all, spending);
    if (holder === null) return this.#state.spend(charged, turn, now);
    const spent = this.#state.spendCredits(charged, { holder, cost: spending?.cost ?? 1, id }, now);
    return { ...spent, budgets: null };
  }

  /**
   * Counts a use by an identifier that is no key, by a limit of the tenant. What is counted is written before the
   * answer leaves, unless a row has it written off already.
   */
  checkLimit(target: TenantTarget, check: Check): Later<Result<CheckResult>> {
    return this.#state.read(target, (tenant, now): Result<CheckResult> => {
      if (tenant.status === 'disabled') return ok({ code: 'TENANT_DISABLED' });
      const charge = checkCharge(tenant.limits, check);
      if (charge === null) return fail({ code: 'limit_not_found' });
      const decided = this.#state.check(charge, now);
      if (decided === null) return fail({ code: 'identifiers_full' });
      const [limit] = decided.limits;
      const { refusal } = decided;
      if (limit === undefined || refusal === 'INSUFFICIENT_CREDITS') throw new Error('another check was decided');
      return ok({ code: refusal ?? 'VALID', limit });
    });
  }

  /** Takes what a holder reports of uses and budgets, and renews its lease. Null when no lease is granted. */
  renewLease({ known, uses, usage, budgets }: CallWithBudgets): RenewalWithBudgets | null {
    const now = Date.now();
    this.#state.noteUses(uses, now);
    this.#state.takeUsage(usage, now);
    const renewal = this.#state.renewLease(known, null, now);
    if (budgets === undefined) return renewal;
    return withBudgets(renewal, this.#state.renewBudgets({ call: budgets, leaseMs: renewal?.leaseMs ?? 0 }, now));
  }

  // ---- rotation ----

  /** Rotates an active key to the minted successor: both records are written, or none. */
  rotateKey(
    target: TenantTarget,
    keyId: string,
    minted: MintedKey,
    request: RotationRequest,
    command: Command,
  ): Later<Mutated<RotatedPairJson, Failure | PrefixMismatch>> {
    return this.#state.mutate(target, command, keyMutations.rotation(keyId, minted, request));
  }

  completeRotation(target: TenantTarget, keyId: string, command: Command): Later<Mutated<KeyView>> {
    return this.#state.mutate(target, command, keyMutations.rotationCompletion(keyId));
  }

  cancelRotation(target: TenantTarget, keyId: string, command: Command): Later<Mutated<KeyView>> {
    return this.#state.mutate(target, command, keyMutations.rotationCancellation(keyId));
  }

  listRotations(
    target: TenantTarget,
    query: { readonly state?: RotationState; readonly limit: number; readonly after: number | null },
  ): Later<Result<Page<RotationView>>> {
    const { store } = this.#state;
    return this.#state.read(
      target,
      (_tenant, now) =>
        ok(
          store.rotations.list(
            query,
            (id) => store.getKey(id),
            (id) => store.firstUseOf(id),
            now,
          ),
        ),
      anyKey,
    );
  }

  // ---- owners ----

  createOwner(
    target: TenantTarget,
    ownerId: string,
    attributes: OwnerAttributes,
    credits: NewCredits | null,
    command: Command,
  ): Later<Mutated<OwnerView>> {
    return this.#state.mutate(target, command, ownerMutations.ownerCreation(ownerId, attributes, credits));
  }

  getOwner(target: TenantTarget, ownerId: string): Later<Result<OwnerView>> {
    const { store } = this.#state;
    return this.#state.read(
      target,
      (_tenant, now) => {
        const record = store.owners.get(ownerId);
        return record === undefined ? fail({ code: 'owner_not_found' }) : ok(store.viewOwner(record, now));
      },
      anyKey,
    );
  }

  /** Fails with `owners_not_filled` rather than leave out owners whose records an upgrade has yet to make. */
  listOwners(target: TenantTarget, query: OwnerListQuery): Later<Result<Page<OwnerView>>> {
    const { store } = this.#state;
    return this.#state.read(
      target,
      (_tenant, now) => {
        if (!store.owners.isFilled) return fail({ code: 'owners_not_filled' });
        const { items, next } = store.owners.list(query);
        const holders = items.map(({ id }) => creditsOfOwner(id));
        const creditsOf = store.creditsOfMany(holders, now);
        return ok({ items: items.map((owner) => ({ ...owner, credits: creditsOf(creditsOfOwner(owner.id)) })), next });
      },
      anyKey,
    );
  }

  /** Changes an owner. With `enabled: false` none of its keys is valid when this has returned. */
  updateOwner(target: TenantTarget, ownerId: string, patch: OwnerChanges, command: Command): Later<Mutated<OwnerView>> {
    return this.#state.mutate(target, command, ownerMutations.ownerUpdate(ownerId, patch));
  }

  changeOwnerCredits(
    target: TenantTarget,
    ownerId: string,
    change: BalanceChange,
    command: Command,
  ): Later<Mutated<OwnerView>> {
    return this.#state.mutate(target, command, creditMutations.ownerBalance(ownerId, change));
  }

  /** Deletes an owner none of whose keys lives. */
  deleteOwner(target: TenantTarget, ownerId: string, command: Command): Later<Mutated<null>> {
    return this.#state.mutate(target, command, ownerMutations.ownerDeletion(ownerId));
  }

  // ---- plans ----

  createPlan(
    target: TenantTarget,
    planId: string,
    attributes: PlanAttributes,
    command: Command,
  ): Later<Mutated<PlanRecord>> {
    return this.#state.mutate(target, command, planMutations.planCreation(planId, attributes));
  }

  getPlan(target: TenantTarget, planId: string): Later<Result<PlanRecord>> {
    return this.#state.read(
      target,
      () => {
        const record = this.#state.store.plans.get(planId);
        return record === undefined ? fail({ code: 'plan_not_found' }) : ok(record);
      },
      ofPlans,
    );
  }

  listPlans(target: TenantTarget, query: PlanListQuery): Later<Result<Page<PlanRecord>>> {
    return this.#state.read(target, () => ok(this.#state.store.plans.list(query)), ofPlans);
  }

  /** Changes a plan. When this has returned, the change counts for all keys of the plan. */
  updatePlan(target: TenantTarget, planId: string, patch: PlanPatch, command: Command): Later<Mutated<PlanRecord>> {
    return this.#state.mutate(target, command, planMutations.planUpdate(planId, patch));
  }

  /** Deletes a plan that no key and no owner has. */
  deletePlan(target: TenantTarget, planId: string, command: Command): Later<Mutated<null>> {
    return this.#state.mutate(target, command, planMutations.planDeletion(planId));
  }

  // ---- usage ----

  /** One step of a page of usage. The caller continues where it stopped. It tells of counts that were written. */
  readUsage(target: TenantTarget, query: UsageQuery): Later<Result<UsagePage>> {
    return this.#state.read(target, ({ settings }, now) => ok(readUsage(this.#state.store.sql, query, settings, now)));
  }

  // ---- audit, encryption, cleanup ----

  /** A page of the audit log. It shows a change as soon as it is committed, before the change has returned. */
  listAudit(target: TenantTarget, query: AuditQuery): Later<Result<Page<AuditEntry>>> {
    return this.#state.read(target, () => ok(this.#state.store.listAudit(query)));
  }

  /** How much depends on each keyring entry. */
  countDependents(target: TenantTarget): Later<Result<Dependents>> {
    return this.#state.read(target, () => ok(tenantMutations.dependents(this.#state.store)));
  }

  /** The next batch of envelopes that are sealed with another keyring entry, for the Worker to seal anew. */
  takeForReseal(
    target: TenantTarget,
    currentId: number,
    limit: number,
  ): Later<Result<{ readonly items: readonly SealedItem[]; readonly walkedTo: number; readonly remaining: number }>> {
    return this.#state.read(target, () => {
      const { items, walkedTo } = this.#state.store.envelopes.sealedOtherwise(currentId, limit);
      const results = this.#state.store.idempotency
        .sealedOtherwise(currentId, limit - items.length)
        .map((item) => ({ kind: 'answer' as const, ...item }));
      const remaining = tenantMutations.sealedOtherwise(this.#state.store, currentId);
      return ok({ items: [...items, ...results], walkedTo, remaining });
    });
  }

  /** Stores a batch that was sealed anew, each item only if it is still what was taken. */
  reseal(target: TenantTarget, batch: ResealBatch, command: Command): Later<Mutated<ResealProgress>> {
    return this.#state.mutate(target, command, tenantMutations.resealing(batch));
  }

  /** Runs a cleanup pass now, the same that the alarm runs. */
  runCleanup(target: TenantTarget, command: Command): Later<Mutated<CleanupReport>> {
    return this.#state.mutate(target, command, tenantMutations.manualCleanup());
  }

  async listCleanups(target: TenantTarget): Promise<Result<CleanupOverview>> {
    const nextAlarmAt = await this.ctx.storage.getAlarm();
    return this.#state.read(target, () => ok({ reports: this.#state.store.reports.list(), nextAlarmAt }));
  }

  /**
   * Writes what time has changed, in a few bounded passes, and sets the next alarm. The platform gives up on an alarm
   * that throws a few times, so after an error this one sets itself again: nothing that is due is dropped.
   */
  override async alarm(info?: AlarmInvocationInfo): Promise<void> {
    alarmLags.at('tenant').observe(lagOf(info, Date.now()));
    try {
      await this.#state.runAlarm();
    } catch (error) {
      const tenant = this.#state.tenant?.id;
      logError('alarm_failed', error, { object: 'tenant', ...(tenant === undefined ? {} : { tenant }) });
      this.#state.armAfterFailure();
    }
  }

  #listed(records: readonly ListedKey[], now: number): ListedKeysJson {
    const { store } = this.#state;
    const known = records.map((record) => store.lastUsed.overlay(record));
    return toListedJson(known, store.creditsOfMany(records.map(creditsOfKey), now), now);
  }
}

/**
 * A list depends on every key of the tenant, also on those that it does not contain. What is told of an owner depends
 * on those that it has lost just now, too.
 */
const anyKey = () => 'everything' as const;

/** Changes of plans concern everything, and all that is told waits for those. */
const ofPlans = () => [];
