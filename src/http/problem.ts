/**
 * Errors as callers see them: RFC 9457 `application/problem+json`. Details are written by hand. They never hold the
 * message of an exception, an internal name or anything that a caller sent. Problems of the API's resources are in
 * src/api/problems.ts.
 */
import { json, type Reply } from './reply.ts';

/** What all problems with one code have in common. */
export type ProblemType<Code extends string = string> = {
  readonly code: Code;
  readonly status: number;
  readonly title: string;
};

type Definitions = Readonly<Record<string, { readonly status: number; readonly title: string }>>;

/** Problem types by code, from their statuses and titles. */
export function problemTypes<const D extends Definitions>(definitions: D) {
  const entries = Object.entries(definitions).map(([code, definition]) => [code, { code, ...definition }]);
  return Object.fromEntries(entries) as { readonly [Code in keyof D & string]: ProblemType<Code> & D[Code] };
}

/** Problems that any HTTP service has. */
export const HTTP_PROBLEMS = problemTypes({
  invalid_host: { status: 400, title: 'The Host header is not a host' },
  invalid_json: { status: 400, title: 'The body is not valid JSON' },
  unauthenticated: { status: 401, title: 'A valid bearer token is required' },
  forbidden: { status: 403, title: 'The caller lacks a permission' },
  not_found: { status: 404, title: 'There is nothing at this path' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  payload_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The body must be application/json' },
  validation_failed: { status: 422, title: 'The request has invalid values' },
  internal_error: { status: 500, title: 'Something went wrong here' },
  storage_full: { status: 503, title: 'There is no room left for new data' },
  unavailable: { status: 503, title: 'The service is temporarily unavailable' },
  misconfigured: { status: 503, title: 'The deployment is misconfigured' },
});

/** One invalid value: its path in the body or query, or its header, and what is wrong with it. */
export type FieldError = { readonly path: string; readonly message: string };

/** What one problem adds to its type. `members` become members of the problem document. */
export type ProblemOptions = {
  readonly detail?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly members?: Readonly<Record<string, unknown>>;
};

/** Thrown in the Worker to refuse a request; the router turns it into the response. It never crosses an RPC. */
export class Problem extends Error {
  readonly type: ProblemType;
  readonly options: ProblemOptions;

  constructor(type: ProblemType, options: ProblemOptions = {}) {
    super(type.code);
    this.type = type;
    this.options = options;
  }

  /** The same problem with one more header. */
  withHeader(name: string, value: string): Problem {
    return new Problem(this.type, { ...this.options, headers: { ...this.options.headers, [name]: value } });
  }

  toReply(requestId: string): Reply {
    const { code, status, title } = this.type;
    const { detail = `${title}.`, members, headers = null } = this.options;
    const body = { type: `urn:keystead:problem:${code}`, title, status, detail, code, requestId, ...members };
    return { ...json(body, status, headers), contentType: 'application/problem+json' };
  }
}

/** When a caller may try again what was unavailable. */
const RETRY_AFTER_SECONDS = '1';
/** The same where an operator must act first: free disk space, or correct the configuration. */
export const OPERATOR_RETRY_AFTER_SECONDS = '60';

export const unavailable = () =>
  new Problem(HTTP_PROBLEMS.unavailable, {
    detail: 'The service could not answer in time. Try again shortly.',
    headers: { 'Retry-After': RETRY_AFTER_SECONDS },
  });

export const storageFull = () =>
  new Problem(HTTP_PROBLEMS.storage_full, {
    detail: 'There is no room left for new data. Verifications, revocations, disabling and deletions still work.',
    headers: { 'Retry-After': OPERATOR_RETRY_AFTER_SECONDS },
  });

export const misconfigured = (problems: readonly { readonly variable: string; readonly reason: string }[]) =>
  new Problem(HTTP_PROBLEMS.misconfigured, {
    detail: problems.map(({ variable, reason }) => `${variable} ${reason}.`).join(' '),
    headers: { 'Retry-After': OPERATOR_RETRY_AFTER_SECONDS },
  });

/** For a program that was downgraded: it cannot read a database that a newer version has migrated. */
export const newerDatabase = () =>
  new Problem(HTTP_PROBLEMS.misconfigured, {
    detail: 'The database was written by a newer version of Keystead than this one.',
    headers: { 'Retry-After': OPERATOR_RETRY_AFTER_SECONDS },
  });

export const unauthenticated = () =>
  new Problem(HTTP_PROBLEMS.unauthenticated, { headers: { 'WWW-Authenticate': 'Bearer realm="keystead"' } });

export const forbidden = (detail: string, permission?: string) =>
  new Problem(HTTP_PROBLEMS.forbidden, { detail, ...(permission === undefined ? {} : { members: { permission } }) });

/** `errors` must have an entry. The detail repeats the first, for people who read no further. */
export function validationFailed(errors: readonly FieldError[]): Problem {
  const [first, ...more] = errors;
  const others = more.length === 0 ? '' : ` ${more.length} more in errors.`;
  return new Problem(HTTP_PROBLEMS.validation_failed, {
    ...(first === undefined ? {} : { detail: `${first.path}: ${first.message}.${others}` }),
    members: { errors },
  });
}
