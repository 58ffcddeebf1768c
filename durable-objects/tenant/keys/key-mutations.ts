/**
 * The mutations of keys. Each says which rule decides (domain/keys/transitions.ts), what it writes, its result, and its
 * audit entries.
 */

import { changesBetween, isoTime } from '../../../domain/keys/changed-attributes.ts';
import type {
  CreatedKey,
  ForeignKeyInput,
  ImportedKey,
  KeyRecord,
  KeyView,
  MintedKey,
  NewAttributes,
  NewRecord,
  StoredKey,
} from '../../../domain/keys/record.ts';
import { hasEnded, statusOf, viewOf } from '../../../domain/keys/status.ts';
import {
  cancelRotation,
  completeRotation,
  createKey,
  importKey,
  type KeyPatch,
  type RotationInput,
  revokeKey,
  rotateKey,
  updateKey,
} from '../../../domain/keys/transitions.ts';
import { type CreditsPatch, creditsOfKey, type NewCredits, newCredits } from '../../../domain/limits/credits.ts';
import { type Failure, fail, ok, type PrefixMismatch, type Result } from '../../../domain/outcome.ts';
import { SYSTEM_TENANT_ID } from '../../../domain/tenants/locator.ts';
import type { TenantRecord } from '../../../domain/tenants/record.ts';
import type { AuditSubject } from '../../audit-log.ts';
import { patchedCredits, shown } from '../credits/patched-credits.ts';
import { type Change, inAcceptedVersion, type Mutation, type MutationContext } from '../mutation.ts';
import type { KeyGroup } from './group-revocations.ts';
import { duplicatesIn } from './imported.ts';
import { toNew } from './rows.ts';

/** A key to store. `prefix` undefined stands for the tenant's own. */
export type NewKey = {
  readonly minted: MintedKey;
  readonly attributes: NewAttributes;
  readonly prefix: string | undefined;
  /** Credits of its own; absent or null for none. */
  readonly credits?: NewCredits | null;
};

/** What the caller of a rotation asks for. Without `gracePeriodSeconds` the tenant's own applies. */
export type RotationRequest = Omit<RotationInput, 'graceMs' | 'newPrefix'> & { readonly gracePeriodSeconds?: number };

export type RotatedPair = { readonly successor: KeyView; readonly predecessor: KeyView };

/** JSON text of a `RotatedPair`: one text costs less to copy out of the object than two objects of two dozen fields. */
export type RotatedPairJson = string;

/**
 * Up to so many keys of a group are revoked in their own rows at once. A larger group is revoked by one row
 * (group-revocations.ts).
 */
export const DIRECT_MAX = 200;

/** Creates keys: all, or none. `toResult` makes the result of each from its record. */
export function creation<T>(
  newKeys: readonly NewKey[],
  toResult: (record: NewRecord, now: number) => T,
): Mutation<readonly T[], Failure | PrefixMismatch> {
  const made = ({ tenant, command }: MutationContext, now: number) =>
    recordsOf(newKeys, ({ minted, attributes }) =>
      createKey(stored(minted, tenant), attributes, command.actor.id, now),
    );
  return {
    about: [],
    run: (context) => {
      const { tenant, now } = context;
      for (const { minted, prefix = tenant.settings.keyPrefix } of newKeys) {
        if (minted.prefix !== prefix) return fail({ code: 'prefix_mismatch', prefix });
      }
      const records = made(context, now);
      if (!records.ok) return records;
      const audit = storeNew(context, 'key.create', records.value, newKeys);
      return audit.ok ? ok({ value: records.value.map((record) => toResult(record, now)), audit: audit.value }) : audit;
    },
    // A new key follows from the request and its time, so its result need not be kept. It can be larger than any other.
    again: (context, at) => {
      const records = made(context, at);
      return records.ok ? ok(records.value.map((record) => toResult(record, at))) : records;
    },
  };
}

/** A key that was issued elsewhere, to store. */
export type NewForeignKey = Pick<NewKey, 'attributes' | 'credits'> & { readonly key: ForeignKeyInput };

/**
 * Stands for the keys of an import in what the change concerns. Nobody holds a record of this name, so the change only
 * waits until no earlier instance of this object can have handed out anything: that one may have removed a key with one
 * of the digests just before it ended.
 */
const OF_IMPORTS: readonly string[] = ['imported keys'];

/** Stores keys that were issued elsewhere: all, or none. Fails with `hash_exists` when the hash of one is there. */
export function importation(newKeys: readonly NewForeignKey[]): Mutation<readonly ImportedKey[]> {
  const made = ({ command }: MutationContext, now: number) =>
    recordsOf(newKeys, ({ key, attributes }) => importKey(key, attributes, command.actor.id, now));
  return {
    about: [],
    run: (context) => {
      const { store, tenant, now } = context;
      if (tenant.id === SYSTEM_TENANT_ID) throw new Error('management keys are not imported');
      const keys = newKeys.map(({ key }) => key);
      const duplicates = duplicatesIn(keys, store.keys.idsOfImported(keys.flatMap(({ digests }) => digests)));
      if (duplicates.length > 0) return fail({ code: 'hash_exists', duplicates });
      const records = made(context, now);
      if (!records.ok) return records;
      const audit = storeNew(context, 'key.import', records.value, newKeys);
      if (!audit.ok) return audit;
      const bringsBack = keys.some(({ digests }) => store.keys.removedDigests.hasAny(digests));
      const concerns = bringsBack ? 'everything' : OF_IMPORTS;
      return ok({ value: records.value.map(imported), audit: audit.value, concerns });
    },
    again: (context, at) => {
      const records = made(context, at);
      return records.ok ? ok(records.value.map(imported)) : records;
    },
  };
}

function imported({ id, createdAt, updatedAt, createdBy }: NewRecord): ImportedKey {
  return { id, createdAt, updatedAt, createdBy };
}

/** The records of keys that are to be stored. A failure says which key it is about. */
function recordsOf<K>(keys: readonly K[], make: (key: K) => Result<NewRecord>): Result<readonly NewRecord[]> {
  const records: NewRecord[] = [];
  for (const [index, key] of keys.entries()) {
    const made = make(key);
    if (!made.ok) return fail({ ...made.failure, index });
    records.push(made.value);
  }
  return ok(records);
}

/** Stores new records with the credits that are wanted for them. Returns their audit entries. */
function storeNew(
  context: MutationContext,
  action: 'key.create' | 'key.import',
  records: readonly NewRecord[],
  wanted: readonly Pick<NewKey, 'credits'>[],
): Result<readonly AuditSubject[]> {
  const { store, now } = context;
  const index = records.findIndex((record) => isUnknownPlan(context, record));
  if (index >= 0) return fail({ code: 'no_such_plan', index });
  ensureOwners(context, records);
  const audit = records.map((record, i): AuditSubject => {
    store.keys.insert(record, now);
    const credits = wanted[i]?.credits ?? null;
    if (credits === null) return { action, keyId: record.id };
    store.credits.write(creditsOfKey(record), newCredits(credits.remaining, credits.refill, now));
    return { action, keyId: record.id, changes: { credits: shown(credits) } };
  });
  return ok(audit);
}

/** The result for callers who know what they asked for. */
export function created({ id, prefix, lastFour, createdAt, createdBy }: NewRecord): CreatedKey {
  return { id, prefix, lastFour, createdAt, createdBy };
}

/** The result with all of a new key, for keys that have no credits. */
export function createdView(record: NewRecord, now: number): KeyView {
  return viewOf({ ...record, scopes: JSON.parse(record.scopes) }, null, now);
}

/** What a caller changes of a key. */
export type KeyChanges = KeyPatch & { readonly credits?: CreditsPatch | null };

/**
 * Changes attributes of a key, and the credits of its lineage. Writes nothing when none differs. Fails with
 * `no_credits` when credits are to be changed that it does not have.
 */
export function update(keyId: string, { credits: wanted, ...patch }: KeyChanges): Mutation<KeyView> {
  return onKey(keyId, (context, record) => {
    const { store, now } = context;
    const updated = updateKey(record, patch, now);
    if (!updated.ok) return updated;
    if (updated.value.plan !== record.plan && isUnknownPlan(context, updated.value))
      return fail({ code: 'no_such_plan' });
    const patched = patchedCredits(context, creditsOfKey(record), wanted);
    if (!patched.ok) return patched;
    const credits = patched.value;
    const changes = { ...changesBetween(record, updated.value), ...credits.changes };
    if (Object.keys(changes).length === 0) return ok({ record, audit: [] });
    // An expired key that lives again may have an owner that was deleted meanwhile.
    const lives = !hasEnded(statusOf(updated.value, now));
    if (lives || updated.value.owner !== record.owner) ensureOwners(context, [updated.value]);
    if (changesLimits(record, updated.value)) recallBudgets(context, keyId);
    store.keys.updateAttributes(record, updated.value, now);
    credits.write();
    // The other keys of the lineage draw on the same credits.
    const isShared = credits.comesOrGoes && record.lineage !== null;
    const concerns = isShared ? store.keys.lineageChanged(record.lineage, DIRECT_MAX) : null;
    const audit = [{ action: 'key.update' as const, keyId, changes }];
    return ok({ record: updated.value, audit, ...(concerns === null ? {} : { concerns }) });
  });
}

function changesLimits(before: KeyRecord, after: KeyRecord): boolean {
  const { rateLimits, quotas, plan, owner } = before;
  return after.rateLimits !== rateLimits || after.quotas !== quotas || after.plan !== plan || after.owner !== owner;
}

/** Takes back what holders have of the limits of a key, as they are before the change. */
function recallBudgets({ store }: MutationContext, keyId: string): void {
  const limits = store.limitsInUse === null ? null : (store.keys.getHot(keyId)?.limits ?? null);
  if (limits !== null) store.limitsInUse?.changed(limits.all.map(({ counter }) => counter));
}

/**
 * Revokes a key. With `lineage`, also every key that it replaced or was replaced by, directly or further along the
 * chain. Keys that are revoked already stay as they are.
 */
export function revocation(
  keyId: string,
  { reason, lineage }: { readonly reason: string | null; readonly lineage: boolean },
): Mutation<KeyView> {
  const why = reason === null ? {} : { reason };
  const change: KeyChange = (context, record) => {
    const { store, now, command } = context;
    if (lineage && record.lineage !== null) {
      const changes = { ...why, lineage: record.lineage };
      const { revoked, ...group } = revokeGroup(context, { kind: 'lineage', value: record.lineage }, changes);
      // A large lineage gets one entry now, for this key. The alarm writes the entries of the others.
      const audit = revoked === 0 ? [] : (group.audit ?? [{ action: 'key.revoke', keyId, changes }]);
      return ok({ ...group, record: store.keys.get(keyId) ?? record, audit });
    }
    const revoked = revokeKey(record, now, command.actor.id);
    if (revoked === record) return ok({ record, audit: [] });
    store.keys.update(revoked, now);
    return ok({ record: revoked, audit: [{ action: 'key.revoke', keyId, changes: why }] });
  };
  // The result about a lineage tells of keys that it does not name.
  return lineage ? { ...onKey(keyId, change), about: 'everything' } : onKey(keyId, change);
}

/**
 * Revokes these keys: all, or none. Fails with `keys_not_found` when one does not exist. Returns how many were not
 * revoked before.
 */
export function revocationOf(keyIds: readonly string[]): Mutation<{ readonly revoked: number }> {
  const ids = [...new Set(keyIds)];
  return {
    about: ids,
    run: ({ store, now, command }) => {
      const found = new Map(store.keys.revocable(ids).map((key) => [key.id, key]));
      const missing = ids.filter((id) => !found.has(id));
      if (missing.length > 0) return fail({ code: 'keys_not_found', ids: missing });
      const targets = [...found.values()].filter(({ revokedAt }) => revokedAt === null);
      store.keys.revokeAll(targets, now, command.actor.id);
      return ok({
        value: { revoked: targets.length },
        audit: targets.map(({ id }) => ({ action: 'key.revoke', keyId: id })),
      });
    },
  };
}

/**
 * Revokes every key of an owner, in one step of bounded cost. Writes one audit entry that names the owner, and one for
 * each key.
 */
export function revocationOfOwner(owner: string): Mutation<{ readonly revoked: number }> {
  return {
    about: 'everything',
    run: (context) => {
      const { revoked, audit, ...rest } = revokeGroup(context, { kind: 'owner', value: owner }, { owner });
      const whole: AuditSubject = { action: 'key.revoke_owner', changes: { owner, revoked } };
      return ok({ ...rest, value: { revoked }, audit: revoked === 0 ? [] : [whole, ...(audit ?? [])] });
    },
  };
}

/**
 * Revokes the keys of a group that are not revoked yet. Returns how many, and an audit entry for each; `audit` is null
 * when the group is large, so that the alarm writes rows and entries.
 */
function revokeGroup(
  { store, now, command }: MutationContext,
  group: KeyGroup,
  changes: Readonly<Record<string, unknown>>,
): { readonly revoked: number; readonly audit: readonly AuditSubject[] | null; readonly concerns?: 'everything' } {
  const by = command.actor.id;
  const living = store.keys.livingOf(group, DIRECT_MAX + 1);
  if (living.length <= DIRECT_MAX) {
    store.keys.revokeAll(living, now, by);
    return { revoked: living.length, audit: living.map(({ id }) => ({ action: 'key.revoke', keyId: id, changes })) };
  }
  const revoked = store.keys.countLivingOf(group);
  store.keys.revokeGroup(group, by, command.id, now);
  return { revoked, audit: null, concerns: 'everything' };
}

/** Deletes a key with its rotation and its unwritten use. Its audit entries stay. */
export function deletion(keyId: string): Mutation<null> {
  return {
    about: [keyId],
    run: (context) => {
      const found = keyFor(context, keyId);
      if (!found.ok) return found;
      const { store } = context;
      store.keys.remove(found.value);
      store.rotations.forget(found.value);
      store.lastUsed.forget(found.value.seq);
      store.forgetCredits(found.value);
      return ok({ value: null, audit: [{ action: 'key.delete', keyId, changes: { name: found.value.name } }] });
    },
  };
}

/** Rotates a key to the minted successor, and records the rotation. */
export function rotation(
  keyId: string,
  minted: MintedKey,
  { gracePeriodSeconds, overrides, rights }: RotationRequest,
): Mutation<RotatedPairJson, Failure | PrefixMismatch> {
  return {
    about: [keyId],
    run: (context) => {
      const { store, tenant, now, command } = context;
      const found = keyFor(context, keyId);
      if (!found.ok) return found;
      const graceMs = (gracePeriodSeconds ?? tenant.settings.gracePeriodSeconds) * 1000;
      const input = { graceMs, overrides, rights, newPrefix: tenant.settings.keyPrefix };
      const rotated = rotateKey(found.value, stored(minted, tenant), input, command.actor.id, now);
      if (!rotated.ok) return rotated;
      const { predecessor, successor } = rotated.value;
      if (successor.plan !== predecessor.plan && isUnknownPlan(context, successor)) {
        return fail({ code: 'no_such_plan' });
      }
      if (successor.owner !== predecessor.owner) ensureOwners(context, [successor]);
      store.keys.update(predecessor, now);
      store.keys.insert(toNew(successor), now);
      const { graceEndsAt } = predecessor;
      const by = command.actor;
      store.rotations.insert({ predecessor: keyId, successor: successor.id, rotatedAt: now, graceEndsAt, by });
      const otherwise = changesBetween(found.value, successor);
      const changes = { replacedBy: successor.id, graceEndsAt: isoTime(graceEndsAt), ...otherwise };
      const shownPredecessor = store.viewOf(predecessor, now);
      const shownSuccessor = viewOf(successor, shownPredecessor.credits, now);
      const pair: RotatedPair = { successor: shownSuccessor, predecessor: shownPredecessor };
      return ok({
        value: JSON.stringify(pair),
        audit: [{ action: 'key.rotate', keyId, successorId: successor.id, changes }],
      });
    },
  };
}

/** Ends the grace of a predecessor now. */
export function rotationCompletion(keyId: string): Mutation<KeyView> {
  return onKey(keyId, ({ store, now }, record) => {
    const completed = completeRotation(record, now);
    if (!completed.ok) return completed;
    if (completed.value === record) return ok({ record, audit: [] });
    store.keys.update(completed.value, now);
    return ok({
      record: completed.value,
      audit: [{ action: 'key.rotation_complete', keyId, ...successorOf(record) }],
    });
  });
}

/** Takes a rotation back while the predecessor is in grace; revokes the successor. */
export function rotationCancellation(keyId: string): Mutation<KeyView> {
  return onKey(keyId, ({ store, now, command }, record) => {
    const successor = record.replacedBy === null ? undefined : store.keys.get(record.replacedBy);
    const cancelled = cancelRotation(record, successor, command.actor.id, now);
    if (!cancelled.ok) return cancelled;
    const { predecessor } = cancelled.value;
    store.keys.update(predecessor, now);
    if (cancelled.value.successor !== undefined) store.keys.update(cancelled.value.successor, now);
    if (record.replacedBy !== null) store.rotations.cancel(record.replacedBy, now);
    return ok({ record: predecessor, audit: [{ action: 'key.rotation_cancel', keyId, ...successorOf(record) }] });
  });
}

/** What the Worker needs to open an envelope and to write out the key string. */
export type Revealed = { readonly prefix: string; readonly envelope: Uint8Array };

/**
 * Whether the envelope may be handed out: the tenant allows it and there is one. The audit log records both. The
 * envelope is no part of the result, since a result is kept for a repeated call: a kept envelope would outlive the key,
 * survive a change to `storage: digest`, and not be resealed.
 */
export function disclosure(keyId: string): Mutation<boolean> {
  return {
    about: [keyId],
    run: (context) => {
      const found = keyFor(context, keyId);
      if (!found.ok) return found;
      const { allowReveal, storage } = context.tenant.settings;
      const isShown = found.value.envelope !== null && allowReveal && storage === 'sealed';
      return ok({
        value: isShown,
        audit: [{ action: 'key.reveal', keyId, changes: { revealed: isShown } }],
      });
    },
  };
}

type KeyChange = (
  context: MutationContext,
  record: KeyRecord,
) => Result<Omit<Change<KeyView>, 'value'> & { readonly record: KeyRecord }>;

/** A mutation of one key whose result is the key. */
function onKey(keyId: string, change: KeyChange): Mutation<KeyView> {
  return {
    about: [keyId],
    run: (context): Result<Change<KeyView>> => {
      const found = keyFor(context, keyId);
      if (!found.ok) return found;
      const changed = change(context, found.value);
      if (!changed.ok) return changed;
      const { record, ...rest } = changed.value;
      return ok({ ...rest, value: context.store.viewOf(record, context.now) });
    },
  };
}

/** The key, if it exists in a version that the caller accepts. */
function keyFor({ store, command }: MutationContext, keyId: string): Result<KeyRecord> {
  return inAcceptedVersion(store.keys.get(keyId), 'key_not_found', command);
}

/** The same, if the key is one whose attributes may be changed. */
export function keyForChange(context: MutationContext, keyId: string): Result<KeyRecord> {
  const found = keyFor(context, keyId);
  if (!found.ok) return found;
  const status = statusOf(found.value, context.now);
  return status === 'revoked' || status === 'rotated' ? fail({ code: 'key_not_active', status }) : found;
}

/** Whether a key is to have a plan that the tenant does not have. */
function isUnknownPlan({ store }: MutationContext, { plan }: Pick<KeyRecord, 'plan'>): boolean {
  return plan !== null && store.plans.get(plan) === undefined;
}

/**
 * Makes the records of owners that these keys are the first to name. It has no audit entry of its own: the key's entry
 * tells of it. The owners of management keys are no customers.
 */
function ensureOwners({ store, tenant, now, command }: MutationContext, keys: readonly Pick<KeyRecord, 'owner'>[]) {
  if (tenant.id === SYSTEM_TENANT_ID) return;
  const owners = new Set(keys.flatMap(({ owner }) => (owner === null ? [] : [owner])));
  store.owners.ensure([...owners], command.actor.id, now);
}

function successorOf({ replacedBy }: KeyRecord): { successorId?: string } {
  return replacedBy === null ? {} : { successorId: replacedBy };
}

/** The minted key as the tenant stores it: a tenant that keeps nothing recoverable drops the envelope here. */
function stored(minted: MintedKey, tenant: TenantRecord): StoredKey {
  return tenant.settings.storage === 'sealed' ? minted : { ...minted, envelope: null, sealingKeyId: null };
}
