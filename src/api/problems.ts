/** The problems of Keystead's own resources, and the one map from an object's failures to problems. */
import { LIMITS_MAX } from '../../domain/limits/named-limit.ts';
import type { Failure, Mutated } from '../../domain/outcome.ts';
import { outlivesCaller } from '../auth/management-key.ts';
import { IDEMPOTENCY_REPLAYED } from '../http/conditions.ts';
import {
  forbidden,
  HTTP_PROBLEMS,
  Problem,
  problemTypes,
  storageFull,
  unavailable,
  validationFailed,
} from '../http/problem.ts';

const OWN_PROBLEMS = problemTypes({
  invalid_cursor: { status: 400, title: 'The cursor is not valid for this list' },
  tenant_not_found: { status: 404, title: 'There is no such tenant' },
  key_not_found: { status: 404, title: 'There is no such key' },
  keys_not_found: { status: 404, title: 'Some of the keys do not exist' },
  owner_not_found: { status: 404, title: 'There is no such owner' },
  plan_not_found: { status: 404, title: 'There is no such plan' },
  limit_not_found: { status: 404, title: 'The tenant has no such limit' },
  management_key_not_found: { status: 404, title: 'There is no such management key' },
  tenant_exists: { status: 409, title: 'A tenant with this id exists' },
  owner_exists: { status: 409, title: 'An owner with this id exists' },
  owner_has_keys: { status: 409, title: 'The owner has keys that have not ended' },
  hash_exists: { status: 409, title: 'Some of the hashes were imported before' },
  plan_exists: { status: 409, title: 'A plan with this id exists' },
  plan_in_use: { status: 409, title: 'Keys or owners have this plan' },
  too_many_plans: { status: 409, title: 'The tenant has as many plans as it may have' },
  key_not_active: { status: 409, title: 'The key is not active' },
  key_already_rotating: { status: 409, title: 'The key is being rotated already' },
  key_not_rotating: { status: 409, title: 'The key is not in a grace period' },
  successor_rotated: { status: 409, title: 'The successor has been rotated itself' },
  identifiers_full: { status: 503, title: 'There is no room to count for more identifiers' },
  no_credits: { status: 409, title: 'There are no credits that could be changed' },
  not_recoverable: { status: 409, title: 'The key string cannot be shown again' },
  precondition_failed: { status: 412, title: 'The resource has changed' },
  idempotency_key_reused: { status: 422, title: 'The Idempotency-Key belongs to another request' },
});

/** All problems of the API, by code. */
export const PROBLEMS = { ...HTTP_PROBLEMS, ...OWN_PROBLEMS };
export type ProblemCode = keyof typeof PROBLEMS;

/** The problem with this code, without further details. */
export const problem = (code: ProblemCode) => new Problem(PROBLEMS[code]);

/** Details for a caller confined to a tenant who tries what only the operator of the deployment may do. */
const NOT_FOR_CONFINED = {
  status: 'The tenant is disabled, and a caller who is confined to it cannot lift that.',
  settings:
    'A caller confined to the tenant may neither allow reveal, nor have key strings kept, nor shorten the audit log.',
} as const;

/** Windows and periods end all the time, but none that short. */
const IDENTIFIERS_RETRY_AFTER_SECONDS = '60';

/** What is wrong with limits that are valid each by itself. */
const LIMIT_MESSAGES = {
  too_many_limits: `must be at most ${LIMITS_MAX} limits together with rateLimits`,
  limit_name_repeated: 'must have names that no other limit has',
} as const;

export const wouldWiden = () =>
  forbidden(
    'The permission keys:update is missing: with keys:rotate alone a successor may have fewer scopes, lower limits, ' +
      'another name and an earlier end, but no more than its predecessor and no other metadata.',
    'keys:update',
  );

/** The value of an object's result. Throws a failure as its problem; `inBulk` as for `problemOf`. */
export function unwrap<T>(result: Mutated<T, Failure>, inBulk = false): T {
  if (result.ok) return result.value;
  const failed = problemOf(result.failure, inBulk);
  throw result.replay === undefined ? failed : failed.withHeader(IDEMPOTENCY_REPLAYED, 'true');
}

/**
 * An object's failure as a problem. `inBulk` says that the request has a list of keys, so that paths of errors start
 * with the place in it. Exhaustive: a new failure does not compile until it has a line here.
 */
function problemOf(failure: Failure, inBulk: boolean): Problem {
  switch (failure.code) {
    case 'tenant_not_found':
    case 'tenant_exists':
    case 'key_not_found':
    case 'successor_rotated':
    case 'owner_not_found':
    case 'owner_exists':
    case 'plan_not_found':
    case 'plan_exists':
    case 'plan_in_use':
    case 'too_many_plans':
    case 'precondition_failed':
    case 'idempotency_key_reused':
      return problem(failure.code);
    case 'owner_has_keys':
      return new Problem(PROBLEMS.owner_has_keys, {
        detail: 'The owner has keys that have not ended, or more than can be looked at. Revoke all its keys first.',
      });
    case 'owners_not_filled':
      return unavailable();
    case 'limit_not_found':
      return problem(failure.code);
    case 'identifiers_full':
      return new Problem(PROBLEMS.identifiers_full, {
        detail: 'What still counts is never dropped. There is room again when the first windows or periods have ended.',
        headers: { 'Retry-After': IDENTIFIERS_RETRY_AFTER_SECONDS },
      });
    case 'no_credits':
      return new Problem(PROBLEMS.no_credits, {
        detail: 'It has no credits of its own. Give it some with a PATCH of its credits, with remaining.',
      });
    case 'storage_full':
      return storageFull();
    case 'would_widen':
      return wouldWiden();
    case 'outlives_caller':
      return outlivesCaller();
    case 'not_for_confined':
      return forbidden(NOT_FOR_CONFINED[failure.what]);
    case 'hash_exists':
      return new Problem(PROBLEMS.hash_exists, {
        detail: `Nothing was imported. \`duplicates\` says which keys of the request are there already.`,
        members: { duplicates: failure.duplicates },
      });
    case 'keys_not_found':
      return new Problem(PROBLEMS.keys_not_found, { members: { ids: failure.ids } });
    case 'key_not_rotating':
    case 'key_not_active':
      return new Problem(PROBLEMS[failure.code], {
        detail: `The key is ${failure.status}.`,
        members: { keyStatus: failure.status },
      });
    case 'key_already_rotating':
      return new Problem(PROBLEMS.key_already_rotating, {
        detail: 'The key has a successor already and is in its grace period.',
        members: { replacedBy: failure.replacedBy },
      });
    case 'too_many_limits':
    case 'limit_name_repeated': {
      const path = inBulk ? `keys.${failure.index ?? 0}.quotas` : failure.of === 'tenant' ? 'limits.quotas' : 'quotas';
      return validationFailed([{ path, message: LIMIT_MESSAGES[failure.code] }]);
    }
    case 'no_such_plan': {
      const path = inBulk ? `keys.${failure.index ?? 0}.plan` : 'plan';
      return validationFailed([{ path, message: 'is no plan of the tenant' }]);
    }
    case 'expiry_in_past': {
      const path = inBulk ? `keys.${failure.index ?? 0}.expiresAt` : 'expiresAt';
      return validationFailed([{ path, message: 'must be in the future' }]);
    }
    case 'created_in_future': {
      const path = inBulk ? `keys.${failure.index ?? 0}.createdAt` : 'createdAt';
      return validationFailed([{ path, message: 'must not be in the future' }]);
    }
  }
}
