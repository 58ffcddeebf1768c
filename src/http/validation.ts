/**
 * Validation with messages of our own: the library's default messages quote the received value, which may be a secret sent to the wrong field.
 */
import * as v from 'valibot';
import { type FieldError, validationFailed } from './problem.ts';

const ERRORS_MAX = 20;
/** A field name is repeated to the caller only if it looks like one and is too short for a secret. */
const SAFE_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,29}$/;

/** The value in the shape of the schema, or a 422 with one entry for each problem, up to `ERRORS_MAX`. */
export function validate<const S extends v.GenericSchema>(schema: S, value: unknown): v.InferOutput<S> {
  const unknownFields: FieldError[] = [];
  for (;;) {
    const result = v.safeParse(schema, value, { abortPipeEarly: true });
    if (result.success && unknownFields.length === 0) return result.output;
    // The library stops at an object's first unknown field. Without that field it tells the next.
    const unknownField = result.issues?.find(isUnknownField);
    const others = (result.issues ?? []).filter((issue) => issue !== unknownField).map(toFieldError);
    if (unknownField !== undefined) unknownFields.push(toFieldError(unknownField));
    if (unknownField === undefined || unknownFields.length === ERRORS_MAX || !removeField(unknownField)) {
      throw validationFailed([...others, ...unknownFields].slice(0, ERRORS_MAX));
    }
  }
}

function isUnknownField(issue: v.BaseIssue<unknown>): boolean {
  return issue.type === 'strict_object' && issue.expected === 'never';
}

/** Takes the field that an issue is about out of the parsed input, which is ours alone. */
function removeField(issue: v.BaseIssue<unknown>): boolean {
  const item = issue.path?.at(-1);
  return item?.type === 'object' && typeof item.key === 'string' && Reflect.deleteProperty(item.input, item.key);
}

function toFieldError(issue: v.BaseIssue<unknown>): FieldError {
  const path = (issue.path ?? []).map(({ key }) =>
    typeof key === 'number' ? String(key) : typeof key === 'string' && SAFE_NAME.test(key) ? key : '(unknown)',
  );
  return { path: path.join('.'), message: messageOf(issue) };
}

function messageOf(issue: v.BaseIssue<unknown>): string {
  // Checks in a pipe have messages that we wrote; schemas have the library's.
  if (issue.kind === 'validation' || issue.type === 'custom' || issue.type === 'union') return issue.message;
  if (isUnknownField(issue)) return 'unknown field';
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
