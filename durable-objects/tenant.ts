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
import { sameBytes } from './bytes.ts';
import type { CleanupReport } from './cleanup.ts';
import type { SealedItem } from './keys/envelopes.ts';
import {
  type KeyListQuery,
  type ListedKey,
  type ListedKeysJson,
  listKeys,
  listKeysByOffset,
  type OffsetQuery,
  type OffsetStep,
  toListedJson,
} from './keys/list.ts';
import type { NewKey, Revealed, RotatedPair, RotationRequest } from './keys/mutations.ts';
import * as keyMutations from './keys/mutations.ts';
import type { KeyView, MintedKey } from './keys/record.ts';
import { countByStatus, type StatusCounts } from './keys/status-counts.ts';
import type { KeyPatch } from './keys/transitions.ts';
import { type DecisionCode, decide, mayLease, type Warning } from './keys/verification.ts';
import type { Operation } from './operation.ts';
import { type Failure, type Mutated, ok, type PrefixMismatch, type Result } from './outcome.ts';
import type { RotationState, RotationView } from './rotations/table.ts';
import { type Later, TenantState } from './state.ts';
import type { Page } from './storage/paging.ts';
import type { Dependents, ResealBatch, ResealProgress } from './tenants/mutations.ts';
import * as tenantMutations from './tenants/mutations.ts';
import { newTenant, type TenantPatch, type TenantRecord, type TenantSettings } from './tenants/record.ts';

export type VerifyAnswer =
  | { readonly code: 'NOT_FOUND' }
  | {
      readonly code: DecisionCode;
      readonly tenantId: string;
      /** JSON text of a `VerifiedKey`. */
      readonly keyJson: string;
      readonly warnings: readonly Warning[];
      /** How long the record is sure not to change (ms), 0 for no promise. */
      readonly leaseMs: number;
    };

export type CleanupOverview = { readonly reports: readonly CleanupReport[]; readonly nextAlarmAt: number | null };

/** How long the alarm waits after a pass that threw, so that work is never dropped and a bug does not spin. */
const ALARM_RETRY_MS = 30_000;

export class Tenant extends DurableObject<ObjectBindings> {
  readonly #state: TenantState;

  constructor(ctx: DurableObjectState, env: ObjectBindings) {
    super(ctx, env);
    this.#state = new TenantState(ctx.storage);
  }

  // ---- the tenant ----

  /** Creates the tenant. The same incarnation again is the same creation repeated. */
  create(
    id: string,
    incarnation: string,
    input: { readonly name: string; readonly settings: Partial<TenantSettings> },
    operation: Operation,
  ): Mutated<TenantRecord> {
    return this.#state.create(newTenant(id, incarnation, input, Date.now()), operation);
  }

  describe(tenantId: string): Result<TenantRecord> {
    return this.#state.read(tenantId, (tenant) => ok(tenant));
  }

  async update(tenantId: string, patch: TenantPatch, operation: Operation): Promise<Mutated<TenantRecord>> {
    const updated = await this.#state.mutate(tenantId, operation, tenantMutations.tenantUpdate(patch));
    if (updated.ok) this.#state.settleLeases(updated.value);
    return updated;
  }

  /** Deletes all that this object holds, if it holds this incarnation. Idempotent. */
  async destroy(incarnation: string): Promise<void> {
    await this.#state.destroy(incarnation);
  }

  // ---- keys ----

  /** Stores keys that the Worker minted: all, or none. */
  createKeys(
    tenantId: string,
    newKeys: readonly NewKey[],
    operation: Operation,
  ): Later<Mutated<readonly KeyView[], Failure | PrefixMismatch>> {
    return this.#state.mutate(tenantId, operation, keyMutations.creation(newKeys));
  }

  getKey(tenantId: string, keyId: string): Result<KeyView> {
    return this.#state.read(tenantId, (_tenant, now) => this.#state.store.viewKey(keyId, now));
  }

  listKeys(
    tenantId: string,
    query: KeyListQuery,
  ): Result<{ readonly keys: ListedKeysJson; readonly next: number | null }> {
    return this.#state.read(tenantId, (_tenant, now) => {
      const { items, next } = listKeys(this.#state.store.keys, query, now);
      return ok({ keys: this.#listed(items, now), next });
    });
  }

  /** One step of a page by offset; the caller goes on where it stopped. */
  listKeysByOffset(
    tenantId: string,
    query: OffsetQuery,
  ): Result<Omit<OffsetStep, 'items'> & { readonly keys: ListedKeysJson }> {
    return this.#state.read(tenantId, (_tenant, now) => {
      const { items, ...step } = listKeysByOffset(this.#state.store.keys, query, now);
      return ok({ ...step, keys: this.#listed(items, now) });
    });
  }

  countKeys(tenantId: string): Result<StatusCounts> {
    return this.#state.read(tenantId, (_tenant, now) => ok(countByStatus(this.#state.store.keys, now)));
  }

  updateKey(tenantId: string, keyId: string, patch: KeyPatch, operation: Operation): Later<Mutated<KeyView>> {
    return this.#state.mutate(tenantId, operation, keyMutations.update(keyId, patch));
  }

  revokeKey(
    tenantId: string,
    keyId: string,
    input: { readonly reason: string | null; readonly lineage: boolean },
    operation: Operation,
  ): Later<Mutated<KeyView>> {
    return this.#state.mutate(tenantId, operation, keyMutations.revocation(keyId, input));
  }

  /** Revokes the keys with these ids, or all of an owner's: all, or none. */
  revokeKeys(
    tenantId: string,
    target: { readonly ids: readonly string[] } | { readonly owner: string },
    operation: Operation,
  ): Later<Mutated<{ readonly revoked: number }>> {
    const mutation =
      'ids' in target ? keyMutations.revocationOf(target.ids) : keyMutations.revocationOfOwner(target.owner);
    return this.#state.mutate(tenantId, operation, mutation);
  }

  /** Forgets the record; the audit trail stays. */
  deleteKey(tenantId: string, keyId: string, operation: Operation): Later<Mutated<null>> {
    return this.#state.mutate(tenantId, operation, keyMutations.deletion(keyId));
  }

  /** Hands out the envelope of a key whose tenant allows it, null otherwise. Recorded either way. */
  revealKey(tenantId: string, keyId: string, operation: Operation): Later<Mutated<Revealed | null>> {
    return this.#state.mutate(tenantId, operation, keyMutations.disclosure(keyId));
  }

  /**
   * Decides about a key string that the Worker found well-formed and signed. `digest` is what the Worker computed from it: a record with
   * this id but another digest belongs to another key string.
   */
  verifyKey(keyId: string, digest: Uint8Array, wantedScopes: readonly string[]): VerifyAnswer {
    const { tenant, store, leases } = this.#state;
    if (tenant === null) return { code: 'NOT_FOUND' };
    const hot = store.keys.getHot(keyId);
    if (hot === undefined || !sameBytes(hot.record.digest, digest)) return { code: 'NOT_FOUND' };
    const now = Date.now();
    const { code, warnings } = decide(tenant.status, hot.record, wantedScopes, now);
    if (code === 'VALID' && store.noteUse(hot.record, now)) this.#state.arm();
    const leaseMs = mayLease(code) ? tenant.settings.leaseSeconds * 1000 : 0;
    if (leaseMs > 0) leases.grant(keyId, leaseMs, now);
    return { code, tenantId: tenant.id, keyJson: hot.verifiedJson, warnings, leaseMs };
  }

  /** Notes that a key was verified under a lease. */
  noteLeasedUse(keyId: string): void {
    const { tenant, store } = this.#state;
    const record = tenant && store.keys.get(keyId);
    if (record && store.noteUse(record, Date.now())) this.#state.arm();
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
    return this.#state.mutate(tenantId, operation, keyMutations.rotation(keyId, minted, request, operation.actor));
  }

  completeRotation(tenantId: string, keyId: string, operation: Operation): Later<Mutated<KeyView>> {
    return this.#state.mutate(tenantId, operation, keyMutations.rotationCompletion(keyId));
  }

  cancelRotation(tenantId: string, keyId: string, operation: Operation): Later<Mutated<KeyView>> {
    return this.#state.mutate(tenantId, operation, keyMutations.rotationCancellation(keyId));
  }

  listRotations(
    tenantId: string,
    query: { readonly state?: RotationState; readonly limit: number; readonly after: number | null },
  ): Result<Page<RotationView>> {
    const { rotations, lastUsed } = this.#state.store;
    const get = (id: string) => this.#state.store.getKey(id);
    return this.#state.read(tenantId, (_tenant, now) =>
      ok(rotations.list(query, get, (id) => lastUsed.firstUseOf(id), now)),
    );
  }

  // ---- audit, encryption, cleanup ----

  listAudit(tenantId: string, query: AuditQuery): Result<Page<AuditEntry>> {
    return this.#state.read(tenantId, () => ok(this.#state.store.audit.list(query)));
  }

  /** How much depends on each keyring entry. */
  countDependents(tenantId: string): Result<Dependents> {
    return this.#state.read(tenantId, () => ok(tenantMutations.dependents(this.#state.store)));
  }

  /** The next batch of what is not sealed with this keyring entry, for the Worker to seal anew. */
  takeForReseal(
    tenantId: string,
    currentId: number,
    limit: number,
  ): Result<{ readonly items: readonly SealedItem[]; readonly walkedTo: number; readonly remaining: number }> {
    return this.#state.read(tenantId, () => {
      const { items, walkedTo } = this.#state.store.envelopes.sealedOtherwise(currentId, limit);
      const answers = this.#state.store.keptAnswers
        .sealedOtherwise(currentId, limit - items.length)
        .map((item) => ({ kind: 'answer' as const, ...item }));
      const remaining = tenantMutations.sealedOtherwise(this.#state.store, currentId);
      return ok({ items: [...items, ...answers], walkedTo, remaining });
    });
  }

  /** Takes over a batch that was sealed anew, each item only if it is still what was taken. */
  reseal(tenantId: string, batch: ResealBatch, operation: Operation): Later<Mutated<ResealProgress>> {
    return this.#state.mutate(tenantId, operation, tenantMutations.resealing(batch));
  }

  /** Runs the pass that the alarm runs, now. */
  runCleanup(tenantId: string, operation: Operation): Later<Mutated<CleanupReport>> {
    return this.#state.mutate(tenantId, operation, tenantMutations.manualCleanup());
  }

  async listCleanups(tenantId: string): Promise<Result<CleanupOverview>> {
    const nextAlarmAt = await this.ctx.storage.getAlarm();
    return this.#state.read(tenantId, () => ok({ reports: this.#state.store.reports.list(), nextAlarmAt }));
  }

  /**
   * Makes stored state catch up with the time, one bounded pass per alarm, and arms the next. The platform gives up on an alarm that
   * throws a few times; this one arms itself again instead, so that nothing due is ever dropped.
   */
  override async alarm(): Promise<void> {
    try {
      this.#state.cleanUp();
    } catch (error) {
      const name = error instanceof Error ? error.name : typeof error;
      const tenantId = this.#state.tenant?.id;
      console.error(JSON.stringify({ level: 'error', event: 'alarm_failed', tenantId, error: name }));
      await this.#state.armFor(Date.now() + ALARM_RETRY_MS);
    }
  }

  #listed(records: readonly ListedKey[], now: number): ListedKeysJson {
    const { lastUsed } = this.#state.store;
    const known = records.map((record) => lastUsed.overlay(record));
    return toListedJson(known, now);
  }
}
