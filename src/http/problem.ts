/**
 * Errors as callers see them: RFC 9457 `application/problem+json`. The one place that maps what went wrong to HTTP. Details are written here, by hand: no
 * message of an exception, no internal name and nothing that a caller sent finds its way into them.
 */
import type { Failure } from '../../domain/outcome.ts';
import type { Permission } from '../auth/principal.ts';
import { type Answer, json } from './answer.ts';

type Definition = { readonly status: number; readonly title: string };

export const PROBLEMS = {
  invalid_host: { status: 400, title: 'The Host header is not a host' },
  invalid_json: { status: 400, title: 'The body is not valid JSON' },
  invalid_cursor: { status: 400, title: 'The cursor is not valid for this list' },
  unauthenticated: { status: 401, title: 'A valid bearer token is required' },
  forbidden: { status: 403, title: 'The caller lacks a permission' },
  not_found: { status: 404, title: 'There is nothing at this path' },
  tenant_not_found: { status: 404, title: 'There is no such tenant' },
  key_not_found: { status: 404, title: 'There is no such key' },
  keys_not_found: { status: 404, title: 'Some of the keys do not exist' },
  management_key_not_found: { status: 404, title: 'There is no such management key' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  tenant_exists: { status: 409, title: 'A tenant with this id exists' },
  key_not_active: { status: 409, title: 'The key is not active' },
  key_already_rotating: { status: 409, title: 'The key is being rotated already' },
  key_not_rotating: { status: 409, title: 'The key is not in a grace period' },
  successor_rotated: { status: 409, title: 'The successor has been rotated itself' },
  not_recoverable: { status: 409, title: 'The key string cannot be shown again' },
  precondition_failed: { status: 412, title: 'The key has changed' },
  payload_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json' },
  validation_failed: { status: 422, title: 'The request has invalid values' },
  idempotency_key_reused: { status: 422, title: 'The Idempotency-Key belongs to another request' },
  internal_error: { status: 500, title: 'Something went wrong here' },
  storage_full: { status: 503, title: 'There is no room left for new data' },
  unavailable: { status: 503, title: 'The service is temporarily unavailable' },
  misconfigured: { status: 503, title: 'The deployment is misconfigured' },
} as const satisfies Record<string, Definition>;

export type ProblemCode = keyof typeof PROBLEMS;

export type FieldError = { readonly path: string; readonly message: string };

/** What a problem says beyond its code. `members` become members of the problem document. */
export type ProblemOptions = {
  readonly detail?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly members?: Readonly<Record<string, unknown>>;
};

/** Thrown in the Worker wherever a request cannot go on; becomes the response in `handle`. Never crosses an RPC. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly options: ProblemOptions;

  constructor(code: ProblemCode, options: ProblemOptions = {}) {
    super(code);
    this.code = code;
    this.options = options;
  }

  /** The same problem with a further header. */
  withHeader(name: string, value: string): Problem {
    return new Problem(this.code, { ...this.options, headers: { ...this.options.headers, [name]: value } });
  }

  toAnswer(requestId: string): Answer {
    const { status, title } = PROBLEMS[this.code];
    const { detail = `${title}.`, members, headers = null } = this.options;
    const type = `urn:keystead:problem:${this.code}`;
    const body = { type, title, status, detail, code: this.code, requestId, ...members };
    return { ...json(body, status, headers), contentType: 'application/problem+json' };
  }
}

/** Seconds after which a caller may try again what was unavailable. */
const RETRY_AFTER_SECONDS = '1';
/** Room comes back when somebody sees to it. */
const STORAGE_RETRY_AFTER_SECONDS = '60';

export const unavailable = () =>
  new Problem('unavailable', {
    detail: 'The service could not answer in time. Try again shortly.',
    headers: { 'Retry-After': RETRY_AFTER_SECONDS },
  });

export const storageFull = () =>
  new Problem('storage_full', {
    detail: 'There is no room left for new data. Verifications, revocations, disabling and deletions still work.',
    headers: { 'Retry-After': STORAGE_RETRY_AFTER_SECONDS },
  });

export const misconfigured = (problems: readonly { variable: string; reason: string }[]) =>
  new Problem('misconfigured', {
    detail: problems.map(({ variable, reason }) => `${variable} ${reason}.`).join(' '),
    headers: { 'Retry-After': '60' },
  });

/** Whoever went back to an earlier version has to go forward again. */
export const newerDatabase = () =>
  new Problem('misconfigured', {
    detail: 'The database was written by a newer version of Keystead than this one.',
    headers: { 'Retry-After': '60' },
  });

export const unauthenticated = () =>
  new Problem('unauthenticated', { headers: { 'WWW-Authenticate': 'Bearer realm="keystead"' } });

export const forbidden = (permission: Permission) =>
  new Problem('forbidden', { detail: `The permission ${permission} is missing.`, members: { permission } });

/** `errors` has one entry at least; `detail` says the first, for those who read no further. */
export function validationFailed(errors: readonly FieldError[]): Problem {
  const [first, ...more] = errors;
  const others = more.length === 0 ? '' : ` ${more.length} more in errors.`;
  return new Problem('validation_failed', {
    ...(first === undefined ? {} : { detail: `${first.path}: ${first.message}.${others}` }),
    members: { errors },
  });
}

export const outlivesCaller = () =>
  new Problem('forbidden', {
    detail:
      'The caller has an end, and hands out no management key that lasts longer: give an expiresAt no later than that.',
  });

/** What a caller who is confined to a tenant must leave to the operator of the deployment. */
const NOT_FOR_CONFINED = {
  status: 'The tenant is disabled, and a caller who is confined to it cannot lift that.',
  settings:
    'A caller confined to the tenant may neither allow reveal, nor have key strings kept, nor shorten the audit log.',
} as const;

/** What an object decided, as a problem. Exhaustive: a new failure does not compile without a line here. */
export function problemOf(failure: Failure, inBulk = false): Problem {
  switch (failure.code) {
    case 'tenant_not_found':
    case 'tenant_exists':
    case 'key_not_found':
    case 'successor_rotated':
    case 'precondition_failed':
    case 'idempotency_key_reused':
      return new Problem(failure.code);
    case 'storage_full':
      return storageFull();
    case 'would_widen':
      return new Problem('forbidden', {
        detail:
          'The permission keys:update is missing: with keys:rotate alone a successor may have fewer scopes, another name and an earlier end, ' +
          'but no more than its predecessor and no other metadata.',
        members: { permission: 'keys:update' },
      });
    case 'outlives_caller':
      return outlivesCaller();
    case 'not_for_confined':
      return new Problem('forbidden', { detail: NOT_FOR_CONFINED[failure.what] });
    case 'keys_not_found':
      return new Problem(failure.code, { members: { ids: failure.ids } });
    case 'key_not_rotating':
    case 'key_not_active':
      return new Problem(failure.code, {
        detail: `The key is ${failure.status}.`,
        members: { keyStatus: failure.status },
      });
    case 'key_already_rotating':
      return new Problem(failure.code, {
        detail: 'The key has a successor already and is in its grace period.',
        members: { replacedBy: failure.replacedBy },
      });
    case 'expiry_in_past': {
      const path = inBulk ? `keys.${failure.index ?? 0}.expiresAt` : 'expiresAt';
      return validationFailed([{ path, message: 'must be in the future' }]);
    }
  }
}
