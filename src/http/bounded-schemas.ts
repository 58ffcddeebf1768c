/**
 * Schemas whose validation has a bounded cost, whatever the caller sent. The library's own array validates every item
 * before a later check of the length can refuse it, and its own strict object reports only the first unknown field.
 */
import * as v from 'valibot';

/**
 * Most errors in one response. Validation of an array, and the search for unknown fields, ends when
 * there are so many.
 */
export const ERRORS_MAX = 20;

/**
 * An array of `min` to `max` items; messages call them `noun`. The length is checked before any item. `isValid`
 * is a fast equivalent of the item's schema, for schemas that do not transform: if all items pass it, the
 * schema is not used.
 */
export function boundedArray<T>(
  item: v.GenericSchema<unknown, T>,
  min: number,
  max: number,
  noun: string,
  isValid?: (value: unknown) => value is T,
) {
  const bounds = anyArray(min, max, noun);
  const items: v.GenericSchema<readonly unknown[], T[]> = v._standardSchema({
    ...v.array(item),
    '~run': (dataset, config) => {
      const bounded = bounds['~run'](dataset, config);
      if (bounded.issues !== undefined) return { typed: false, value: bounded.value, issues: bounded.issues };
      const { value } = dataset;
      if (isValid !== undefined && Array.isArray(value) && value.every(isValid)) return { typed: true, value };
      return itemsOf(item, dataset, config);
    },
  });
  return v.pipe(items, v.metadata({ minItems: min, maxItems: max }));
}

/** An array of `min` to `max` items of any kind. */
export function anyArray(min: number, max: number, noun: string) {
  return v.pipe(
    v.custom<readonly unknown[]>(Array.isArray, 'must be an array'),
    v.metadata({ type: 'array' }),
    v.minLength(min, 'must not be empty'),
    v.maxLength(max, `must be at most ${max} ${noun}`),
  );
}

/** Validates item by item, up to `ERRORS_MAX` issues. */
function itemsOf<T>(
  item: v.GenericSchema<unknown, T>,
  { value: input }: v.UnknownDataset,
  config: v.Config<v.BaseIssue<unknown>>,
): v.OutputDataset<T[], v.BaseIssue<unknown>> {
  if (!Array.isArray(input)) throw new Error('not an array, although the pipe has checked that');
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

/**
 * An object with these fields and no others. One pass finds the unknown fields. An array does not count as an object.
 */
export function closedObject<const E extends v.ObjectEntries>(entries: E): v.StrictObjectSchema<E, undefined> {
  const schema = v.strictObject(entries);
  return v._standardSchema({
    ...schema,
    '~run'(dataset, config) {
      const input = dataset.value;
      if (Array.isArray(input)) return schema['~run']({ value: null }, config);
      const result = schema['~run'](dataset, config);
      if (result.issues === undefined || typeof input !== 'object' || input === null) return result;
      // The library has reported the first one.
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

/** A body with one field: a list that may be so long that it is validated in several turns of the event loop. */
export type ListBody<T> = {
  readonly field: string;
  /** The schema of the whole body, for items of any kind. */
  readonly whole: v.GenericSchema;
  readonly item: v.GenericSchema<unknown, T>;
};

/** The body with one `field`, a list of 1 to `max` items; messages call them `noun`. */
export function listBody<T>(field: string, item: v.GenericSchema<unknown, T>, max: number, noun: string): ListBody<T> {
  return { field, whole: closedObject({ [field]: anyArray(1, max, noun) }), item };
}
