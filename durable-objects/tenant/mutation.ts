/**
 * What a mutation of an existing tenant consists of. `TenantState.mutate` runs it: in one transaction the change, its
 * audit entries, the kept result and the alarm, then the wait for leases. Creating and deleting the tenant itself are
 * no mutations in this sense (state.ts).
 */

import type { Command } from '../../domain/command.ts';
import type { Concerned } from '../../domain/leases/lease.ts';
import { type Failure, fail, ok, type Result } from '../../domain/outcome.ts';
import type { TenantRecord } from '../../domain/tenants/record.ts';
import type { AuditSubject } from '../audit-log.ts';
import type { TenantStore } from './store.ts';

export type MutationContext = {
  readonly store: TenantStore;
  readonly tenant: TenantRecord;
  readonly now: number;
  readonly command: Command;
};

/** What a mutation did. All of it is made inside the transaction; a repeated call gets the same value again. */
export type Change<T> = {
  /** The result's value: plain data that survives JSON. */
  readonly value: T;
  /** What the audit entries say: one for each thing that was changed; empty when nothing had to be changed. */
  readonly audit: readonly AuditSubject[];
  /** Set when the change concerns other than the keys that were written, every key of the tenant for example. */
  readonly concerns?: Concerned;
  /** The tenant's own record, if it was changed. */
  readonly tenant?: TenantRecord;
};

export type Mutation<T, F = Failure> = {
  /**
   * What the result tells something about, changed or not: keys by id, or everything of the tenant. A refusal, or a
   * result without a change of its own, waits until changes of these that are under way have returned.
   */
  readonly about: readonly string[] | 'everything';
  /** Decides first and writes then, so a failure has written nothing. */
  readonly run: (context: MutationContext) => Result<Change<T>, F>;
  /**
   * For a result that need not be kept: makes it again for a repeated call. The mutation was applied at `at` (ms) and
   * has its audit entry.
   */
  readonly again?: (context: MutationContext, at: number) => Result<T, F>;
};

/** The record, if it exists in a version that the caller accepts. Fails with `missing` when it does not exist. */
export function inAcceptedVersion<T extends { readonly version: number }>(
  record: T | undefined,
  missing: 'key_not_found' | 'owner_not_found',
  { ifVersions }: Command,
): Result<T> {
  if (record === undefined) return fail({ code: missing });
  if (ifVersions !== null && !ifVersions.includes(record.version)) return fail({ code: 'precondition_failed' });
  return ok(record);
}
