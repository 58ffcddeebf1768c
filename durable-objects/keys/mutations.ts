/** The mutations of keys: what each reads, which rule decides (transitions.ts), what it writes, and what its audit entry says. */
import type { AuditSubject } from '../audit.ts';
import type { Mutation, MutationContext } from '../mutation.ts';
import type { Actor } from '../operation.ts';
import { type Failure, fail, ok, type PrefixMismatch, type Result } from '../outcome.ts';
import type { TenantRecord } from '../tenants/record.ts';
import { changesBetween, isoTime } from './changes.ts';
import { lineageOf } from './lineage.ts';
import type { KeyAttributes, KeyRecord, KeyView, MintedKey, StoredKey } from './record.ts';
import {
  cancelRotation,
  completeRotation,
  createKey,
  type KeyPatch,
  type RotationInput,
  revokeKey,
  rotateKey,
  updateKey,
} from './transitions.ts';

/** A key to store. `prefix` undefined asks for the tenant's own. */
export type NewKey = {
  readonly minted: MintedKey;
  readonly attributes: KeyAttributes;
  readonly prefix: string | undefined;
};

/** Grace in seconds; absent for the tenant's own. */
export type RotationRequest = Omit<RotationInput, 'graceMs'> & { readonly gracePeriodSeconds?: number };

export type RotatedPair = { readonly successor: KeyView; readonly predecessor: KeyView };

/** All or none. */
export function creation(newKeys: readonly NewKey[]): Mutation<readonly KeyView[], Failure | PrefixMismatch> {
  return {
    apply: ({ store, tenant, now }) => {
      const records: KeyRecord[] = [];
      for (const [index, { minted, attributes, prefix }] of newKeys.entries()) {
        const wanted = prefix ?? tenant.settings.keyPrefix;
        if (minted.prefix !== wanted) return fail({ code: 'prefix_mismatch', prefix: wanted });
        const created = createKey(stored(minted, tenant), attributes, now);
        if (!created.ok) return fail({ ...created.failure, index });
        records.push(created.value);
      }
      for (const record of records) store.keys.insert(record, now);
      return ok(records.map(({ id }) => ({ action: 'key.create', keyId: id })));
    },
    answer: ({ store, now }) => allViews(newKeys.map(({ minted }) => store.viewKey(minted.id, now))),
  };
}

export function update(keyId: string, patch: KeyPatch): Mutation<KeyView> {
  return onKey(keyId, ({ store, now }, record) => {
    const updated = updateKey(record, patch, now);
    if (!updated.ok) return updated;
    const changes = changesBetween(record, updated.value);
    if (Object.keys(changes).length === 0) return ok([]);
    store.keys.update(updated.value, now);
    return ok([{ action: 'key.update', keyId, changes }]);
  });
}

/** With `lineage` all that the key replaced and was replaced by goes along. What is revoked already stays as it is. */
export function revocation(
  keyId: string,
  { reason, lineage }: { readonly reason: string | null; readonly lineage: boolean },
): Mutation<KeyView> {
  return onKey(keyId, ({ store, now }, record) => {
    const targets = lineage ? lineageOf(record, (id) => store.keys.get(id)) : [record];
    const revoked = targets.filter((target) => target.revokedAt === null);
    if (revoked.length === 0) return ok([]);
    for (const target of revoked) store.keys.update(revokeKey(target, now), now);
    const changes = {
      ...(reason === null ? {} : { reason }),
      ...(lineage ? { lineage: revoked.map((target) => target.id) } : {}),
    };
    return ok([{ action: 'key.revoke', keyId, changes }]);
  });
}

/** All or none: an id that is unknown stops it. Answers how many were not revoked before. */
export function revocationOf(keyIds: readonly string[]): Mutation<{ readonly revoked: number }> {
  let revoked = 0;
  return {
    apply: ({ store, now }) => {
      const found = [...new Set(keyIds)].map((id) => ({ id, record: store.keys.get(id) }));
      const missing = found.filter(({ record }) => record === undefined).map(({ id }) => id);
      if (missing.length > 0) return fail({ code: 'keys_not_found', ids: missing });
      const targets = found.flatMap(({ record }) =>
        record === undefined || record.revokedAt !== null ? [] : [record],
      );
      for (const target of targets) store.keys.update(revokeKey(target, now), now);
      revoked = targets.length;
      return ok(targets.map(({ id }) => ({ action: 'key.revoke', keyId: id })));
    },
    answer: () => ok({ revoked }),
  };
}

/** Every key of an owner, in one step of bounded cost. One audit entry, which names the owner. */
export function revocationOfOwner(owner: string): Mutation<{ readonly revoked: number }> {
  let revoked = 0;
  return {
    concerns: 'every key',
    apply: ({ store, now }) => {
      revoked = store.keys.revokeOwner(owner, now);
      return ok(revoked === 0 ? [] : [{ action: 'key.revoke_owner', changes: { owner, revoked } }]);
    },
    answer: () => ok({ revoked }),
  };
}

export function deletion(keyId: string): Mutation<null> {
  return {
    ...onKey(keyId, ({ store }, record) => {
      store.keys.remove(record);
      store.rotations.forget(keyId);
      store.lastUsed.forget(record.seq);
      return ok([{ action: 'key.delete', keyId, changes: { name: record.name } }]);
    }),
    answer: () => ok(null),
  };
}

export function rotation(
  keyId: string,
  minted: MintedKey,
  { gracePeriodSeconds, overrides }: RotationRequest,
  by: Actor,
): Mutation<RotatedPair, Failure | PrefixMismatch> {
  return {
    apply: (context) => {
      const { store, tenant, now } = context;
      const found = keyFor(context, keyId);
      if (!found.ok) return found;
      const graceMs = (gracePeriodSeconds ?? tenant.settings.gracePeriodSeconds) * 1000;
      const rotated = rotateKey(found.value, stored(minted, tenant), { graceMs, overrides }, now);
      if (!rotated.ok) return rotated;
      const { predecessor, successor } = rotated.value;
      store.keys.update(predecessor, now);
      store.keys.insert(successor, now);
      const { graceEndsAt } = predecessor;
      store.rotations.insert({ predecessor: keyId, successor: successor.id, rotatedAt: now, graceEndsAt, by });
      const changes = { replacedBy: successor.id, graceEndsAt: isoTime(graceEndsAt) };
      return ok([{ action: 'key.rotate', keyId, successorId: successor.id, changes }]);
    },
    answer: ({ store, now }) => {
      const pair = allViews([store.viewKey(minted.id, now), store.viewKey(keyId, now)]);
      const [successor, predecessor] = pair.ok ? pair.value : [];
      return successor && predecessor ? ok({ successor, predecessor }) : fail({ code: 'key_not_found' });
    },
  };
}

export function rotationCompletion(keyId: string): Mutation<KeyView> {
  return onKey(keyId, ({ store, now }, record) => {
    const completed = completeRotation(record, now);
    if (!completed.ok) return completed;
    if (completed.value === record) return ok([]);
    store.keys.update(completed.value, now);
    return ok([{ action: 'key.rotation_complete', keyId, ...successorOf(record) }]);
  });
}

export function rotationCancellation(keyId: string): Mutation<KeyView> {
  return onKey(keyId, ({ store, now }, record) => {
    const successor = record.replacedBy === null ? undefined : store.keys.get(record.replacedBy);
    const cancelled = cancelRotation(record, successor, now);
    if (!cancelled.ok) return cancelled;
    store.keys.update(cancelled.value.predecessor, now);
    if (cancelled.value.successor !== undefined) store.keys.update(cancelled.value.successor, now);
    if (record.replacedBy !== null) store.rotations.cancel(record.replacedBy, now);
    return ok([{ action: 'key.rotation_cancel', keyId, ...successorOf(record) }]);
  });
}

export type Revealed = { readonly prefix: string; readonly envelope: Uint8Array };

/** Hands out the envelope when the tenant allows it and there is one, null otherwise. Recorded either way. */
export function disclosure(keyId: string): Mutation<Revealed | null> {
  const envelopeOf = ({ store, tenant }: MutationContext): Revealed | null => {
    const record = store.keys.get(keyId);
    const allowed = tenant.settings.allowReveal && tenant.settings.storage === 'sealed';
    return record?.envelope && allowed ? { prefix: record.prefix, envelope: record.envelope } : null;
  };
  return {
    ...onKey(keyId, (context) =>
      ok([{ action: 'key.reveal', keyId, changes: { revealed: envelopeOf(context) !== null } }]),
    ),
    answer: (context) => ok(envelopeOf(context)),
  };
}

/** A mutation of one key that answers with the key. */
function onKey(
  keyId: string,
  change: (context: MutationContext, record: KeyRecord) => Result<readonly AuditSubject[]>,
): Mutation<KeyView> {
  return {
    apply: (context) => {
      const found = keyFor(context, keyId);
      return found.ok ? change(context, found.value) : found;
    },
    answer: ({ store, now }) => store.viewKey(keyId, now),
  };
}

/** The key, if it is there in a version that the caller accepts. */
function keyFor({ store, ifVersions }: MutationContext, keyId: string): Result<KeyRecord> {
  const record = store.keys.get(keyId);
  if (record === undefined) return fail({ code: 'key_not_found' });
  if (ifVersions !== null && !ifVersions.includes(record.version)) return fail({ code: 'precondition_failed' });
  return ok(record);
}

function allViews(views: readonly Result<KeyView>[]): Result<readonly KeyView[]> {
  const failed = views.find((view) => !view.ok);
  return failed !== undefined && !failed.ok ? failed : ok(views.flatMap((view) => (view.ok ? [view.value] : [])));
}

function successorOf({ replacedBy }: KeyRecord): { successorId?: string } {
  return replacedBy === null ? {} : { successorId: replacedBy };
}

/** A tenant that wants no recoverable secret gets none stored: the envelope ends here. */
function stored(minted: MintedKey, tenant: TenantRecord): StoredKey {
  return tenant.settings.storage === 'sealed' ? minted : { ...minted, envelope: null, sealingKeyId: null };
}
