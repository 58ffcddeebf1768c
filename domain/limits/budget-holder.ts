/**
 * The budgets that an isolate holds (held-budgets.ts), by tenant, within the byte budget of the isolate. What memory
 * drops is lost to the limit until its window has passed, and nothing is spent twice.
 */
import { isolateMemory, type MemoryBudget } from '../memory/budget.ts';
import { LruCache } from '../memory/lru-cache.ts';
import { HeldBudgets } from './held-budgets.ts';

/** What the budgets of a tenant take beside the budgets themselves, and what a budget takes with its name (bytes). */
const TENANT_BYTES = 600;
const BUDGET_BYTES = 700;
/** Memory is accounted for so many budgets at first, and for twice as many whenever there are more. */
const BUDGETS_AT_FIRST = 8;

type Entry = { readonly budgets: HeldBudgets; accountedFor: number; watchedUntil: number };

export class BudgetHolder {
  readonly #tenants: LruCache<Entry>;
  readonly #newName: () => string;

  /** `newName` makes names of holders: unlike any other, and never made again. */
  constructor(newName: () => string = () => crypto.randomUUID(), memory: MemoryBudget = isolateMemory) {
    this.#newName = newName;
    this.#tenants = new LruCache(memory);
  }

  /** The budgets of this tenant; undefined when none were opened. */
  of(tenant: string): HeldBudgets | undefined {
    return this.#tenants.get(tenant)?.budgets;
  }

  /** Begins to hold budgets of this tenant. */
  open(tenant: string): void {
    if (this.#tenants.get(tenant) !== undefined) return;
    const budgets = new HeldBudgets(this.#newName());
    this.#set(tenant, { budgets, accountedFor: BUDGETS_AT_FIRST, watchedUntil: 0 });
  }

  /** Accounts for budgets that were added. Call this after calls. */
  resized(tenant: string): void {
    const entry = this.#tenants.get(tenant);
    if (entry === undefined || entry.budgets.size <= entry.accountedFor) return;
    this.#set(tenant, { ...entry, accountedFor: 2 * entry.budgets.size });
  }

  /**
   * Whether nobody watches for this tenant to fall quiet. If so, the caller has to, until it calls `unwatch`. It is
   * taken to be cut off if it has not done so by `until` (ms).
   */
  watch(tenant: string, now: number, until: number): boolean {
    const entry = this.#tenants.get(tenant);
    if (entry === undefined || now < entry.watchedUntil) return false;
    entry.watchedUntil = until;
    return true;
  }

  unwatch(tenant: string): void {
    const entry = this.#tenants.get(tenant);
    if (entry !== undefined) entry.watchedUntil = 0;
  }

  #set(tenant: string, entry: Entry): void {
    this.#tenants.set(tenant, entry, TENANT_BYTES + entry.accountedFor * BUDGET_BYTES);
  }
}
