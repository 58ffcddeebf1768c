/**
 * What the description of the API says beyond schemas: names of components, and what each field, parameter and tag
 * means. A test fails when one of them is missing, and names it.
 */
import type * as v from 'valibot';
import { auditEntry, auditList } from '../audit/schemas.ts';
import { cleanupList, cleanupReport } from '../cleanup/schemas.ts';
import { creditsOut } from '../credits/schemas.ts';
import { encryptionOverview, resealProgress } from '../encryption/schemas.ts';
import { pageOut } from '../fields.ts';
import { importedKeys } from '../keys/import-schemas.ts';
import {
  actorOut,
  bulkKeys,
  keyCounts,
  keyList,
  keyListByOffset,
  keyResource,
  keyWithSecret,
  listedKeys,
  revealedKey,
  revocationCount,
  rotationOut,
  rotationResult,
} from '../keys/schemas.ts';
import { leaseOut } from '../leases/schemas.ts';
import { checkOut, limitFields, limitOut, tenantLimitsOut } from '../limits/schemas.ts';
import {
  managementKeyList,
  managementKeyResource,
  managementKeyWithSecret,
  managementRotationResult,
} from '../management-keys/schemas.ts';
import { ownerList, ownerResource } from '../owners/schemas.ts';
import { planList, planResource } from '../plans/schemas.ts';
import type { ProblemCode } from '../problems.ts';
import { rotationList, rotationResource } from '../rotations/schemas.ts';
import { tenantList, tenantResource } from '../tenants/schemas.ts';
import { usageList, usageRow } from '../usage/schemas.ts';
import { verification } from '../verification/schemas.ts';

/**
 * Schemas of responses that have a name of their own. One that is missing here gets a name from its operation
 * (`KeysGetResponse`), or is written out where it is used.
 */
export const COMPONENTS: Readonly<Record<string, v.GenericSchema>> = {
  Key: keyResource,
  KeyWithSecret: keyWithSecret,
  KeyRotation: rotationResult,
  KeyPage: keyList,
  KeyPageByOffset: keyListByOffset,
  KeyList: listedKeys,
  KeyCounts: keyCounts,
  KeysWithSecrets: bulkKeys,
  ImportedKeys: importedKeys,
  RevocationCount: revocationCount,
  KeyString: revealedKey,
  Verification: verification,
  Lease: leaseOut,
  Lineage: rotationOut,
  Actor: actorOut.wrapped,
  RateLimit: limitFields.rateLimits.item,
  Quota: limitFields.quotas.item,
  LimitState: limitOut,
  LimitCheck: checkOut,
  Credits: creditsOut.wrapped,
  TenantLimits: tenantLimitsOut,
  Rotation: rotationResource,
  RotationList: rotationList,
  Owner: ownerResource,
  OwnerList: ownerList,
  Plan: planResource,
  PlanList: planList,
  Tenant: tenantResource,
  TenantList: tenantList,
  ManagementKey: managementKeyResource,
  ManagementKeyWithSecret: managementKeyWithSecret,
  ManagementKeyRotation: managementRotationResult,
  ManagementKeyList: managementKeyList,
  EncryptionOverview: encryptionOverview,
  ResealProgress: resealProgress,
  CleanupReport: cleanupReport,
  CleanupList: cleanupList,
  AuditEntry: auditEntry,
  AuditList: auditList,
  UsageRow: usageRow,
  UsageList: usageList,
  PageInfo: pageOut,
};

/** What a tag, the first part of an operation's id, is about. */
export const TAGS: Readonly<Record<string, string>> = {
  keys: 'Keys of customers: issue, verify, change, rotate, revoke.',
  leases: 'Leases of programs that verify keys themselves, such as the TypeScript client.',
  gateways: 'The check for gateways: nginx, Caddy, Traefik, Envoy.',
  rotations: 'Rotations of keys that are under way or have ended.',
  owners: 'Owners: your customers, to whom keys belong.',
  plans: 'Plans: limits and allowed scopes for any number of keys.',
  limits: 'Limits of a tenant, for what has no key.',
  tenants: 'Tenants: keys of one tenant are apart from those of all others.',
  managementKeys: 'Management keys: the callers of this API.',
  encryption: 'Encryption of stored key strings.',
  cleanup: 'The cleanup of ended keys and old records.',
  audit: 'The audit log.',
  usage: 'How many verifications there were.',
  metrics: 'Numbers of the service itself, for monitoring.',
  service: 'The service itself. No token is needed.',
};

/** What only a sentence can say of an operation. */
export const NOTES: Readonly<Record<string, string>> = {
  'keys.verify':
    'Answers 200 for every well-formed request: decide by `valid`, and by `code` why not. ' +
    'A verification is not a change, and one that is repeated counts again.',
  'leases.renew':
    'For programs that hold leases; the client does this by itself. A lease is null where none can be given: then ' +
    'its holder verifies by calls.',
  'gateways.authorize':
    'The same verification as `POST /v1/keys/verify`. The gateway sets `X-Keystead-Token` to its own token, and what ' +
    'the request needs in the query. Any method will do, and no body is read.',
  'gateways.authorizeBelow': 'For Envoy. What the request needs is in the header `X-Keystead-Query`.',
  'keys.create': 'The key string is `secret`.',
  'keys.createMany': 'The keys in the answer have the order of the request.',
  'keys.import':
    'What is kept of a hash is a keyed digest. Verify such a key with `tenantId`, or as a caller confined to the ' +
    'tenant. Its rotation gives a key of the usual form. The keys in the answer have the order of the request.',
  'keys.revoke': 'Revoking again answers 200 with the first `revokedAt`.',
  'keys.delete': 'Verifications of the key string then answer `NOT_FOUND`.',
  'keys.reveal': 'Always recorded in the audit log. `Idempotency-Key` has no effect: repeating it changes nothing.',
  'keys.rotate':
    'The successor takes over what the request does not name. One that may do more than the key needs ' +
    '`keys:update` or `keys:create` as well.',
  'keys.changeCredits': 'A decrement stops at 0. Send an `Idempotency-Key`, so that a repeated request counts once.',
  'owners.changeCredits': 'A decrement stops at 0. Send an `Idempotency-Key`, so that a repeated request counts once.',
  'limits.check': 'Answers 200 whether it is allowed or not. A check that is repeated counts again.',
  'encryption.reseal':
    'Repeat it until `remaining` is 0. `Idempotency-Key` has no effect: repeating it changes nothing.',
  'tenants.delete': 'Returns when all data of the tenant is gone, the audit log included.',
};

/**
 * What a field means. A longer path counts before a shorter one: `KeyCounts.total` before `total`. Fields of bodies
 * have paths like `KeysCreateBody.name`, query parameters like `keys.list?status` or, for all operations, `?limit`.
 */
export const FIELDS: Readonly<Record<string, string>> = {
  // ---- keys ----
  id: 'Identifies the resource; not secret.',
  tenantId: 'The tenant that it belongs to.',
  name: 'For people.',
  prefix: 'The start of the key string. By default that of the tenant.',
  hint: 'To tell keys apart: prefix and last four characters of the key string, or what the import said.',
  imported: 'Whether it was issued elsewhere and imported. Then its key string cannot be shown.',
  owner: 'The id of a customer of yours; null for none.',
  scopes: 'What the key may do. `a:*` covers every scope that starts with `a:`, and `*` covers all.',
  metadata: 'A JSON object of yours, part of each verification. At most 4,096 bytes, 8 levels and 1,000 values.',
  status: 'What the key is at this moment.',
  enabled: '`false` switches it off until it is `true` again.',
  plan: 'The plan that gives it limits and allowed scopes; null for that of its owner.',
  rateLimits: 'At most so many units in any interval of so many seconds.',
  quotas: 'At most so many units in each period of the UTC calendar.',
  createdAt: 'When it was created.',
  createdBy: 'Who created it; null if that was before it was recorded.',
  updatedAt: 'When its record last changed.',
  expiresAt: 'When it stops working; null for never.',
  revokedAt: 'When it was revoked; null if it was not.',
  revokedBy: 'Who revoked it; null if it was not revoked, or before it was recorded.',
  lastUsedAt: 'The last valid use, to the minute; null for none.',
  version: 'Grows with each change. The entity tag is made from it.',
  rotation: 'Predecessor and successor of the key, and its grace period.',
  replaces: 'The id of the predecessor; null for none.',
  replacedBy: 'The id of the successor; null for none.',
  rotatedAt: 'When it was rotated; null if it was not.',
  graceEndsAt: 'When the grace period ends or ended; null without one.',
  secret: 'The key string. It is secret, and only this answer shows it.',
  'KeyString.secret': 'The key string.',
  key: 'The successor, with its key string.',
  rotated: 'The key that was replaced.',
  data: 'The items, in order.',
  page: 'Where this page is in the list.',
  gracePeriodSeconds: 'How long the key stays valid after the rotation. By default what the tenant has.',
  reason: 'For the audit log.',
  lineage: 'Whether to revoke every predecessor and successor as well.',
  ids: 'Ids of keys.',
  'KeysRevokeManyBody.owner': 'Revokes all keys of this owner.',
  keys: 'The keys to create: all of them or none.',
  revoked: 'How many keys are revoked now that were not before.',
  'KeysImportBody.keys': 'The keys to import: all of them or none.',
  'KeysImportItem.prefix': 'The start of the key string, as it is to be shown.',
  'KeysImportItem.hint': 'What people recognise the key by. By default the prefix. Never the whole key string.',
  'KeysImportItem.createdAt': 'When it was issued; null for now. Not in the future, and not before the year 2000.',
  hash: 'The hash of the whole key string, as UTF-8.',
  algorithm: 'The hash function. Slow hashes with a salt, like bcrypt and argon2, cannot be imported.',
  'hash.value': 'The 32 bytes of the hash, written as `encoding` says.',
  encoding: '`hex` in lower case, `base64` with padding, or `base64url` without.',

  // ---- counts ----
  'KeyCounts.active': 'In use.',
  'KeyCounts.rotating': 'Replaced, in their grace period.',
  'KeyCounts.rotated': 'Replaced, and the grace period is over.',
  'KeyCounts.disabled': 'Switched off.',
  'KeyCounts.expired': 'Past their end.',
  'KeyCounts.revoked': 'Ended for good.',
  'KeyCounts.total': 'All of them.',
  exact: 'Whether every number is exact at this moment; `total` always is.',

  // ---- pages ----
  'PageInfo.limit': 'The `limit` of the request.',
  'page.limit': 'The `limit` of the request.',
  nextCursor: 'The `cursor` of the next page; null on the last page.',
  hasMore: 'Whether there are more items. A page may have fewer items than `limit` while there are.',
  offset: 'The `offset` of the request.',
  total: 'How many keys match.',
  totalIsExact: 'Whether exactly so many match; otherwise at least so many.',

  // ---- limits ----
  'rateLimits.name': 'No two limits of a key have the same name.',
  'quotas.name': 'No two limits of a key have the same name.',
  'RateLimit.name': 'No two limits of a key have the same name.',
  'Quota.name': 'No two limits of a key have the same name.',
  'LimitState.name': 'The name of the limit.',
  limit: 'The most units that it admits.',
  windowSeconds: 'The length of the interval in seconds.',
  period: 'The period of the calendar. Weeks start on Monday.',
  per: '`key`: the use of the key with all its predecessors and successors. `owner`: that of all keys of its owner.',
  automatic: 'Whether each verification counts; otherwise only those that name the limit.',
  remaining: 'How many units are left.',
  resetsAt: 'When all of it is free again, if nothing more is used.',
  retryAfterMs: 'In how many milliseconds it would admit this cost; null for never. Only of a limit that refused.',
  allowedScopes: 'What keys of the plan may do at most; null for whatever their own scopes say.',

  // ---- credits ----
  credits: 'Units that may be used up; null for none of its own.',
  'Owner.credits': 'Units that its keys may use up that have none of their own; null for none.',
  'Verification.credits': 'What is left of the credits that the key draws on. Of keys that draw on any.',
  'credits.remaining': 'How many units are left.',
  'Credits.remaining': 'How many units are left.',
  refill: 'What is added by and by; null for nothing.',
  'refill.amount': 'The units that are added each time.',
  'refill.interval': 'When they are added: at the start of each day, or of a day in each month, in UTC.',
  'refill.day': 'The day of the month, or its last day where it has fewer.',
  nextRefillAt: 'When the next refill is due; null for never.',
  operation: 'What to do with the balance.',
  amount: 'The new balance, or the units to add or take away.',

  // ---- limits of a tenant ----
  identifier: 'What tells one visitor from another, an address for example. Only a digest of it is kept.',
  'LimitsCheckBody.name': 'The name of a limit of the tenant.',
  allowed: 'Whether the use is allowed. Then it has been counted.',
  'LimitCheck.code': 'Why it is not allowed, or `VALID`.',
  'LimitCheck.name': 'The name of the limit.',
  'TenantLimits.rateLimits.name': 'No two limits of a tenant have the same name.',
  'TenantLimits.quotas.name': 'No two limits of a tenant have the same name.',
  'Tenant.limits': 'Limits for identifiers that are no keys.',
  'TenantsUpdateBody.limits':
    'Limits for identifiers that are no keys. An absent list keeps its value, null clears it.',
  'TenantsUpdateBody.limits.rateLimits.name': 'No two limits of a tenant have the same name.',
  'TenantsUpdateBody.limits.quotas.name': 'No two limits of a tenant have the same name.',

  // ---- verification ----
  'KeysVerifyBody.key': 'The key string that your customer sent, whatever it is.',
  'KeysVerifyBody.scopes': 'Scopes that the key must have.',
  'KeysVerifyBody.tenantId': 'The tenant that the key must belong to.',
  'KeysVerifyBody.limits': 'Limits to count beside the automatic ones, or costs of their own.',
  'KeysVerifyBody.limits.name': 'The name of the limit. Names that the key does not have limit nothing.',
  'KeysVerifyBody.limits.cost': 'Units that this limit is charged, instead of `cost`.',
  fresh: 'Whether to ask the object of the tenant even where an answer from memory would do.',
  cost: 'Units that it costs; 0 asks how the limits stand and spends nothing. By default 1.',
  valid: 'Whether the key is good for what was asked. Only `VALID` is.',
  'Verification.code': 'The first reason that applies, or `VALID`.',
  keyId: 'The id of the key.',
  ownerMetadata: 'The metadata of the owner. Of keys that have one.',
  'Verification.plan': 'The plan of the key or else of its owner. Of keys that have one.',
  limits: 'How the limits stand that applied.',
  warnings: 'What the holder of the key should know.',
  'warnings.code': 'Which warning it is.',
  message: 'For people.',

  // ---- leases ----
  'KeysVerifyBody.lease': 'From a program that verifies keys itself: asks for a lease and for the record of the key.',
  lease: 'What the program may decide by; null when there is no lease. Only when it was asked for.',
  rules: 'The version of the rules by which the program decides.',
  known: 'What the program knows of the tenant; null for nothing.',
  epoch: 'The instance of the tenant that counts the changes.',
  seq: 'The last change that is known.',
  from: '`changed` names all changes after this one. Who knows less drops all records of the tenant.',
  changed: 'Ids of changed keys, whose records are void.',
  leaseMs: 'How long the lease is, counted from before the request was sent.',
  now: 'The time of the server, in milliseconds since 1970.',
  record: 'The record of the key; null when the key is decided by the server alone.',
  'record.tenant': 'The tenant of the key.',
  'record.key': 'What the decision depends on, and what the answer shows. Times are in milliseconds since 1970.',
  incarnation: 'Tells tenants apart that had the same id one after the other.',
  ownerDisabled: 'Whether the owner is disabled.',
  'key.metadata': 'The text of a JSON object.',
  'key.ownerMetadata': 'The text of a JSON object.',
  uses: 'Uses of keys that the server has not seen.',
  agoMs: 'How long before the request.',
  'LeasesRenewBody.tenants': 'The tenants whose leases are to be renewed.',
  tenants: 'The same tenants, in the same order.',
  usage: 'Counts of verifications that the server has not seen.',
  holder: 'Names the program; the same in all its reports.',
  'usage.number': 'The number of the report. A report that is sent again has the same.',
  cells: 'The counts by key.',
  'cells.owner': 'The owner of the key then; null for none.',
  'cells.plan': 'The plan of the key then; null for none.',
  tally: 'Verifications by code, in the order of `GET …/usage`, and the units of the valid ones.',
  reported: 'The number of the report that was taken; null for none.',

  // ---- rotations ----
  predecessor: 'The id of the key that was rotated.',
  successor: 'The id of the key that replaces it.',
  endedAt: 'When the rotation ended; null while it is in its grace period.',
  state: 'In its grace period, ended, or cancelled.',
  by: 'Who rotated the key.',
  successorFirstUsedAt: 'The first valid use of the successor; null for none.',
  predecessorLastUsedAt: 'The last valid use of the predecessor; null for none.',

  // ---- owners ----
  'Owner.id': 'The `owner` of its keys.',
  'Owner.name': 'For people; null for none.',
  'Owner.enabled': '`false` stops all its keys.',
  'Owner.plan': 'The plan of its keys that name none; null for none.',
  'OwnersCreateBody.id': 'The `owner` of its keys.',
  'OwnersCreateBody.plan': 'The plan of its keys that name none; null for none.',
  'OwnersUpdateBody.plan': 'The plan of its keys that name none; null for none.',
  'OwnersUpdateBody.enabled': '`false` stops all its keys, `true` lets them go on.',

  // ---- plans ----
  'Plan.id': 'The `plan` of its keys and owners.',
  'PlansCreateBody.id': 'The `plan` of its keys and owners.',

  // ---- tenants ----
  'Tenant.status': '`disabled` stops all its keys.',
  'TenantsUpdateBody.status': '`disabled` stops all keys of the tenant, `active` lets them go on.',
  'Tenant.name': 'For people.',
  'TenantsCreateBody.id': 'By default the service makes one.',
  'TenantsCreateBody.name': 'For people. By default the id.',
  settings: 'Rules for the keys of the tenant.',
  'settings.gracePeriodSeconds': 'How long a rotated key stays valid when the rotation does not say.',
  keyPrefix: 'The prefix of keys whose creation does not name one.',
  retentionSeconds: 'How long an ended key stays in lists before the cleanup removes it.',
  storage: '`sealed`: key strings are kept, encrypted. `digest`: they are not kept.',
  allowReveal: 'Whether a key string that is kept may be shown again.',
  leaseSeconds: 'How long verifications may be answered from memory. Changes of keys in use wait so long; 0 for never.',
  auditRetentionSeconds: 'How long audit entries are kept; null for ever.',
  usageHourRetentionSeconds: 'How long usage by hour is kept; 0 keeps none.',
  usageDayRetentionSeconds: 'How long usage by day is kept; 0 keeps none.',
  unavailable: 'Tenants of this page that could not be read now. Absent when there are none.',

  // ---- management keys ----
  role: 'A named list of permissions; null for a list of its own.',
  permissions: 'What the caller may do.',
  'ManagementKey.tenantId': 'The one tenant that the caller may reach; null for all.',
  'ManagementKeyWithSecret.tenantId': 'The one tenant that the caller may reach; null for all.',
  'ManagementKeysCreateBody.tenantId': 'The one tenant that the caller may reach; null for all.',
  'ManagementKeysCreateBody.role': 'A named list of permissions. Give either this or `permissions`.',
  'ManagementKeysCreateBody.permissions': 'What the caller may do. Give either this or `role`.',

  // ---- encryption and cleanup ----
  current: 'The entry of `ENCRYPTION_KEY` that new key strings are encrypted with.',
  currentSignature: 'The entry of `HMAC_SECRET` that new key strings are signed with.',
  envelopes: 'Encrypted key strings by the id of the entry that they depend on.',
  signatures: 'Keys that have not ended by the id of the entry that signed them.',
  resealed: 'Key strings that were encrypted anew.',
  'ResealProgress.remaining': 'Key strings that are still to do.',
  unreadable: 'Key strings that no entry opens. Absent when there are none.',
  trigger: 'What started the pass.',
  startedAt: 'When it started.',
  durationMs: 'How long it took.',
  expired: 'Keys that had expired.',
  rotationsEnded: 'Rotations whose grace period had ended.',
  purged: 'Ended keys that were removed after their retention.',
  idempotencyPurged: 'Kept results that were removed.',
  auditTrimmed: 'Audit entries that were removed.',
  usageTrimmed: 'Rows of usage that were removed after their retention.',
  'CleanupReport.remaining': 'Records that are left for the next pass.',
  nextAlarmAt: 'When the next pass is due; null for none.',

  // ---- usage ----
  start: 'The start of the hour, day or month, in UTC.',
  'UsageRow.keyId': 'The key. With `groupBy=key`.',
  'UsageRow.owner': 'The owner; null for keys without one. With `groupBy=owner`.',
  'UsageRow.plan': 'The plan; null for keys without one. With `groupBy=plan`.',
  'UsageRow.code': 'The code of the answers. With `groupBy=code`.',
  verifications: 'How many verifications there were.',
  'UsageRow.valid': 'How many of them were answered `VALID`.',
  units: 'The units that they cost.',

  // ---- audit log ----
  at: 'When it happened.',
  action: 'What was done.',
  actor: 'Who did it.',
  type: 'The kind of caller.',
  'actor.id': 'The id of the management key, `binding:` with the name of a service binding, or `admin`.',
  'by.id': 'The id of the management key, `binding:` with the name of a service binding, or `admin`.',
  'Actor.id': 'The id of the management key, `binding:` with the name of a service binding, or `admin`.',
  onBehalfOf: 'For whom the caller acted, in its own words.',
  'AuditEntry.keyId': 'The key that it concerns.',
  requestId: 'The `X-Request-Id` of the request.',
  ip: 'The address of the caller, where it is known.',
  changes: 'What changed, by name.',

  // ---- queries ----
  '?limit': 'The most items of the page.',
  '?cursor': 'The `nextCursor` of the page before, with the same filters and order.',
  '?order': 'By creation: the oldest or the newest first.',
  'gateways.authorize?scopes': 'The scopes that the request needs, with commas between. Empty for none.',
  'gateways.authorize?tenantId': 'The tenant that the key must belong to. By default any that the caller may reach.',
  'gateways.authorize?cost': 'The units that the request costs. By default 1.',
  'gateways.authorize?limits':
    'Limits that the request names, with commas between, each with a cost after a colon if need be.',
  'gateways.authorize?fresh': "Whether to ask the tenant's object even where an answer from memory would do.",
  'X-Keystead-Query': 'The query of `/v1/authorize`, such as `scopes=invoices:read&cost=2`.',
  'keys.list?offset': 'How many matches to pass over, instead of a cursor. Together with `limit` at most 10,000.',
  'keys.list?status': 'Keys in any of these statuses.',
  'keys.list?owner': 'Keys of this owner.',
  'keys.list?prefix': 'Keys with this prefix.',
  'keys.list?name': 'Keys whose name starts with this text.',
  'keys.list?search': 'Keys whose name contains this text, whatever the case or the form of Unicode.',
  'keys.list?expiresBefore': 'Keys that expire before this time.',
  'rotations.list?state': 'Rotations in this state.',
  'owners.list?enabled': 'Owners that are enabled, or those that are not.',
  'owners.list?search': 'Owners whose id or name contains this text.',
  'managementKeys.list?status': 'Management keys in any of these statuses.',
  'usage.read?from': 'The start of the time. By default a day, 30 days or a year before its end, by `interval`.',
  'usage.read?to': 'The end of the time. By default now.',
  'usage.read?interval': 'What a row sums up.',
  'usage.read?groupBy': 'What rows are apart by. By default all verifications of a time are one row.',
  'usage.read?keyId': 'Verifications of this key.',
  'usage.read?owner': 'Verifications of keys of this owner.',
  'usage.read?code': 'Verifications that were answered with this code.',
  'usage.read?format': 'JSON or CSV. By default what the `Accept` header prefers.',
  '?action': 'Entries of this action.',
  '?keyId': 'Entries that concern this key.',
  '?actor': 'Entries of the caller with this id.',
  '?onBehalfOf': 'Entries of changes on behalf of this person.',
  '?since': 'Entries of this time or later.',
  '?until': 'Entries before this time.',
};

/** Parameters of paths: what they are, and an example. */
export const PATH_PARAMETERS: Readonly<Record<string, { readonly description: string; readonly example: string }>> = {
  tenantId: { description: 'The id of the tenant.', example: 'acme' },
  keyId: { description: 'The id of the key.', example: 'key_0ERzJOXhf2wvA8dMx' },
  ownerId: { description: 'The id of the owner, percent-encoded.', example: 'customer-17' },
  planId: { description: 'The id of the plan.', example: 'gold' },
  path: { description: "Path and query of the customer's request. They are not looked at.", example: 'invoices' },
};

const refusedAs = (codes: readonly string[]) => ({
  required: ['verification'],
  properties: {
    verification: { type: 'string', enum: codes, description: 'The code that a verification of the key answers.' },
  },
});

/** Members that problems have beside the usual ones. Those in `required` are always there. */
export const PROBLEM_MEMBERS: Partial<
  Record<ProblemCode, { readonly required?: readonly string[]; readonly properties: Readonly<Record<string, object>> }>
> = {
  validation_failed: {
    required: ['errors'],
    properties: {
      errors: {
        type: 'array',
        minItems: 1,
        maxItems: 20,
        description: 'What is wrong, up to 20 entries. `detail` repeats the first.',
        items: {
          type: 'object',
          properties: {
            path: {
              type: 'string',
              description: 'The path of the value or the name of the header. `body` and `query` mean the whole.',
            },
            message: { type: 'string', description: 'What is wrong with it.' },
          },
          required: ['path', 'message'],
          additionalProperties: false,
        },
      },
    },
  },
  key_not_valid: refusedAs(['MALFORMED', 'FORGED', 'NOT_FOUND', 'REVOKED', 'ROTATED', 'EXPIRED', 'DISABLED']),
  key_not_allowed: refusedAs(['TENANT_DISABLED', 'OWNER_DISABLED', 'INSUFFICIENT_SCOPES']),
  key_limited: refusedAs(['RATE_LIMITED', 'QUOTA_EXCEEDED', 'INSUFFICIENT_CREDITS']),
  forbidden: { properties: { permission: { type: 'string', description: 'The permission that is missing.' } } },
  hash_exists: {
    required: ['duplicates'],
    properties: {
      duplicates: {
        type: 'array',
        minItems: 1,
        maxItems: 100,
        description: 'The keys of the request whose hash is there already, up to 100.',
        items: {
          type: 'object',
          properties: {
            index: { type: 'integer', description: 'The place in `keys`, from 0.' },
            keyId: { type: 'string', description: 'The key that has it. Absent if it is earlier in the request.' },
          },
          required: ['index'],
          additionalProperties: false,
        },
      },
    },
  },
  keys_not_found: {
    required: ['ids'],
    properties: { ids: { type: 'array', items: { type: 'string' }, description: 'The ids that do not exist.' } },
  },
  key_not_active: {
    required: ['keyStatus'],
    properties: { keyStatus: { type: 'string', description: 'The status that the key has.' } },
  },
  key_not_rotating: {
    required: ['keyStatus'],
    properties: { keyStatus: { type: 'string', description: 'The status that the key has.' } },
  },
  key_already_rotating: {
    required: ['replacedBy'],
    properties: { replacedBy: { type: ['string', 'null'], description: 'The id of its successor.' } },
  },
};
