/**
 * The directory's entries: one for each incarnation that may be created or was, until its deletion is finished.
 * domain/tenants/lifecycle.ts shows the states of an entry.
 */
import type { Command } from '../../domain/command.ts';
import type { TenantRef } from '../../domain/tenants/target.ts';
import { type Page, startOf } from '../sql/paging.ts';

export type DirectoryEntry = TenantRef & { readonly seq: number };

/** What the directory tells of itself for metrics. */
export type DirectoryOverview = {
  /** Tenants that are listed. Some may have been given up before they were created. */
  readonly tenants: number;
  /** Deletions that are decided and not finished. */
  readonly deletions: number;
};

/** So many entries are counted at most: some 20 ms of work. */
const COUNTED_MAX = 1_000_000;

export const DIRECTORY_QUERIES = {
  add: 'INSERT INTO tenants (id, incarnation, added_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  addedAgain: 'UPDATE tenants SET added_at = ? WHERE id = ? AND incarnation = ?',
  ofId: 'SELECT id AS tenantId, incarnation, deleting IS NOT NULL AS deleting FROM tenants WHERE id = ?',
  decide: 'UPDATE tenants SET deleting = ?, attempt_at = ? WHERE id = ? AND incarnation = ? AND deleting IS NULL',
  decided: 'SELECT deleting AS command, attempts FROM tenants WHERE id = ? AND incarnation = ?',
  failed: 'UPDATE tenants SET attempts = ?, attempt_at = ? WHERE id = ? AND incarnation = ?',
  remove: 'DELETE FROM tenants WHERE id = ? AND incarnation = ?',
  refuse: 'DELETE FROM tenants WHERE id = ? AND incarnation = ? AND deleting IS NULL',
  prune: 'DELETE FROM tenants WHERE id = ? AND incarnation = ? AND deleting IS NULL AND added_at < ?',
  list: 'SELECT seq, id AS tenantId, incarnation FROM tenants WHERE deleting IS NULL AND seq > ? ORDER BY seq LIMIT ?',
  toDelete: `SELECT id AS tenantId, incarnation FROM tenants
    WHERE deleting IS NOT NULL AND attempt_at <= ? ORDER BY attempt_at LIMIT ?`,
  firstToDelete: 'SELECT attempt_at AS at FROM tenants WHERE deleting IS NOT NULL ORDER BY attempt_at LIMIT 1',
  probe: 'UPDATE probe SET at = ?',
  countListed: 'SELECT count(*) AS n FROM (SELECT 1 FROM tenants LIMIT ?)',
  countDeleting: 'SELECT count(*) AS n FROM (SELECT 1 FROM tenants WHERE deleting IS NOT NULL LIMIT ?)',
} as const;

export class Entries {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The entries with this tenant id: several while earlier tenants with the id are being deleted. */
  ofId(tenantId: string): (TenantRef & { readonly deleting: boolean })[] {
    type Row = TenantRef & { deleting: number };
    const rows = this.#sql.exec<Row>(DIRECTORY_QUERIES.ofId, tenantId).toArray();
    return rows.map((row) => ({ ...row, deleting: row.deleting !== 0 }));
  }

  /** The state of an incarnation; null when it has no entry. */
  stateOf({ tenantId, incarnation }: TenantRef): 'listed' | 'deleting' | null {
    const entry = this.ofId(tenantId).find((found) => found.incarnation === incarnation);
    if (entry === undefined) return null;
    return entry.deleting ? 'deleting' : 'listed';
  }

  /** Whether a tenant with this id is being deleted. */
  isDeleting(tenantId: string): boolean {
    return this.ofId(tenantId).some(({ deleting }) => deleting);
  }

  /** Adds a listed incarnation. Does nothing when it has an entry. */
  add({ tenantId, incarnation }: TenantRef, now: number): void {
    this.#sql.exec(DIRECTORY_QUERIES.add, tenantId, incarnation, now);
  }

  /** Records that the creation of a listed incarnation is under way again at `now` (ms). */
  addAgain({ tenantId, incarnation }: TenantRef, now: number): void {
    this.#sql.exec(DIRECTORY_QUERIES.addedAgain, now, tenantId, incarnation);
  }

  /** Drops a listed incarnation that was not created. */
  refuse({ tenantId, incarnation }: TenantRef): void {
    this.#sql.exec(DIRECTORY_QUERIES.refuse, tenantId, incarnation);
  }

  /** Drops a listed incarnation whose creation began before `addedBefore` (ms). */
  prune({ tenantId, incarnation }: TenantRef, addedBefore: number): void {
    this.#sql.exec(DIRECTORY_QUERIES.prune, tenantId, incarnation, addedBefore);
  }

  /** Marks a listed incarnation as being deleted. The alarm finishes that from `attemptAt` (ms) on. */
  decide({ tenantId, incarnation }: TenantRef, command: Command, attemptAt: number): void {
    const stored = JSON.stringify({ ...command, idempotency: null });
    this.#sql.exec(DIRECTORY_QUERIES.decide, stored, attemptAt, tenantId, incarnation);
  }

  /** The command that decided the deletion of an incarnation; null when none did or the entry is gone. */
  decidedCommand(ref: TenantRef): Command | null {
    const stored = this.#decided(ref)?.command ?? null;
    // Commands that an earlier version stored lack the fields that were added later.
    return stored === null ? null : { onBehalfOf: null, grows: false, ...JSON.parse(stored), idempotency: null };
  }

  /** How many attempts to finish a deletion have failed; null when the entry is gone. */
  failedAttempts(ref: TenantRef): number | null {
    return this.#decided(ref)?.attempts ?? null;
  }

  /** Records how many attempts to finish a deletion have failed, and when the alarm makes the next (ms). */
  setAttempts({ tenantId, incarnation }: TenantRef, failed: number, nextAt: number): void {
    this.#sql.exec(DIRECTORY_QUERIES.failed, failed, nextAt, tenantId, incarnation);
  }

  /** Drops an incarnation whose deletion is finished. */
  remove({ tenantId, incarnation }: TenantRef): void {
    this.#sql.exec(DIRECTORY_QUERIES.remove, tenantId, incarnation);
  }

  /** Deletions that the alarm attempts at `now` (ms), earliest first. */
  toDelete(now: number, limit: number): TenantRef[] {
    return this.#sql.exec<TenantRef>(DIRECTORY_QUERIES.toDelete, now, limit).toArray();
  }

  /** When the alarm attempts the first deletion (ms); null for never. */
  firstToDeleteAt(): number | null {
    return this.#sql.exec<{ at: number }>(DIRECTORY_QUERIES.firstToDelete).toArray()[0]?.at ?? null;
  }

  /** Listed incarnations in the order of creation. */
  list(after: number | null, limit: number): Page<DirectoryEntry> {
    const found = this.#sql.exec<DirectoryEntry>(DIRECTORY_QUERIES.list, startOf('asc', after), limit + 1).toArray();
    const items = found.slice(0, limit);
    return { items, next: found.length > limit ? (items.at(-1)?.seq ?? null) : null };
  }

  overview(): DirectoryOverview {
    const count = (query: string) => this.#sql.exec<{ n: number }>(query, COUNTED_MAX).one().n;
    const deletions = count(DIRECTORY_QUERIES.countDeleting);
    return { tenants: count(DIRECTORY_QUERIES.countListed) - deletions, deletions };
  }

  #decided({ tenantId, incarnation }: TenantRef): { command: string | null; attempts: number } | undefined {
    type Row = { command: string | null; attempts: number };
    return this.#sql.exec<Row>(DIRECTORY_QUERIES.decided, tenantId, incarnation).toArray()[0];
  }
}
