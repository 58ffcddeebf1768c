/** What verification needs of the isolate that it runs in, and of the request that it is a part of. */
import type { HeldKey } from '../../domain/keys/held-key.ts';
import type { LeaseHolder } from '../../domain/leases/holder.ts';
import type { BudgetHolder } from '../../domain/limits/budget-holder.ts';
import type { CallWithBudgets, RenewalWithBudgets } from '../../domain/limits/call-with-budgets.ts';
import type { Spending } from '../../domain/limits/named-limit.ts';
import type { VerifyResult } from '../../durable-objects/tenant/tenant.ts';
import type { KeySigner } from '../crypto/key-signer.ts';
import type { Place } from '../tenant-memory.ts';
import type { ForeignKey, ForeignKeys } from './foreign-keys.ts';
import type { PendingCalls } from './pending-calls.ts';
import type { SignatureCache } from './signature-cache.ts';

/** What an isolate holds under leases, the calls that renew them, and the clock (ms) that measures them. */
export type LeaseServices = {
  readonly leases: LeaseHolder<HeldKey>;
  readonly budgets: BudgetHolder;
  readonly pending: PendingCalls;
  readonly now: () => number;
};

/** The services of an isolate that verification uses. */
export type VerificationServices = LeaseServices & {
  readonly signer: KeySigner;
  readonly signatures: SignatureCache;
  readonly foreignKeys: ForeignKeys;
  /** Name of the object that holds the management keys. */
  readonly systemObjectName: Promise<string>;
};

/** What verification needs to reach objects. */
export type VerificationObjects = {
  placeOf(tenantId: string): Place | Promise<Place>;
  verifyKey(
    objectName: string,
    keyId: string,
    digest: Uint8Array,
    scopes: readonly string[],
    call: CallWithBudgets,
    spending?: Spending,
  ): Promise<VerifyResult>;
  verifyForeignKey(
    objectName: string,
    key: ForeignKey,
    scopes: readonly string[],
    call: CallWithBudgets,
    spending?: Spending,
  ): Promise<VerifyResult>;
  renewLease(objectName: string, call: CallWithBudgets): Promise<RenewalWithBudgets | null>;
  /** Does this work some time (ms) after the response. */
  afterwards(ms: number, work: () => Promise<unknown>): void;
};
