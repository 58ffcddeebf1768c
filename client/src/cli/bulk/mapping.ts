/** From the columns of a record to the fields of the API. */
import type { Schema } from '../api/operations.ts';
import { propertiesOf } from '../arguments/flags.ts';
import { faultOf, listOf } from '../arguments/schema.ts';
import { booleanOf, integerOf, objectOf, pairOf, setAt, timeOf } from '../arguments/values.ts';
import { UsageError } from '../exit.ts';
import { memberAt } from '../output/table.ts';
import type { FileRecord } from './records.ts';

/** Turns a value of the file into that of a field; undefined when it is none. */
export type Convert = (value: unknown) => unknown;

export type Row = { readonly line: number; readonly body: Record<string, unknown> };

/** What the service takes for no line of text: control characters, broken Unicode, nothing but spaces. */
const isUnfit = (text: string): boolean => /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]|^\s*$/u.test(text);

/** A line that cannot be used, and why. */
export class LineFault extends Error {}

export class Mapping {
  readonly #schema: Schema;
  /** The column of each field that was mapped, by the path of the field. */
  readonly #columns = new Map<string, string>();
  readonly #constants = new Map<string, unknown>();
  readonly #converters: Readonly<Record<string, Convert>>;

  /** `pairs` are texts like `name=label`, `constants` like `owner=customer-17`. */
  constructor(
    schema: Schema,
    pairs: readonly string[],
    constants: readonly string[],
    converters: Readonly<Record<string, Convert>> = {},
  ) {
    this.#schema = schema;
    this.#converters = converters;
    for (const text of pairs) {
      const [field, column] = this.#pair('--map', text);
      this.#columns.set(field, column);
    }
    for (const text of constants) {
      const [field, value] = this.#pair('--set', text);
      if (this.#columns.has(field)) throw new UsageError(`${field} is both in --map and in --set`);
      const converted = this.#convert(field, value);
      if (converted === undefined) throw new UsageError(`--set ${field} has a value of another form`);
      this.#constants.set(field, converted);
    }
  }

  #pair(flag: string, text: string): readonly [string, string] {
    const pair = pairOf(text);
    const [field = ''] = pair?.[0].split('.') ?? [];
    const known = Object.keys(propertiesOf(this.#schema));
    if (pair === null || !known.includes(field))
      throw new UsageError(`${flag} takes FIELD=… with a field of ${listOf(known)}`);
    return pair;
  }

  /** The columns of this record that no field is taken from. */
  unused({ values }: FileRecord): readonly string[] {
    const used = new Set([...this.#columns.values(), ...Object.keys(propertiesOf(this.#schema))]);
    const isPartOfUsed = (name: string) => [...used].some((column) => column.startsWith(`${name}.`));
    return Object.keys(values).filter((name) => !used.has(name) && !isPartOfUsed(name));
  }

  /** The row for a record. Throws a LineFault. */
  rowOf({ line, values }: FileRecord): Row {
    const body: Record<string, unknown> = {};
    for (const field of Object.keys(propertiesOf(this.#schema))) {
      if (!this.#columns.has(field)) this.#take(body, field, Object.hasOwn(values, field) ? values[field] : undefined);
    }
    for (const [path, column] of this.#columns) {
      this.#take(body, path, Object.hasOwn(values, column) ? values[column] : memberAt(values, column));
    }
    for (const [path, value] of this.#constants) setAt(body, path.split('.'), value);
    const fault = faultOf(this.#schema, body);
    if (fault !== null) throw new LineFault(`${fault.path.join('.') || 'it'} ${fault.message}`);
    const unfit = Object.entries(body).find(([, value]) => typeof value === 'string' && isUnfit(value));
    if (unfit !== undefined) throw new LineFault(`${unfit[0]} must be one line of text`);
    return { line, body };
  }

  #take(body: Record<string, unknown>, path: string, value: unknown): void {
    if (value === undefined || value === null) return;
    const converted = this.#convert(path, value);
    if (converted === undefined) throw new LineFault(`${path} has a value of another form`);
    setAt(body, path.split('.'), converted);
  }

  #convert(path: string, value: unknown): unknown {
    const own = this.#converters[path];
    if (own !== undefined) return own(value);
    const [field = '', ...rest] = path.split('.');
    return rest.length > 0 ? value : converted(propertiesOf(this.#schema)[field] ?? {}, value);
  }
}

/** A value in the form that the schema wants; undefined when it has none. */
function converted(schema: Schema, value: unknown): unknown {
  const inner = schema.anyOf?.find(({ type }) => type !== 'null') ?? schema;
  if (inner.format === 'date-time') return momentOf(value);
  if (typeof value === 'number' && inner.type === 'string') return String(value);
  if (typeof value !== 'string') return value;
  if (inner.type === 'array') return arrayOf(value);
  if (inner.type === 'object' || inner.properties !== undefined) return objectOf(value) ?? undefined;
  if (inner.type === 'boolean')
    return booleanOf(value.replace(/^(t|f)$/i, (letter) => (/t/i.test(letter) ? 'true' : 'false'))) ?? undefined;
  if (inner.type === 'integer') return integerOf(value) ?? undefined;
  return value;
}

/** Later than any time in seconds that somebody means, and earlier than any in milliseconds. */
const FIRST_MILLISECONDS = 1e11;

/** A time as text, or as seconds or milliseconds since 1970. */
function momentOf(value: unknown): string | undefined {
  const number = typeof value === 'number' ? value : /^\d{9,14}(?:\.\d+)?$/.test(String(value)) ? Number(value) : null;
  if (number === null) return timeOf(String(value).trim()) ?? undefined;
  const moment = new Date(number < FIRST_MILLISECONDS ? number * 1000 : number);
  return Number.isNaN(moment.getTime()) ? undefined : moment.toISOString();
}

/** A list as JSON, as PostgreSQL writes one (`{a,b}`), or with spaces, commas or bars between. */
function arrayOf(text: string): unknown {
  if (text.trimStart().startsWith('[')) {
    try {
      return JSON.parse(text);
    } catch {
      return undefined;
    }
  }
  const inner = /^\s*\{(.*)\}\s*$/s.exec(text)?.[1]?.replaceAll('"', '') ?? text;
  return inner.split(/[\s,;|]+/).filter((item) => item !== '');
}
