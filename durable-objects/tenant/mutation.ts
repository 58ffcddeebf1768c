/** What a mutation is made of. How it runs (transaction, audit entries, kept result, alarm, leases) is the same for all: `TenantState.mutate`. */

import type { Command } from '../../domain/command.ts';
import type { Failure, Result } from '../../domain/outcome.ts';
import type { TenantRecord } from '../../domain/tenants/record.ts';
import type { AuditSubject } from '../audit-log.ts';
import type { TenantStore } from './store.ts';

export type MutationContext = {
  readonly store: TenantStore;
  readonly tenant: TenantRecord;
  readonly now: number;
  readonly command: Command;
};

/** What a mutation did, all of it made inside the transaction: whatever repeats the call gets this very value again. */
export type Change<T> = {
  /** The answer: plain data that survives JSON. */
  readonly value: T;
  /** What the audit entries say: one for each thing that was changed, none when there was nothing to change. */
  readonly audit: readonly AuditSubject[];
  /** Whether the change concerns every key of the tenant; else it concerns those that were written. */
  readonly concerns?: 'everything';
  /** The tenant's own record, if it was changed. */
  readonly tenant?: TenantRecord;
};

export type Mutation<T, F = Failure> = {
  /**
   * What the answer tells something about, changed or not: ids of keys, or everything of the tenant. A refusal or a repetition waits until
   * changes of these that are under way have returned.
   */
  readonly about: readonly string[] | 'everything';
  /** Decides first and writes then, so that a failure has written nothing. */
  readonly run: (context: MutationContext) => Result<Change<T>, F>;
  /**
   * For a value that need not be kept: how a repeated call makes it again. The mutation was applied at `at` (ms), and has its audit
   * entry.
   */
  readonly again?: (context: MutationContext, at: number) => Result<T, F>;
};
