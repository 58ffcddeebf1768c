/**
 * Whether a value is as its schema says, for the part of JSON Schema that the description uses. The service decides in
 * the end; this finds mistakes before anything is sent. Messages never repeat the value.
 */
import type { Schema } from '../api/operations.ts';

export type Fault = { readonly path: readonly (string | number)[]; readonly message: string };

export function faultOf(schema: Schema, value: unknown, path: readonly (string | number)[] = []): Fault | null {
  const fault = (message: string): Fault => ({ path, message });
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) {
    const faults = choices.map((choice) => faultOf(choice, value, path));
    if (faults.includes(null)) return null;
    // The choice that fits best explains best: not the one for null, and the one whose fault lies deepest.
    const deepest = faults
      .filter((one, at) => one !== null && choices[at]?.type !== 'null')
      .toSorted((a, b) => (b?.path.length ?? 0) - (a?.path.length ?? 0));
    return deepest[0] ?? fault('has an invalid value');
  }
  if ('const' in schema && value !== schema.const) return fault(`must be ${JSON.stringify(schema.const)}`);
  if (schema.enum !== undefined && !schema.enum.includes(value)) return fault(`must be one of ${listOf(schema.enum)}`);
  const types = schema.type === undefined ? null : [schema.type].flat();
  if (types !== null && !types.some((type) => isOfType(type, value))) {
    return fault(`must be ${types.map((type) => TYPE_NAMES[type] ?? type).join(' or ')}`);
  }
  if (typeof value === 'string') return textFault(schema, value, fault);
  if (typeof value === 'number') return numberFault(schema, value, fault);
  if (Array.isArray(value)) return listFault(schema, value, path, fault);
  if (typeof value === 'object' && value !== null) return objectFault(schema, value, path, fault);
  return null;
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

function isOfType(type: string, value: unknown): boolean {
  if (type === 'integer') return Number.isSafeInteger(value);
  if (type === 'array') return Array.isArray(value);
  if (type === 'null') return value === null;
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value);
  return typeof value === type;
}

export const listOf = (values: readonly unknown[]): string => values.join(', ');

type Report = (message: string) => Fault;

function textFault(schema: Schema, value: string, fault: Report): Fault | null {
  const length = [...value].length;
  if (schema.minLength !== undefined && length < schema.minLength) return fault('must not be empty');
  if (schema.maxLength !== undefined && length > schema.maxLength) {
    return fault(`must have at most ${schema.maxLength} characters`);
  }
  if (schema.pattern !== undefined && !expressionOf(schema.pattern).test(value)) {
    return fault(schema.format === 'date-time' ? 'must be a time' : formOf(schema.pattern));
  }
  return null;
}

/** Compiled patterns: files with many rows ask for the same ones again and again. */
const expressions = new Map<string, RegExp>();

function expressionOf(pattern: string): RegExp {
  const expression = expressions.get(pattern) ?? new RegExp(pattern, 'u');
  expressions.set(pattern, expression);
  return expression;
}

/** What a pattern asks for, in words where it is a known one. */
function formOf(pattern: string): string {
  if (pattern.startsWith('^key_')) return 'must be the id of a key: key_ and 17 letters or digits';
  if (pattern.startsWith('^[a-z0-9][a-z0-9_-]')) return 'must be an id of a tenant: small letters, digits, _ and -';
  return `must match ${pattern}`;
}

function numberFault({ minimum, maximum }: Schema, value: number, fault: Report): Fault | null {
  if (minimum !== undefined && value < minimum) return fault(`must be at least ${minimum}`);
  return maximum !== undefined && value > maximum ? fault(`must be at most ${maximum}`) : null;
}

function listFault(
  { items, minItems = 0, maxItems = Number.POSITIVE_INFINITY, uniqueItems = false }: Schema,
  value: readonly unknown[],
  path: readonly (string | number)[],
  fault: Report,
): Fault | null {
  if (value.length > maxItems) return fault(`must have at most ${maxItems} entries`);
  if (value.length < minItems) return fault(`must have at least ${minItems} entries`);
  if (uniqueItems && new Set(value).size < value.length) return fault('must not have an entry twice');
  return firstOf(value, (item, at) => (items === undefined ? null : faultOf(items, item, [...path, at])));
}

function objectFault(
  { properties = {}, required = [], additionalProperties = true }: Schema,
  value: object,
  path: readonly (string | number)[],
  fault: Report,
): Fault | null {
  const missing = required.find((name) => !Object.hasOwn(value, name));
  if (missing !== undefined) return { path: [...path, missing], message: 'is missing' };
  return firstOf(Object.entries(value), ([name, member]) => {
    if (Object.hasOwn(properties, name)) return faultOf(properties[name] ?? {}, member, [...path, name]);
    return additionalProperties === false
      ? fault(`has an unknown member; known are ${listOf(Object.keys(properties))}`)
      : null;
  });
}

function firstOf<T>(items: readonly T[], check: (item: T, at: number) => Fault | null): Fault | null {
  for (const [at, item] of items.entries()) {
    const fault = check(item, at);
    if (fault !== null) return fault;
  }
  return null;
}
