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
import { IDEMPOTENCY_SCHEMA, KeptAnswers } from './idempotency.ts';
import type { Idempotency, Operation } from './operation.ts';
import { fail, type Mutated, ok, type Result } from './outcome.ts';
import { type Migration, migrate } from './storage/migrations.ts';
import { type Page, startOf } from './storage/paging.ts';
import { locatorOf, objectNameOf, SYSTEM_TENANT_ID } from './tenants/locator.ts';

export type DirectoryEntry = { readonly seq: number; readonly tenantId: string; readonly incarnation: string };
export type TenantRef = Omit<DirectoryEntry, 'seq'>;

/** A creation that has not reached the tenant's object by then never will: the request that made the entry is long over. */
const ABANDONED_AFTER_MS = 60 * 60 * 1000;
/** How long the Worker has to carry out a deletion before the alarm does it, and between the alarm's attempts. */
const FINISH_DELETION_AFTER_MS = 15_000;
const FINISH_BATCH = 20;
const PURGE_BATCH = 1000;

const DIRECTORY_MIGRATIONS: readonly Migration[] = [
  `
  CREATE TABLE tenants (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    deleting TEXT             -- the operation that decided the deletion, as JSON
  ) STRICT;
  CREATE UNIQUE INDEX tenants_by_id ON tenants (id, incarnation);
  CREATE INDEX tenants_deleting ON tenants (seq) WHERE deleting IS NOT NULL;
  ${AUDIT_SCHEMA}
  ${IDEMPOTENCY_SCHEMA}
  `,
];

export const DIRECTORY_QUERIES = {
  add: 'INSERT INTO tenants (id, incarnation, added_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  has: 'SELECT 1 FROM tenants WHERE id = ? AND incarnation = ?',
  mark: 'UPDATE tenants SET deleting = ? WHERE id = ? AND incarnation = ? AND deleting IS NULL RETURNING seq',
  remove: 'DELETE FROM tenants WHERE id = ? AND incarnation = ?',
  prune: 'DELETE FROM tenants WHERE id = ? AND incarnation = ? AND added_at < ?',
  list: 'SELECT seq, id AS tenantId, incarnation FROM tenants WHERE seq > ? ORDER BY seq LIMIT ?',
  deleting:
    'SELECT id AS tenantId, incarnation, deleting AS operation FROM tenants WHERE deleting IS NOT NULL ORDER BY seq LIMIT ?',
} as const;

export class Directory extends DurableObject<ObjectBindings> {
  readonly #sql: SqlStorage;
  readonly #audit: AuditLog;
  readonly #kept: KeptAnswers;

  constructor(ctx: DurableObjectState, env: ObjectBindings) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#audit = new AuditLog(this.#sql);
    this.#kept = new KeptAnswers(this.#sql);
    migrate(ctx.storage, DIRECTORY_MIGRATIONS);
  }

  /**
   * Before a tenant is created: an entry for it. Answers with the entry to create: an earlier one when this `Idempotency-Key` made one
   * before, so that a repeated creation is of the same tenant, a generated id included.
   */
  add(ref: TenantRef, idempotency: Idempotency | null): Mutated<TenantRef> {
    const now = Date.now();
    return this.ctx.storage.transactionSync(() => {
      const kept = this.#keptRef(idempotency, now);
      // A tenant that was deleted since does not come back by asking for its creation again.
      if (kept?.ok && !this.#has(kept.value)) return fail({ code: 'tenant_not_found' });
      if (kept !== null) return kept;
      this.#sql.exec(DIRECTORY_QUERIES.add, ref.tenantId, ref.incarnation, now);
      this.#keep(idempotency, ref, now);
      return ok(ref);
    });
  }

  /** After a tenant could not be created, since its id is taken: drops the entry, and keeps that as the answer. Idempotent. */
  refuse(ref: TenantRef, idempotency: Idempotency | null): void {
    this.ctx.storage.transactionSync(() => {
      this.remove(ref);
      if (idempotency !== null)
        this.#kept.keep(idempotency, JSON.stringify(fail({ code: 'tenant_exists' })), Date.now());
    });
  }

  /** Whether a deletion with this `Idempotency-Key` was decided before. */
  hasDeleted(idempotency: Idempotency): Result<boolean> {
    const kept = this.#keptRef(idempotency, Date.now());
    return kept === null ? ok(false) : kept.ok ? ok(true) : kept;
  }

  /** Decides the deletion of this incarnation, with the audit entry. Idempotent: the first call's operation counts. */
  beginDeletion(ref: TenantRef, operation: Operation): void {
    const { tenantId, incarnation } = ref;
    const now = Date.now();
    this.ctx.storage.transactionSync(() => {
      this.#sql.exec(DIRECTORY_QUERIES.add, tenantId, incarnation, now);
      const { idempotency, ...rest } = operation;
      const marked = this.#sql.exec(DIRECTORY_QUERIES.mark, JSON.stringify(rest), tenantId, incarnation).toArray();
      if (marked.length === 0) return;
      this.#audit.append(operation, [{ action: 'tenant.delete', changes: { tenantId } }], now);
      this.#keep(idempotency, ref, now);
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

  /** Carries out decided deletions that the Worker did not finish, and forgets answers that were kept long enough. */
  override async alarm(): Promise<void> {
    // First of all, so that a failure below never leaves a deletion without a next attempt.
    await this.ctx.storage.setAlarm(Date.now() + FINISH_DELETION_AFTER_MS);
    const pending = this.#deleting(FINISH_BATCH);
    await Promise.all(
      pending.map(async ({ operation, ...ref }) => {
        await destroyTenant(this.env, ref, { ...JSON.parse(operation), idempotency: null });
        this.remove(ref);
      }),
    );
    this.#kept.purge(Date.now(), PURGE_BATCH);
    const next = this.#kept.firstDueAt();
    if (this.#deleting(1).length > 0) return;
    if (next === null) await this.ctx.storage.deleteAlarm();
    else await this.ctx.storage.setAlarm(next);
  }

  #has({ tenantId, incarnation }: TenantRef): boolean {
    return this.#sql.exec(DIRECTORY_QUERIES.has, tenantId, incarnation).toArray().length > 0;
  }

  #deleting(limit: number) {
    type Row = TenantRef & { operation: string };
    return this.#sql.exec<Row>(DIRECTORY_QUERIES.deleting, limit).toArray();
  }

  #keptRef(idempotency: Idempotency | null, now: number): Mutated<TenantRef> | null {
    const kept = idempotency && this.#kept.find(idempotency.key, now);
    if (!kept) return null;
    if (kept.fingerprint !== idempotency.fingerprint) return fail({ code: 'idempotency_key_reused' });
    return { ...JSON.parse(kept.answer), replay: { sealedSecrets: null } };
  }

  #keep(idempotency: Idempotency | null, ref: TenantRef, now: number): void {
    if (idempotency === null) return;
    this.#kept.keep(idempotency, JSON.stringify(ok(ref)), now);
    // Sooner than needed at times; the alarm sets itself again.
    void this.ctx.storage.setAlarm(now + FINISH_DELETION_AFTER_MS);
  }
}

/**
 * Carries out the deletion of a tenant, whoever does it: management keys confined to it are revoked first, so that none of them opens a later tenant of
 * the same id. Idempotent.
 */
export async function destroyTenant(env: ObjectBindings, ref: TenantRef, operation: Operation): Promise<void> {
  const system = tenantStub(env, objectNameOf(await locatorOf(SYSTEM_TENANT_ID)));
  const revocation = { ...operation, id: `${operation.id}.management`, retry: true, ifVersions: null };
  await system.revokeKeys(SYSTEM_TENANT_ID, { owner: ref.tenantId }, revocation);
  const tenant = tenantStub(env, objectNameOf(await locatorOf(ref.tenantId)));
  await tenant.destroy(ref.incarnation);
}
