/** The mutations of a tenant beside those of its keys. */
import { type CleanupReport, type CleanupTrigger, cleanupPass, didNothing } from '../cleanup.ts';
import type { ResealedItem } from '../keys/envelopes.ts';
import type { Mutation } from '../mutation.ts';
import { ok } from '../outcome.ts';
import type { TenantStore } from '../store.ts';
import { changedFields, type TenantPatch, type TenantRecord, updateTenant } from './record.ts';
import { writeTenant } from './table.ts';

export function tenantUpdate(patch: TenantPatch): Mutation<TenantRecord> {
  return {
    concerns: 'every key',
    apply: ({ store, tenant, now }) => {
      const changes = changedFields(tenant, patch);
      if (changes === null) return ok([]);
      writeTenant(store.sql, updateTenant(tenant, patch, now));
      return ok([{ action: 'tenant.update', changes }]);
    },
    answer: ({ tenant }) => ok(tenant),
  };
}

export function manualCleanup(): Mutation<CleanupReport> {
  return {
    apply: ({ store, tenant, now }) => {
      const { seq: _seq, ...changes } = cleanUp(store, tenant, 'manual', now);
      return ok([{ action: 'cleanup.run', changes }]);
    },
    answer: ({ store }) => ok(store.reports.latest()),
  };
}

/** One cleanup pass with its report; an alarm that found nothing to do leaves none. Call inside a transaction. */
export function cleanUp(store: TenantStore, tenant: TenantRecord, trigger: CleanupTrigger, now: number): CleanupReport {
  store.flushUses();
  const result = cleanupPass(store, tenant, now);
  const report = { trigger, startedAt: now, durationMs: Date.now() - now, ...result };
  return trigger === 'alarm' && didNothing(result) ? { seq: 0, ...report } : store.reports.append(report);
}

export type ResealBatch = {
  readonly currentId: number;
  readonly items: readonly ResealedItem[];
  /** Where the next batch starts; 0 at the beginning. */
  readonly walkedTo: number;
};

export type ResealProgress = { readonly resealed: number; readonly remaining: number };

/** Takes over a batch that the Worker sealed anew. */
export function resealing({ currentId, items, walkedTo }: ResealBatch): Mutation<ResealProgress> {
  let resealed = 0;
  return {
    apply: ({ store }) => {
      for (const { kind, id, envelope, resealed: fresh } of items) {
        if (kind === 'answer') store.keptAnswers.reseal(id, envelope, fresh);
        else if (!store.envelopes.replace(id, envelope, fresh)) continue;
        resealed += 1;
      }
      store.envelopes.resumeFrom('reseal', walkedTo);
      return ok(resealed === 0 ? [] : [{ action: 'encryption.reseal', changes: { resealed } }]);
    },
    answer: ({ store }) => ok({ resealed, remaining: sealedOtherwise(store, currentId) }),
  };
}

/** How many envelopes are not sealed with this keyring entry. */
export function sealedOtherwise(store: TenantStore, currentId: number): number {
  let remaining = 0;
  for (const [entry, n] of dependents(store).envelopes) if (entry !== currentId) remaining += n;
  return remaining;
}

export type Dependents = {
  /** Stored envelopes, kept answers included, by entry of ENCRYPTION_KEY. */
  readonly envelopes: ReadonlyMap<number, number>;
  /** Living keys by entry of HMAC_SECRET. */
  readonly signatures: ReadonlyMap<number, number>;
};

/** What would be lost with each keyring entry. */
export function dependents({ keys, keptAnswers }: TenantStore): Dependents {
  const envelopes = keys.counts.byEntry('envelope');
  for (const [entry, n] of keptAnswers.countSealed()) envelopes.set(entry, (envelopes.get(entry) ?? 0) + n);
  return { envelopes, signatures: keys.counts.byEntry('signature') };
}
