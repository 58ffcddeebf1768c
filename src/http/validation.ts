/**
 * Validation with messages of our own: the library's default messages quote the received value, which may be a secret sent to the wrong field.
 */
import * as v from 'valibot';
import { ERRORS_MAX } from './bounded.ts';
import { type FieldError, validationFailed } from './problem.ts';

/** A field name is repeated to the caller only if it looks like one and is too short for a secret. */
const SAFE_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,29}$/;

/** The value in the shape of the schema, or a 422 with one entry for each problem, up to `ERRORS_MAX`. `what` names the whole in those about it. */
export function validate<const S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  what: 'body' | 'query',
): v.InferOutput<S> {
  const result = v.safeParse(schema, value, { abortPipeEarly: true });
  if (result.success) return result.output;
  throw validationFailed(result.issues.slice(0, ERRORS_MAX).map((issue) => toFieldError(issue, what)));
}

function toFieldError(issue: v.BaseIssue<unknown>, what: 'body' | 'query'): FieldError {
  if (issue.path === undefined) {
    return { path: what, message: issue.received === 'undefined' ? 'is missing' : messageOf(issue) };
  }
  const path = issue.path.map(({ key }) =>
    typeof key === 'number' ? String(key) : typeof key === 'string' && SAFE_NAME.test(key) ? key : '(unknown)',
  );
  return { path: path.join('.'), message: messageOf(issue) };
}

function messageOf(issue: v.BaseIssue<unknown>): string {
  // Checks in a pipe have messages that we wrote; schemas have the library's.
  if (issue.kind === 'validation' || issue.type === 'custom' || issue.type === 'union') return issue.message;
  if (issue.type === 'strict_object' && issue.expected === 'never') return 'unknown field';
  if (issue.received === 'undefined') return 'is required';
  if (issue.expected === null) return 'is not valid';
  return `must be ${EXPECTED[issue.expected] ?? issue.expected.replace(/[()"]/g, '').replaceAll(' | ', ' or ')}`;
}

const EXPECTED: Readonly<Record<string, string>> = {
  Object: 'an object',
  Array: 'an array',
  string: 'a string',
  number: 'a number',
  boolean: 'true or false',
};
