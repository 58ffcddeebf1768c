/** Calls that renew a lease and take along what there is to tell of budgets. */
import type { HolderCall, Renewal } from '../leases/lease.ts';
import type { BudgetAnswer, BudgetCall } from './budget.ts';

/** `budgets` is absent when the holder has none. */
export type CallWithBudgets = HolderCall & { readonly budgets?: BudgetCall };

/** `budgets` is there if the call told of some. */
export type RenewalWithBudgets = Renewal & { readonly budgets?: BudgetAnswer };
