// Made from openapi.json by `npm run openapi`; see client/tools/api-types.ts.

import type { CallOptions, ChangeOptions, ConditionalOptions, List, OffsetList } from '../resources/options.ts';
import type {
  AuditEntry,
  AuditList,
  CleanupList,
  CleanupReport,
  EncryptionOverview,
  ImportedKeys,
  Key,
  KeyCounts,
  KeyPage,
  KeyPageByOffset,
  KeyRotation,
  KeyString,
  KeysChangeCreditsBody,
  KeysCreateBody,
  KeysCreateManyBody,
  KeysImportBody,
  KeysRevokeBody,
  KeysRevokeManyBody,
  KeysRotateBody,
  KeysUpdateBody,
  KeysWithSecrets,
  KeyWithSecret,
  LimitCheck,
  LimitsCheckBody,
  ManagementKey,
  ManagementKeyList,
  ManagementKeyRotation,
  ManagementKeysCreateBody,
  ManagementKeysRotateBody,
  ManagementKeyWithSecret,
  Owner,
  OwnerList,
  OwnersCreateBody,
  OwnersUpdateBody,
  Plan,
  PlanList,
  PlansCreateBody,
  PlansUpdateBody,
  ResealProgress,
  RevocationCount,
  Rotation,
  RotationList,
  Tenant,
  TenantList,
  TenantsCreateBody,
  TenantsUpdateBody,
  UsageList,
  UsageRow,
} from './types.ts';

export interface GatewaysAuthorizeQuery {
  /** The scopes that the request needs, with commas between. Empty for none. */
  scopes?: string | undefined;
  /** The tenant that the key must belong to. By default any that the caller may reach. */
  tenantId?: string | undefined;
  /** The units that the request costs. By default 1. */
  cost?: number | undefined;
  /** Limits that the request names, with commas between, each with a cost after a colon if need be. */
  limits?: string | undefined;
  /** Whether to ask the tenant's object even where an answer from memory would do. */
  fresh?: boolean | undefined;
}

export interface KeysListQuery {
  /** The most items of the page. */
  limit?: number | undefined;
  /** The `nextCursor` of the page before, with the same filters and order. */
  cursor?: string | undefined;
  /** By creation: the oldest or the newest first. */
  order?: 'asc' | 'desc' | undefined;
  /** Keys in any of these statuses. */
  status?: readonly ('active' | 'rotating' | 'rotated' | 'disabled' | 'expired' | 'revoked')[] | undefined;
  /** Keys of this owner. */
  owner?: string | undefined;
  /** Keys with this prefix. */
  prefix?: string | undefined;
  /** Keys whose name starts with this text. */
  name?: string | undefined;
  /** Keys whose name contains this text, whatever the case or the form of Unicode. */
  search?: string | undefined;
  /** Keys that expire before this time. */
  expiresBefore?: string | Date | undefined;
}

export interface RotationsListQuery {
  /** The most items of the page. */
  limit?: number | undefined;
  /** The `nextCursor` of the page before, with the same filters and order. */
  cursor?: string | undefined;
  /** Rotations in this state. */
  state?: 'grace' | 'completed' | 'cancelled' | undefined;
}

export interface OwnersListQuery {
  /** The most items of the page. */
  limit?: number | undefined;
  /** The `nextCursor` of the page before, with the same filters and order. */
  cursor?: string | undefined;
  /** By creation: the oldest or the newest first. */
  order?: 'asc' | 'desc' | undefined;
  /** Owners that are enabled, or those that are not. */
  enabled?: boolean | undefined;
  /** Owners whose id or name contains this text. */
  search?: string | undefined;
}

export interface PlansListQuery {
  /** The most items of the page. */
  limit?: number | undefined;
  /** The `nextCursor` of the page before, with the same filters and order. */
  cursor?: string | undefined;
  /** By creation: the oldest or the newest first. */
  order?: 'asc' | 'desc' | undefined;
}

export interface TenantsListQuery {
  /** The most items of the page. */
  limit?: number | undefined;
  /** The `nextCursor` of the page before, with the same filters and order. */
  cursor?: string | undefined;
}

export interface ManagementKeysListQuery {
  /** The most items of the page. */
  limit?: number | undefined;
  /** The `nextCursor` of the page before, with the same filters and order. */
  cursor?: string | undefined;
  /** Management keys in any of these statuses. */
  status?: readonly ('active' | 'rotating' | 'rotated' | 'disabled' | 'expired' | 'revoked')[] | undefined;
}

export interface AuditListOfDeploymentQuery {
  /** The most items of the page. */
  limit?: number | undefined;
  /** The `nextCursor` of the page before, with the same filters and order. */
  cursor?: string | undefined;
  /** Entries of this action. */
  action?:
    | 'tenant.create'
    | 'tenant.update'
    | 'tenant.delete'
    | 'key.create'
    | 'key.import'
    | 'key.update'
    | 'key.credits'
    | 'key.rotate'
    | 'key.revoke'
    | 'key.revoke_owner'
    | 'key.delete'
    | 'key.reveal'
    | 'key.rotation_complete'
    | 'key.rotation_cancel'
    | 'owner.create'
    | 'owner.update'
    | 'owner.credits'
    | 'owner.delete'
    | 'plan.create'
    | 'plan.update'
    | 'plan.delete'
    | 'encryption.reseal'
    | 'cleanup.run'
    | undefined;
  /** Entries that concern this key. */
  keyId?: string | undefined;
  /** Entries of the caller with this id. */
  actor?: string | undefined;
  /** Entries of changes on behalf of this person. */
  onBehalfOf?: string | undefined;
  /** Entries of this time or later. */
  since?: string | Date | undefined;
  /** Entries before this time. */
  until?: string | Date | undefined;
}

export interface AuditListQuery {
  /** The most items of the page. */
  limit?: number | undefined;
  /** The `nextCursor` of the page before, with the same filters and order. */
  cursor?: string | undefined;
  /** Entries of this action. */
  action?:
    | 'tenant.create'
    | 'tenant.update'
    | 'tenant.delete'
    | 'key.create'
    | 'key.import'
    | 'key.update'
    | 'key.credits'
    | 'key.rotate'
    | 'key.revoke'
    | 'key.revoke_owner'
    | 'key.delete'
    | 'key.reveal'
    | 'key.rotation_complete'
    | 'key.rotation_cancel'
    | 'owner.create'
    | 'owner.update'
    | 'owner.credits'
    | 'owner.delete'
    | 'plan.create'
    | 'plan.update'
    | 'plan.delete'
    | 'encryption.reseal'
    | 'cleanup.run'
    | undefined;
  /** Entries that concern this key. */
  keyId?: string | undefined;
  /** Entries of the caller with this id. */
  actor?: string | undefined;
  /** Entries of changes on behalf of this person. */
  onBehalfOf?: string | undefined;
  /** Entries of this time or later. */
  since?: string | Date | undefined;
  /** Entries before this time. */
  until?: string | Date | undefined;
}

export interface UsageReadQuery {
  /** The start of the time. By default a day, 30 days or a year before its end, by `interval`. */
  from?: string | Date | undefined;
  /** The end of the time. By default now. */
  to?: string | Date | undefined;
  /** What a row sums up. */
  interval?: 'hour' | 'day' | 'month' | undefined;
  /** What rows are apart by. By default all verifications of a time are one row. */
  groupBy?: 'key' | 'owner' | 'code' | 'plan' | undefined;
  /** Verifications of this key. */
  keyId?: string | undefined;
  /** Verifications of keys of this owner. */
  owner?: string | undefined;
  /** Verifications that were answered with this code. */
  code?:
    | 'VALID'
    | 'REVOKED'
    | 'EXPIRED'
    | 'ROTATED'
    | 'DISABLED'
    | 'TENANT_DISABLED'
    | 'OWNER_DISABLED'
    | 'INSUFFICIENT_SCOPES'
    | 'RATE_LIMITED'
    | 'QUOTA_EXCEEDED'
    | 'INSUFFICIENT_CREDITS'
    | undefined;
  /** The most items of the page. */
  limit?: number | undefined;
  /** The `nextCursor` of the page before, with the same filters and order. */
  cursor?: string | undefined;
}

export interface KeysResource {
  /** Creates a key and returns its key string, which is not shown again. */
  create(tenantId: string, body: KeysCreateBody, options?: ChangeOptions): Promise<KeyWithSecret>;

  /** Lists keys, filtered, page by page: by cursor or by offset. */
  list(tenantId: string, query?: KeysListQuery, options?: CallOptions): OffsetList<Key, KeyPage, KeyPageByOffset>;

  /** Counts keys by status. */
  count(tenantId: string, options?: CallOptions): Promise<KeyCounts>;

  /** Creates up to 500 keys: all of them or none. */
  createMany(tenantId: string, body: KeysCreateManyBody, options?: ChangeOptions): Promise<KeysWithSecrets>;

  /** Imports up to 500 keys that were issued elsewhere, by their hashes: all of them or none. */
  import(tenantId: string, body: KeysImportBody, options?: ChangeOptions): Promise<ImportedKeys>;

  /** Revokes up to 500 keys by id, or all keys of an owner: all of them or none. */
  revokeMany(tenantId: string, body: KeysRevokeManyBody, options?: ChangeOptions): Promise<RevocationCount>;

  /** Reads a key. */
  get(tenantId: string, keyId: string, options?: CallOptions): Promise<Key>;

  /** Changes the given fields of a key. */
  update(tenantId: string, keyId: string, body: KeysUpdateBody, options?: ConditionalOptions): Promise<Key>;

  /** Deletes a key; the audit log keeps its entries. */
  delete(tenantId: string, keyId: string, options?: ConditionalOptions): Promise<void>;

  /** Replaces a key by a successor; the key keeps working until its grace period ends. */
  rotate(tenantId: string, keyId: string, body?: KeysRotateBody, options?: ConditionalOptions): Promise<KeyRotation>;

  /** Revokes a key for good, on request with all keys of its lineage. */
  revoke(tenantId: string, keyId: string, body?: KeysRevokeBody, options?: ConditionalOptions): Promise<Key>;

  /** Returns the key string again, if the tenant allows it. */
  reveal(tenantId: string, keyId: string, options?: ConditionalOptions): Promise<KeyString>;

  /** Sets, increments or decrements the credits of a key. */
  changeCredits(
    tenantId: string,
    keyId: string,
    body: KeysChangeCreditsBody,
    options?: ConditionalOptions,
  ): Promise<Key>;
}

export interface RotationsResource {
  /** Lists rotations, the newest first. */
  list(tenantId: string, query?: RotationsListQuery, options?: CallOptions): List<Rotation, RotationList>;

  /** Ends the grace period of a rotated key now. */
  complete(tenantId: string, keyId: string, options?: ConditionalOptions): Promise<Key>;

  /** Cancels a rotation: the key stays, its successor is revoked. */
  cancel(tenantId: string, keyId: string, options?: ConditionalOptions): Promise<Key>;
}

export interface OwnersResource {
  /** Creates an owner before its first key. */
  create(tenantId: string, body: OwnersCreateBody, options?: ChangeOptions): Promise<Owner>;

  /** Lists owners, filtered, page by page. */
  list(tenantId: string, query?: OwnersListQuery, options?: CallOptions): List<Owner, OwnerList>;

  /** Reads an owner. */
  get(tenantId: string, ownerId: string, options?: CallOptions): Promise<Owner>;

  /** Changes the given fields of an owner; disabling it stops all its keys at once. */
  update(tenantId: string, ownerId: string, body: OwnersUpdateBody, options?: ConditionalOptions): Promise<Owner>;

  /** Deletes an owner whose keys have all ended. */
  delete(tenantId: string, ownerId: string, options?: ConditionalOptions): Promise<void>;

  /** Sets, increments or decrements the credits of an owner. */
  changeCredits(
    tenantId: string,
    ownerId: string,
    body: KeysChangeCreditsBody,
    options?: ConditionalOptions,
  ): Promise<Owner>;
}

export interface PlansResource {
  /** Creates a plan. */
  create(tenantId: string, body: PlansCreateBody, options?: ChangeOptions): Promise<Plan>;

  /** Lists plans, page by page. */
  list(tenantId: string, query?: PlansListQuery, options?: CallOptions): List<Plan, PlanList>;

  /** Reads a plan. */
  get(tenantId: string, planId: string, options?: CallOptions): Promise<Plan>;

  /** Changes the given fields of a plan, for all its keys at once. */
  update(tenantId: string, planId: string, body: PlansUpdateBody, options?: ConditionalOptions): Promise<Plan>;

  /** Deletes a plan that no key and no owner has. */
  delete(tenantId: string, planId: string, options?: ConditionalOptions): Promise<void>;
}

export interface LimitsResource {
  /** Counts a use by an identifier, by a limit of the tenant, and says whether it is allowed. */
  check(tenantId: string, body: LimitsCheckBody, options?: CallOptions): Promise<LimitCheck>;
}

export interface TenantsResource {
  /** Creates a tenant. */
  create(body?: TenantsCreateBody, options?: ChangeOptions): Promise<Tenant>;

  /** Lists tenants; a caller confined to a tenant sees only that one. */
  list(query?: TenantsListQuery, options?: CallOptions): List<Tenant, TenantList>;

  /** Reads a tenant. */
  get(tenantId: string, options?: CallOptions): Promise<Tenant>;

  /** Changes the given fields and settings of a tenant. */
  update(tenantId: string, body: TenantsUpdateBody, options?: ChangeOptions): Promise<Tenant>;

  /** Deletes a tenant with everything in it. */
  delete(tenantId: string, options?: ChangeOptions): Promise<void>;
}

export interface ManagementKeysResource {
  /** Creates a management key and returns its key string, which is not shown again. */
  create(body: ManagementKeysCreateBody, options?: ChangeOptions): Promise<ManagementKeyWithSecret>;

  /** Lists management keys; a caller confined to a tenant sees only those confined to it. */
  list(query?: ManagementKeysListQuery, options?: CallOptions): List<ManagementKey, ManagementKeyList>;

  /** Reads a management key. */
  get(keyId: string, options?: CallOptions): Promise<ManagementKey>;

  /** Replaces a management key by a successor; the key keeps working until its grace period ends. */
  rotate(keyId: string, body?: ManagementKeysRotateBody, options?: ConditionalOptions): Promise<ManagementKeyRotation>;

  /** Revokes a management key for good. */
  revoke(keyId: string, body?: KeysRevokeBody, options?: ConditionalOptions): Promise<ManagementKey>;
}

export interface EncryptionResource {
  /** Counts what depends on each keyring entry. */
  get(tenantId: string, options?: CallOptions): Promise<EncryptionOverview>;

  /** Seals a batch of envelopes anew, with the current keyring entry. */
  reseal(tenantId: string, options?: ChangeOptions): Promise<ResealProgress>;
}

export interface CleanupResource {
  /** Lists the reports of recent cleanup passes, and when the next one is due. */
  list(tenantId: string, options?: CallOptions): Promise<CleanupList>;

  /** Runs a cleanup pass now and reports what it did. */
  run(tenantId: string, options?: ChangeOptions): Promise<CleanupReport>;
}

export interface AuditResource {
  /** Lists the audit log of the deployment: tenants created and deleted. */
  listOfDeployment(query?: AuditListOfDeploymentQuery, options?: CallOptions): List<AuditEntry, AuditList>;

  /** Lists the audit log of a tenant, the newest entries first. */
  list(tenantId: string, query?: AuditListQuery, options?: CallOptions): List<AuditEntry, AuditList>;
}

export interface UsageResource {
  /** Reads how many verifications there were, by hour, day or month, as JSON or CSV. */
  read(tenantId: string, query?: UsageReadQuery, options?: CallOptions): List<UsageRow, UsageList>;
}

export interface MetricsResource {
  /** Returns the metrics of the isolate that answers, for Prometheus. */
  read(options?: CallOptions): Promise<string>;
}

export interface ServiceResource {
  /** Says that the process answers. */
  health(options?: CallOptions): Promise<{
    /** Always `ok`. */
    status: 'ok';
    /** The version of the program. */
    version: string;
  }>;

  /** Says whether requests can be served. */
  readiness(options?: CallOptions): Promise<{
    /** Always `ok`. */
    status: 'ok';
  }>;

  /** Returns this description. */
  description(options?: CallOptions): Promise<Record<string, unknown>>;

  /** Shows this description as a page for people. */
  docs(options?: CallOptions): Promise<string>;
}

/** All operations, in groups. */
export interface Resources {
  readonly keys: KeysResource;
  readonly rotations: RotationsResource;
  readonly owners: OwnersResource;
  readonly plans: PlansResource;
  readonly limits: LimitsResource;
  readonly tenants: TenantsResource;
  readonly managementKeys: ManagementKeysResource;
  readonly encryption: EncryptionResource;
  readonly cleanup: CleanupResource;
  readonly audit: AuditResource;
  readonly usage: UsageResource;
  readonly metrics: MetricsResource;
  readonly service: ServiceResource;
}

/**
 * How each of them is sent: method, path, and what it takes. `body` and `query` are arguments after those of the
 * path, a `list` is read page by page, and `once` says that it takes an `Idempotency-Key`.
 */
export const OPERATIONS = {
  keys: {
    create: 'POST /v1/tenants/{tenantId}/keys body once',
    list: 'GET /v1/tenants/{tenantId}/keys list',
    count: 'GET /v1/tenants/{tenantId}/keys/counts',
    createMany: 'POST /v1/tenants/{tenantId}/keys/bulk body once',
    import: 'POST /v1/tenants/{tenantId}/keys/import body once',
    revokeMany: 'POST /v1/tenants/{tenantId}/keys/revoke body once',
    get: 'GET /v1/tenants/{tenantId}/keys/{keyId}',
    update: 'PATCH /v1/tenants/{tenantId}/keys/{keyId} body once',
    delete: 'DELETE /v1/tenants/{tenantId}/keys/{keyId} once',
    rotate: 'POST /v1/tenants/{tenantId}/keys/{keyId}/rotate body once',
    revoke: 'POST /v1/tenants/{tenantId}/keys/{keyId}/revoke body once',
    reveal: 'POST /v1/tenants/{tenantId}/keys/{keyId}/reveal once',
    changeCredits: 'POST /v1/tenants/{tenantId}/keys/{keyId}/credits body once',
  },
  rotations: {
    list: 'GET /v1/tenants/{tenantId}/rotations list',
    complete: 'POST /v1/tenants/{tenantId}/keys/{keyId}/rotation/complete once',
    cancel: 'POST /v1/tenants/{tenantId}/keys/{keyId}/rotation/cancel once',
  },
  owners: {
    create: 'POST /v1/tenants/{tenantId}/owners body once',
    list: 'GET /v1/tenants/{tenantId}/owners list',
    get: 'GET /v1/tenants/{tenantId}/owners/{ownerId}',
    update: 'PATCH /v1/tenants/{tenantId}/owners/{ownerId} body once',
    delete: 'DELETE /v1/tenants/{tenantId}/owners/{ownerId} once',
    changeCredits: 'POST /v1/tenants/{tenantId}/owners/{ownerId}/credits body once',
  },
  plans: {
    create: 'POST /v1/tenants/{tenantId}/plans body once',
    list: 'GET /v1/tenants/{tenantId}/plans list',
    get: 'GET /v1/tenants/{tenantId}/plans/{planId}',
    update: 'PATCH /v1/tenants/{tenantId}/plans/{planId} body once',
    delete: 'DELETE /v1/tenants/{tenantId}/plans/{planId} once',
  },
  limits: { check: 'POST /v1/tenants/{tenantId}/limits/check body' },
  tenants: {
    create: 'POST /v1/tenants body once',
    list: 'GET /v1/tenants list',
    get: 'GET /v1/tenants/{tenantId}',
    update: 'PATCH /v1/tenants/{tenantId} body once',
    delete: 'DELETE /v1/tenants/{tenantId} once',
  },
  managementKeys: {
    create: 'POST /v1/management-keys body once',
    list: 'GET /v1/management-keys list',
    get: 'GET /v1/management-keys/{keyId}',
    rotate: 'POST /v1/management-keys/{keyId}/rotate body once',
    revoke: 'POST /v1/management-keys/{keyId}/revoke body once',
  },
  encryption: {
    get: 'GET /v1/tenants/{tenantId}/encryption',
    reseal: 'POST /v1/tenants/{tenantId}/encryption/reseal once',
  },
  cleanup: { list: 'GET /v1/tenants/{tenantId}/cleanup', run: 'POST /v1/tenants/{tenantId}/cleanup once' },
  audit: { listOfDeployment: 'GET /v1/audit list', list: 'GET /v1/tenants/{tenantId}/audit list' },
  usage: { read: 'GET /v1/tenants/{tenantId}/usage list' },
  metrics: { read: 'GET /metrics text/plain' },
  service: {
    health: 'GET /healthz',
    readiness: 'GET /readyz',
    description: 'GET /openapi.json',
    docs: 'GET /docs text/html',
  },
} as const;
