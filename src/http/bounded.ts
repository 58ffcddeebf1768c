/**
 * Shapes of what callers send, bounded while they are looked at. The library's own array looks at every item before a later check of the length, and its
 * own strict object stops at the first unknown field. With these two a body's validation costs what its bounds allow, whatever was sent.
 */
import * as v from 'valibot';

/** Errors that are told at most. An array is left when it has so many, and of an object's unknown fields no more are looked for. */
export const ERRORS_MAX = 20;

/**
 * An array of `min` to `max` items, called `noun`. Its length is checked before any item is looked at. `isFine` says the same as the schema of the
 * items, for items that the schema leaves as they are: where all are fine it is all that is asked.
 */
export function boundedArray<T>(
  item: v.GenericSchema<unknown, T>,
  min: number,
  max: number,
  noun: string,
  isFine?: (value: unknown) => value is T,
) {
  const items: v.GenericSchema<readonly unknown[], T[]> = v._standardSchema({
    ...v.array(item),
    '~run': (dataset, config) => {
      const { value } = dataset;
      if (isFine !== undefined && Array.isArray(value) && value.every(isFine)) return { typed: true, value };
      return itemsOf(item, dataset, config);
    },
  });
  return v.pipe(anyArray(min, max, noun), items);
}

/** The same of anything. */
export function anyArray(min: number, max: number, noun: string) {
  return v.pipe(
    v.custom<readonly unknown[]>(Array.isArray, 'must be an array'),
    v.minLength(min, 'must not be empty'),
    v.maxLength(max, `must be at most ${max} ${noun}`),
  );
}

function itemsOf<T>(
  item: v.GenericSchema<unknown, T>,
  { value: input }: v.UnknownDataset,
  config: v.Config<v.BaseIssue<unknown>>,
): v.OutputDataset<T[], v.BaseIssue<unknown>> {
  if (!Array.isArray(input)) throw new Error('not an array: the pipe has checked it');
  const value: T[] = [];
  const issues: v.BaseIssue<unknown>[] = [];
  let typed = true;
  for (let key = 0; key < input.length && issues.length < ERRORS_MAX; key++) {
    const given: unknown = input[key];
    const result = item['~run']({ value: given }, config);
    if (result.typed) value.push(result.value);
    else typed = false;
    if (result.issues === undefined) continue;
    for (const { path = [], ...issue } of result.issues) {
      issues.push({ ...issue, path: [{ type: 'array', origin: 'value', input, key, value: given }, ...path] });
    }
  }
  const [first, ...rest] = issues;
  if (first === undefined) return { typed: true, value };
  return typed ? { typed, value, issues: [first, ...rest] } : { typed, value: input, issues: [first, ...rest] };
}

/** An object with these fields and no others. Its unknown fields are found in one pass. No array passes for an object. */
export function closedObject<const E extends v.ObjectEntries>(entries: E): v.StrictObjectSchema<E, undefined> {
  const schema = v.strictObject(entries);
  return v._standardSchema({
    ...schema,
    '~run'(dataset, config) {
      const input = dataset.value;
      if (Array.isArray(input)) return schema['~run']({ value: null }, config);
      const result = schema['~run'](dataset, config);
      if (result.issues === undefined || typeof input !== 'object' || input === null) return result;
      // The library has told the first.
      for (const key of unknownOf(input, entries).slice(1)) {
        v._addIssue(schema, 'key', result, config, {
          input: key,
          expected: 'never',
          path: [{ type: 'object', origin: 'key', input: {}, key, value: undefined }],
        });
      }
      return result;
    },
  });
}

function unknownOf(input: object, entries: v.ObjectEntries): string[] {
  const names: string[] = [];
  for (const name in input) {
    if (Object.hasOwn(entries, name)) continue;
    names.push(name);
    if (names.length === ERRORS_MAX) break;
  }
  return names;
}

/** A body that is an object with one field, a list that may be so long that validating it takes several turns. */
export type ListBody<T> = {
  readonly field: string;
  /** The whole, whatever the items are. */
  readonly whole: v.GenericSchema;
  readonly item: v.GenericSchema<unknown, T>;
};

export function listBody<T>(field: string, item: v.GenericSchema<unknown, T>, max: number, noun: string): ListBody<T> {
  return { field, whole: closedObject({ [field]: anyArray(1, max, noun) }), item };
}
