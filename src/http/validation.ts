/**
 * Validation by schema, with our own messages. The library's default messages quote the received value, which may be a
 * secret that was sent in the wrong field.
 */
import * as v from 'valibot';
import { ERRORS_MAX, type ListBody } from './bounded-schemas.ts';
import { type FieldError, type Problem, validationFailed } from './problem.ts';
import { partsInTurns } from './turns.ts';

/** Field names that a message may repeat: they look like a name and are too short to be a secret. */
const SAFE_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,29}$/;

/**
 * The output of the schema for a value. Throws `validation_failed` with an entry for each error, up to `ERRORS_MAX`.
 * `what` is the path of errors about the value as a whole.
 */
export function validate<const S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  what: 'body' | 'query',
): v.InferOutput<S> {
  const result = v.safeParse(schema, value, { abortPipeEarly: true });
  if (result.success) return result.output;
  throw invalid(result.issues, what);
}

/** Items that are validated in one turn of the event loop: some milliseconds at most. */
const ITEMS_PER_TURN = 50;

/**
 * The items of a list body, validated in several turns. Throws the problem that `validate` would throw for the body.
 */
export async function validateList<T>({ field, whole, item }: ListBody<T>, input: unknown): Promise<T[]> {
  const result = v.safeParse(whole, input, { abortPipeEarly: true });
  const issues: v.BaseIssue<unknown>[] = [...(result.issues ?? [])];
  const list = listIn(input, field);
  if (list === null || issues.some(({ path }) => path?.[0].key === field)) throw invalid(issues, 'body');
  const ofItems: v.BaseIssue<unknown>[] = [];
  const values: T[] = [];
  let index = 0;
  for await (const part of partsInTurns(list, ITEMS_PER_TURN)) {
    for (const value of part) {
      const { success, output, issues: found } = v.safeParse(item, value, { abortPipeEarly: true });
      if (success) values.push(output);
      for (const { path = [], ...issue } of found ?? []) {
        const at = { type: 'array', origin: 'value', input: list, key: index, value } as const;
        const within = { type: 'object', origin: 'value', input: {}, key: field, value: list } as const;
        ofItems.push({ ...issue, path: [within, at, ...path] });
      }
      index += 1;
      if (ofItems.length >= ERRORS_MAX) throw invalid(ofItems, 'body');
    }
  }
  if (ofItems.length + issues.length > 0) throw invalid([...ofItems, ...issues], 'body');
  return values;
}

function listIn(input: unknown, field: string): readonly unknown[] | null {
  if (typeof input !== 'object' || input === null) return null;
  const list: unknown = Reflect.get(input, field);
  return Array.isArray(list) ? list : null;
}

function invalid(issues: readonly v.BaseIssue<unknown>[], what: 'body' | 'query'): Problem {
  return validationFailed(issues.slice(0, ERRORS_MAX).map((issue) => toFieldError(issue, what)));
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
  // Checks in a pipe, customs and unions have our own messages; other schemas have the library's, which quote the
  // value.
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
