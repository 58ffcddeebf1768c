/**
 * The directory object: which tenants there may be. One small object for the deployment, asked for lists only, never to verify a key.
 *
 * The tenant's own object decides whether a tenant exists. An entry here is made before the tenant and removed after it, under the tenant's
 * incarnation. So a failure between the two objects leaves at worst an entry without a tenant, which lists pass over; and
 * whatever order a deletion and a new creation of the same id interleave in, the deletion removes only the entry of what it deleted.
 *
 * A deletion is decided here (mark and audit entry in one transaction) and then carried out on the tenant's object by the Worker, or by the alarm
 * if the Worker did not get that far.
 */
import { DurableObject } from 'cloudflare:workers';
import { AUDIT_SCHEMA, type AuditEntry, AuditLog, type AuditQuery } from './audit.ts';
import { type ObjectBindings, tenantStub } from './bindings.ts';
import type { Operation } from './operation.ts';
import { type Migration, migrate } from './storage/migrations.ts';
import { type Page, startOf } from './storage/paging.ts';

export type DirectoryEntry = { readonly seq: number; readonly tenantId: string; readonly incarnation: string };
type TenantRef = Omit<DirectoryEntry, 'seq'>;

/** A creation that has not reached the tenant's object by then never will: the request that made the entry is long over. */
const ABANDONED_AFTER_MS = 60 * 60 * 1000;
/** How long the Worker has to carry out a deletion before the alarm does it, and between the alarm's attempts. */
const FINISH_DELETION_AFTER_MS = 15_000;
const FINISH_BATCH = 20;

const DIRECTORY_MIGRATIONS: readonly Migration[] = [
  `
  CREATE TABLE tenants (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    deleting_object TEXT      -- name of the object to destroy, once the deletion is decided
  ) STRICT;
  CREATE UNIQUE INDEX tenants_by_id ON tenants (id, incarnation);
  CREATE INDEX tenants_deleting ON tenants (seq) WHERE deleting_object IS NOT NULL;
  ${AUDIT_SCHEMA}
  `,
];

export const DIRECTORY_QUERIES = {
  add: 'INSERT INTO tenants (id, incarnation, added_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  mark: 'UPDATE tenants SET deleting_object = ? WHERE id = ? AND incarnation = ? AND deleting_object IS NULL RETURNING seq',
  remove: 'DELETE FROM tenants WHERE id = ? AND incarnation = ?',
  prune: 'DELETE FROM tenants WHERE id = ? AND incarnation = ? AND added_at < ?',
  list: 'SELECT seq, id AS tenantId, incarnation FROM tenants WHERE seq > ? ORDER BY seq LIMIT ?',
  deleting:
    'SELECT id AS tenantId, incarnation, deleting_object AS objectName FROM tenants WHERE deleting_object IS NOT NULL ORDER BY seq LIMIT ?',
} as const;

export class Directory extends DurableObject<ObjectBindings> {
  readonly #sql: SqlStorage;
  readonly #audit: AuditLog;

  constructor(ctx: DurableObjectState, env: ObjectBindings) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#audit = new AuditLog(this.#sql);
    migrate(ctx.storage, DIRECTORY_MIGRATIONS);
  }

  /** Before a tenant is created: an entry for it. Idempotent. */
  add({ tenantId, incarnation }: TenantRef): void {
    this.#sql.exec(DIRECTORY_QUERIES.add, tenantId, incarnation, Date.now());
  }

  /** Decides the deletion of this incarnation, with the audit entry. Idempotent: the first call's operation counts. */
  beginDeletion({ tenantId, incarnation }: TenantRef, objectName: string, operation: Operation): void {
    const now = Date.now();
    this.ctx.storage.transactionSync(() => {
      this.#sql.exec(DIRECTORY_QUERIES.add, tenantId, incarnation, now);
      const marked = this.#sql.exec(DIRECTORY_QUERIES.mark, objectName, tenantId, incarnation).toArray();
      if (marked.length === 0) return;
      this.#audit.append(operation, { action: 'tenant.delete', changes: { tenantId } }, now);
      void this.ctx.storage.setAlarm(now + FINISH_DELETION_AFTER_MS);
    });
  }

  /** Drops the entry of a tenant that is gone, or was never made. Idempotent. */
  remove({ tenantId, incarnation }: TenantRef): void {
    this.#sql.exec(DIRECTORY_QUERIES.remove, tenantId, incarnation);
  }

  /** Drops entries whose tenants were found missing, unless their creation may still be under way. */
  prune(missing: readonly TenantRef[]): void {
    const addedBefore = Date.now() - ABANDONED_AFTER_MS;
    for (const { tenantId, incarnation } of missing) {
      this.#sql.exec(DIRECTORY_QUERIES.prune, tenantId, incarnation, addedBefore);
    }
  }

  /** Entries in the order of creation. The tenants' objects say which of them exist. */
  list(after: number | null, limit: number): Page<DirectoryEntry> {
    const found = this.#sql.exec<DirectoryEntry>(DIRECTORY_QUERIES.list, startOf('asc', after), limit + 1).toArray();
    const items = found.slice(0, limit);
    return { items, next: found.length > limit ? (items.at(-1)?.seq ?? null) : null };
  }

  /** The deployment's own audit log: deletions of tenants, whose logs go with them. */
  listAudit(query: AuditQuery): Page<AuditEntry> {
    return this.#audit.list(query);
  }

  /** Carries out decided deletions that the Worker did not finish. */
  override async alarm(): Promise<void> {
    // First of all, so that a failure below never leaves a deletion without a next attempt.
    await this.ctx.storage.setAlarm(Date.now() + FINISH_DELETION_AFTER_MS);
    type Row = TenantRef & { objectName: string };
    const pending = this.#sql.exec<Row>(DIRECTORY_QUERIES.deleting, FINISH_BATCH).toArray();
    await Promise.all(
      pending.map(async ({ objectName, ...ref }) => {
        await tenantStub(this.env, objectName).destroy(ref.incarnation);
        this.remove(ref);
      }),
    );
    const left = this.#sql.exec<Row>(DIRECTORY_QUERIES.deleting, 1).toArray();
    if (left.length === 0) await this.ctx.storage.deleteAlarm();
  }
}
