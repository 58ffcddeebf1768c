/** What a mutation is made of. How it runs (transaction, audit entry, kept answer, alarm) is the same for all: `Tenant.#mutate`. */
import type { AuditSubject } from './audit.ts';
import type { Failure, Result } from './outcome.ts';
import type { TenantStore } from './store.ts';
import type { TenantRecord } from './tenants/record.ts';

export type MutationContext = {
  readonly store: TenantStore;
  readonly tenant: TenantRecord;
  readonly now: number;
  readonly ifVersions: readonly number[] | null;
};

export type Mutation<T, F = Failure> = {
  /** Whether answers about any key of the tenant may be different afterwards; else those about the keys that `apply` wrote. */
  readonly concerns?: 'every key';
  /**
   * Decides first and writes then, so that a failure has written nothing. Returns what the audit entries say: one for each thing that was
   * changed, none when there was nothing to change.
   */
  readonly apply: (context: MutationContext) => Result<readonly AuditSubject[], F>;
  /** The answer, read from what stands there after `apply`. */
  readonly answer: (context: MutationContext) => Result<T, Failure>;
};
