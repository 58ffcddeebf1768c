/**
 * An example of the body and of the response of each operation. A test parses them with the schemas of the operation,
 * and sends the bodies to a Worker.
 */
import { DEFAULT_SETTINGS } from '../../../domain/tenants/record.ts';
import { ROLES } from '../../auth/principal.ts';

export type Example = { readonly request?: unknown; readonly response?: unknown };

const TENANT_ID = 'acme';
const OWNER_ID = 'customer-17';
const PLAN_ID = 'gold';
const KEY_ID = 'key_0ERzJOXhf2wvA8dMx';
const SUCCESSOR_ID = 'key_0ERzJQfPq7cTb3kVn';
const MANAGEMENT_KEY_ID = 'key_0ERzJMw20wvA8QGwQ';
// Of the right form, with a wrong checksum: they belong to nobody.
const SECRET = 'ks_0ERzKy9Pf34qY6Nb3wWD25RQ4F5ZR3qa7yEeeby3abP3E2Zs8IQ9Y7aJZqhB6baeCN6Zj4a3dDVhYRnKTbxTNJFo5gKv';
const SUCCESSOR_SECRET =
  'ks_0ERzBinF5aJXVuLkSIc47WQAmL9xVQ2zg4mZaouqKLiMcVbpT4r5yHUig43kiJfahqSIjOugM1yTMAd7V3DnI8lFX8w3';
const MANAGEMENT_SECRET =
  'ksm_0ERzPPwtV5ASPZHu8qRtZHjQMhuOzE95B9EgE0VrbBGI09QYNdaKy8isWydfhl3TvtnythpZPPPP6UeP3C4DSA7LQGwQ';

const CREATED = '2026-11-22T17:21:22.937Z';
const ROTATED = '2026-11-23T09:00:00.000Z';
const GRACE_END = '2026-12-23T09:00:00.000Z';
const ADMIN = { type: 'admin_token', id: 'admin' };

const page = (data: readonly unknown[], limit = 25) => ({ data, page: { limit, nextCursor: null, hasMore: false } });

const RATE_LIMITS = [{ name: 'calls', limit: 100, windowSeconds: 60, per: 'key', automatic: true }];
const QUOTAS = [{ name: 'exports', limit: 1000, period: 'month', per: 'owner', automatic: false }];
const SIGN_UPS = { name: 'sign-ups', limit: 5, windowSeconds: 3600 };
const REFILL = { amount: 100, interval: 'month', day: 1 };
const NEVER_ROTATED = { replaces: null, replacedBy: null, rotatedAt: null, graceEndsAt: null };

const lifecycle = {
  createdAt: CREATED,
  createdBy: ADMIN,
  updatedAt: CREATED,
  expiresAt: null,
  revokedAt: null,
  revokedBy: null,
  lastUsedAt: null,
  version: 1,
  rotation: NEVER_ROTATED,
};
const key = {
  id: KEY_ID,
  tenantId: TENANT_ID,
  name: 'Backend',
  prefix: 'ks',
  hint: 'ks_...5gKv',
  imported: false,
  owner: OWNER_ID,
  scopes: ['invoices:*'],
  metadata: { team: 'billing' },
  status: 'active',
  enabled: true,
  plan: null,
  rateLimits: [],
  quotas: [],
  credits: null,
  ...lifecycle,
};
const rotated = {
  ...key,
  status: 'rotating',
  updatedAt: ROTATED,
  version: 2,
  rotation: { replaces: null, replacedBy: SUCCESSOR_ID, rotatedAt: ROTATED, graceEndsAt: GRACE_END },
};
const successor = {
  ...key,
  id: SUCCESSOR_ID,
  hint: 'ks_...X8w3',
  createdAt: ROTATED,
  updatedAt: ROTATED,
  rotation: { ...NEVER_ROTATED, replaces: KEY_ID },
};
/** SHA-256 of `acme-example-key-1`. */
const HASH = { algorithm: 'sha256', value: 'liIzEPYL9VZn2l-BiiukIxc2sdCUuA_pVcMQKFxs884', encoding: 'base64url' };
const importedKey = { ...key, prefix: 'acme', hint: 'acme...y-1', imported: true };
const changedKey = {
  ...key,
  name: 'Backend of the shop',
  rateLimits: RATE_LIMITS,
  credits: { remaining: 500, refill: REFILL, nextRefillAt: '2026-12-01T00:00:00.000Z' },
  updatedAt: ROTATED,
  version: 2,
};
const revoked = { ...key, status: 'revoked', updatedAt: ROTATED, revokedAt: ROTATED, revokedBy: ADMIN, version: 2 };

const owner = {
  id: OWNER_ID,
  tenantId: TENANT_ID,
  name: 'Customer 17',
  metadata: { region: 'eu' },
  enabled: true,
  plan: PLAN_ID,
  credits: { remaining: 1000, refill: null, nextRefillAt: null },
  createdAt: CREATED,
  createdBy: ADMIN,
  updatedAt: CREATED,
  version: 1,
};
const plan = {
  id: PLAN_ID,
  tenantId: TENANT_ID,
  name: 'Gold',
  rateLimits: RATE_LIMITS,
  quotas: QUOTAS,
  allowedScopes: ['invoices:*'],
  createdAt: CREATED,
  createdBy: ADMIN,
  updatedAt: CREATED,
  version: 1,
};
const tenant = {
  id: TENANT_ID,
  name: 'Acme',
  status: 'active',
  settings: {
    gracePeriodSeconds: 2_592_000,
    keyPrefix: 'ks',
    retentionSeconds: 2_592_000,
    storage: 'sealed',
    allowReveal: true,
    leaseSeconds: 1,
    auditRetentionSeconds: null,
    usageHourRetentionSeconds: DEFAULT_SETTINGS.usageHourRetentionSeconds,
    usageDayRetentionSeconds: DEFAULT_SETTINGS.usageDayRetentionSeconds,
  },
  limits: { rateLimits: [], quotas: [] },
  createdAt: CREATED,
  updatedAt: CREATED,
};
const managementKey = {
  id: MANAGEMENT_KEY_ID,
  name: 'API gateway',
  role: 'verifier',
  permissions: [...ROLES.verifier],
  tenantId: TENANT_ID,
  hint: 'ksm_...QGwQ',
  status: 'active',
  ...lifecycle,
};
const cleanup = {
  id: 'cleanup_1',
  trigger: 'manual',
  startedAt: ROTATED,
  durationMs: 3,
  expired: 0,
  rotationsEnded: 0,
  purged: 0,
  idempotencyPurged: 0,
  auditTrimmed: 0,
  usageTrimmed: 0,
  remaining: 0,
};

const auditOf = (action: string, more: object) => ({
  id: 'op_0ERzKMt3xY7bVq2Lw',
  at: CREATED,
  action,
  actor: ADMIN,
  ...more,
  requestId: 'checkout-7f3a',
});

/** By the id of the operation. Operations without a body have no `request`, and those that answer 204 no `response`. */
export const EXAMPLES: Readonly<Record<string, Example>> = {
  'keys.verify': {
    request: { key: SECRET, scopes: ['invoices:read'] },
    response: {
      valid: true,
      code: 'VALID',
      keyId: KEY_ID,
      tenantId: TENANT_ID,
      name: 'Backend',
      owner: OWNER_ID,
      ownerMetadata: { region: 'eu' },
      plan: PLAN_ID,
      scopes: ['invoices:*'],
      metadata: { team: 'billing' },
      expiresAt: null,
      limits: [{ name: 'calls', limit: 100, remaining: 99, resetsAt: ROTATED }],
      credits: { remaining: 999 },
      warnings: [],
    },
  },
  'leases.renew': {
    request: {
      rules: 1,
      tenants: [
        {
          tenantId: TENANT_ID,
          known: { epoch: '7f0c4b3e-8a52-4d0e-9d0f-2f6f0f3f1d11.0', seq: 42 },
          uses: [{ keyId: KEY_ID, agoMs: 250 }],
        },
      ],
    },
    response: {
      tenants: [
        {
          tenantId: TENANT_ID,
          lease: {
            epoch: '7f0c4b3e-8a52-4d0e-9d0f-2f6f0f3f1d11.0',
            seq: 43,
            from: 42,
            changed: [],
            leaseMs: 987,
            now: Date.parse(ROTATED),
            record: null,
          },
          reported: null,
        },
      ],
    },
  },
  'keys.create': {
    request: { name: 'Backend', owner: OWNER_ID, scopes: ['invoices:*'], metadata: { team: 'billing' } },
    response: { ...key, secret: SECRET },
  },
  'keys.createMany': {
    request: { keys: [{ name: 'Backend', owner: OWNER_ID, scopes: ['invoices:*'], metadata: { team: 'billing' } }] },
    response: { data: [{ ...key, secret: SECRET }] },
  },
  'keys.import': {
    request: {
      keys: [
        {
          hash: HASH,
          name: 'Backend',
          prefix: 'acme',
          hint: 'acme...y-1',
          owner: OWNER_ID,
          scopes: ['invoices:*'],
          metadata: { team: 'billing' },
          createdAt: CREATED,
        },
      ],
    },
    response: { data: [importedKey] },
  },
  'keys.list': { response: page([key]) },
  'keys.count': {
    response: { active: 1, rotating: 0, rotated: 0, disabled: 0, expired: 0, revoked: 0, total: 1, exact: true },
  },
  'keys.get': { response: key },
  'keys.update': {
    request: { name: 'Backend of the shop', rateLimits: RATE_LIMITS, credits: { remaining: 500, refill: REFILL } },
    response: changedKey,
  },
  'keys.changeCredits': {
    request: { operation: 'increment', amount: 250 },
    response: { ...changedKey, credits: { ...changedKey.credits, remaining: 750 } },
  },
  'keys.rotate': {
    request: { gracePeriodSeconds: 2_592_000 },
    response: { key: { ...successor, secret: SUCCESSOR_SECRET }, rotated },
  },
  'keys.revoke': { request: { reason: 'Found in a log' }, response: revoked },
  'keys.revokeMany': { request: { ids: [KEY_ID] }, response: { revoked: 1 } },
  'keys.reveal': { response: { secret: SECRET } },
  'rotations.list': {
    response: page([
      {
        id: SUCCESSOR_ID.replace('key_', 'rot_'),
        predecessor: KEY_ID,
        successor: SUCCESSOR_ID,
        rotatedAt: ROTATED,
        graceEndsAt: GRACE_END,
        endedAt: null,
        state: 'grace',
        by: ADMIN,
        successorFirstUsedAt: null,
        predecessorLastUsedAt: null,
      },
    ]),
  },
  'rotations.complete': {
    response: { ...rotated, status: 'rotated', version: 3, rotation: { ...rotated.rotation, graceEndsAt: ROTATED } },
  },
  'rotations.cancel': { response: { ...key, updatedAt: ROTATED, version: 3 } },
  'owners.create': {
    request: {
      id: OWNER_ID,
      name: 'Customer 17',
      metadata: { region: 'eu' },
      plan: PLAN_ID,
      credits: { remaining: 1000 },
    },
    response: owner,
  },
  'owners.list': { response: page([owner]) },
  'owners.get': { response: owner },
  'owners.update': {
    request: { enabled: false },
    response: { ...owner, enabled: false, updatedAt: ROTATED, version: 2 },
  },
  'owners.changeCredits': {
    request: { operation: 'increment', amount: 500 },
    response: { ...owner, credits: { ...owner.credits, remaining: 1500 } },
  },
  'limits.check': {
    request: { identifier: '203.0.113.7', name: 'sign-ups' },
    response: { allowed: true, code: 'VALID', name: 'sign-ups', limit: 5, remaining: 4, resetsAt: ROTATED },
  },
  'plans.create': {
    request: { id: PLAN_ID, name: 'Gold', rateLimits: RATE_LIMITS, quotas: QUOTAS, allowedScopes: ['invoices:*'] },
    response: plan,
  },
  'plans.list': { response: page([plan]) },
  'plans.get': { response: plan },
  'plans.update': { request: { quotas: null }, response: { ...plan, quotas: [], updatedAt: ROTATED, version: 2 } },
  'tenants.create': {
    request: { id: TENANT_ID, name: 'Acme', settings: { allowReveal: true } },
    response: tenant,
  },
  'tenants.list': { response: page([tenant]) },
  'tenants.get': { response: tenant },
  'tenants.update': {
    request: { settings: { gracePeriodSeconds: 86_400 }, limits: { rateLimits: [SIGN_UPS] } },
    response: {
      ...tenant,
      settings: { ...tenant.settings, gracePeriodSeconds: 86_400 },
      limits: { rateLimits: [SIGN_UPS], quotas: [] },
      updatedAt: ROTATED,
    },
  },
  'managementKeys.create': {
    request: { name: 'API gateway', role: 'verifier', tenantId: TENANT_ID },
    response: { ...managementKey, secret: MANAGEMENT_SECRET },
  },
  'managementKeys.list': { response: page([managementKey]) },
  'managementKeys.get': { response: managementKey },
  'managementKeys.rotate': {
    request: { gracePeriodSeconds: 3600 },
    response: {
      key: {
        ...managementKey,
        id: SUCCESSOR_ID,
        createdAt: ROTATED,
        updatedAt: ROTATED,
        rotation: { ...NEVER_ROTATED, replaces: MANAGEMENT_KEY_ID },
        secret: MANAGEMENT_SECRET,
      },
      rotated: {
        ...managementKey,
        status: 'rotating',
        updatedAt: ROTATED,
        version: 2,
        rotation: { ...rotated.rotation, graceEndsAt: '2026-11-23T10:00:00.000Z' },
      },
    },
  },
  'managementKeys.revoke': {
    request: { reason: 'Replaced' },
    response: {
      ...managementKey,
      status: 'revoked',
      updatedAt: ROTATED,
      revokedAt: ROTATED,
      revokedBy: ADMIN,
      version: 2,
    },
  },
  'encryption.get': { response: { current: '1', currentSignature: '1', envelopes: { 1: 1 }, signatures: { 1: 1 } } },
  'encryption.reseal': { response: { resealed: 0, remaining: 0 } },
  'cleanup.list': { response: { data: [cleanup], nextAlarmAt: null } },
  'cleanup.run': { response: cleanup },
  'usage.read': {
    response: page([{ start: '2026-11-22T00:00:00.000Z', verifications: 1, valid: 1, units: 1 }], 100),
  },
  'metrics.read': {
    response:
      '# HELP keystead_build_info The version of the program.\n# TYPE keystead_build_info gauge\n' +
      'keystead_build_info{version="1.0.0"} 1\n',
  },
  'audit.list': { response: page([auditOf('key.create', { keyId: KEY_ID })]) },
  'audit.listOfDeployment': { response: page([auditOf('tenant.delete', { changes: { tenantId: TENANT_ID } })]) },
};
