/** The mutations of a tenant other than those of its keys (keys/key-mutations.ts). */

import { limitsBreach } from '../../domain/limits/named-limit.ts';
import { fail, ok } from '../../domain/outcome.ts';
import { reservedFor, type TenantUpdateRights } from '../../domain/tenants/operator-rights.ts';
import { changedFields, type TenantPatch, type TenantRecord, updateTenant } from '../../domain/tenants/record.ts';
import { cleanUp } from './cleanup.ts';
import type { CleanupReport } from './cleanup-reports.ts';
import type { ResealedItem } from './keys/envelopes.ts';
import type { Mutation } from './mutation.ts';
import type { TenantStore } from './store.ts';
import { rewriteTenant } from './tenant-row.ts';

/** Changes the tenant's record. Fails with `not_for_confined` when a change is reserved for the operator. */
export function tenantUpdate(patch: TenantPatch, { isOperator }: TenantUpdateRights): Mutation<TenantRecord> {
  return {
    about: 'everything',
    run: ({ store, tenant, now }) => {
      const changes = changedFields(tenant, patch);
      if (changes === null) return ok({ value: tenant, audit: [] });
      const updated = updateTenant(tenant, patch, now);
      const breach = limitsBreach(updated.limits);
      if (breach !== null) return fail({ code: breach, of: 'tenant' });
      const reserved = isOperator ? null : reservedFor(tenant, updated);
      if (reserved !== null) return fail({ code: 'not_for_confined', what: reserved });
      rewriteTenant(store.sql, updated);
      const audit = [{ action: 'tenant.update', changes }] as const;
      return ok({ value: updated, audit, tenant: updated, concerns: 'everything' });
    },
  };
}

/** Runs a cleanup pass and records it in the audit log. */
export function manualCleanup(): Mutation<CleanupReport> {
  return {
    about: [],
    run: (context) => {
      const report = cleanUp(context, 'manual');
      const { seq: _seq, ...changes } = report;
      return ok({ value: report, audit: [{ action: 'cleanup.run', changes }] });
    },
  };
}

/** A batch of envelopes that the Worker sealed anew. */
export type ResealBatch = {
  readonly currentId: number;
  readonly items: readonly ResealedItem[];
  /** `seq` where the next batch starts; 0 for the beginning. */
  readonly walkedTo: number;
};

/** How many envelopes a batch replaced, and how many are left. */
export type ResealProgress = { readonly resealed: number; readonly remaining: number };

/** Stores a batch that the Worker sealed anew, each item only if it is still what was taken. */
export function resealing({ currentId, items, walkedTo }: ResealBatch): Mutation<ResealProgress> {
  return {
    about: [],
    run: ({ store }) => {
      let resealed = 0;
      for (const { kind, id, envelope, resealed: fresh } of items) {
        if (kind === 'answer') store.idempotency.reseal(id, envelope, fresh);
        else if (!store.envelopes.replace(id, envelope, fresh)) continue;
        resealed += 1;
      }
      store.envelopes.resumeFrom('reseal', walkedTo);
      const value = { resealed, remaining: sealedOtherwise(store, currentId) };
      return ok({ value, audit: resealed === 0 ? [] : [{ action: 'encryption.reseal', changes: { resealed } }] });
    },
  };
}

/** How many envelopes are sealed with another keyring entry than this one. */
export function sealedOtherwise(store: TenantStore, currentId: number): number {
  let remaining = 0;
  for (const [entry, n] of dependents(store).envelopes) if (entry !== currentId) remaining += n;
  return remaining;
}

/** What depends on each keyring entry: numbers by entry. */
export type Dependents = {
  /** Stored envelopes, those of kept results included, by entry of ENCRYPTION_KEY. */
  readonly envelopes: ReadonlyMap<number, number>;
  /** Living keys by entry of HMAC_SECRET. */
  readonly signatures: ReadonlyMap<number, number>;
};

/** What would be lost with each keyring entry. */
export function dependents({ keys, idempotency }: TenantStore): Dependents {
  const envelopes = keys.counts.byEntry('envelope');
  for (const [entry, n] of idempotency.countSealed()) envelopes.set(entry, (envelopes.get(entry) ?? 0) + n);
  return { envelopes, signatures: keys.counts.byEntry('signature') };
}
