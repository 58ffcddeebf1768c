/**
 * Flags from schemas: their names, what they take, and how a text becomes the value. A value that a schema knows how to
 * write shortly has a short form (durations, times, `name=value`); JSON works for every structured one.
 */
import type { Operation, Parameter, Schema } from '../api/operations.ts';
import { UsageError } from '../exit.ts';
import { faultOf, listOf } from './schema.ts';
import { booleanOf, durationSeconds, integerOf, objectOf, pairOf, setAt, timeOf } from './values.ts';

/** Reads one text of a flag; `texts` are all of a repeated one. Throws a UsageError. */
export type Reader = (texts: readonly string[], now: number) => unknown;

export type Flag = {
  readonly name: string;
  /** Other names, which the help does not show. */
  readonly aliases: readonly string[];
  /** What it takes, for the help; null for a flag without a value. */
  readonly takes: string | null;
  readonly repeatable: boolean;
  /** Whether the request needs it, for the help. */
  readonly required?: boolean;
  /** The value of `--no-NAME`; undefined where there is none. */
  readonly negated: unknown;
  readonly description: string;
  readonly target: { readonly in: 'query' | 'body' | 'header' | 'option'; readonly path: readonly string[] };
  /** The schema that the value must satisfy. */
  readonly schema: Schema;
  readonly read: Reader;
};

const camelToKebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
export const kebab = camelToKebab;

const singular = (name: string): string => name.replace(/(?<![su])s$/, '');

/** The schema without null, and whether null is allowed. */
function nonNull(schema: Schema): { readonly schema: Schema; readonly nullable: boolean } {
  const rest = schema.anyOf?.filter(({ type }) => type !== 'null');
  if (rest === undefined || rest.length === schema.anyOf?.length) return { schema, nullable: false };
  const [only] = rest;
  const inner = rest.length === 1 && only !== undefined ? only : { anyOf: rest };
  return { schema: { description: schema.description ?? '', ...inner }, nullable: true };
}

/** The properties of an object, or of all the objects it may be. */
export const propertiesOf = (schema: Schema): Readonly<Record<string, Schema>> =>
  Object.assign({}, ...(schema.anyOf ?? schema.oneOf ?? []).map(propertiesOf), schema.properties);

const isContainer = (schema: Schema): boolean =>
  schema.properties !== undefined && schema.additionalProperties === false;

/** The flags for the members of a body. Members of inner objects that cannot be null are flags of their own. */
export function bodyFlags(schema: Schema, left: readonly string[] = [], path: readonly string[] = []): Flag[] {
  return Object.entries(propertiesOf(schema)).flatMap(([name, whole]) => {
    if (path.length === 0 && left.includes(name)) return [];
    const { schema: inner, nullable } = nonNull(whole);
    const at = [...path, name];
    if (isContainer(inner) && !nullable) return bodyFlags(inner, [], at);
    const flags = flagsOf(name, inner, nullable, { in: 'body', path: at });
    return schema.required?.includes(name) ? flags.map((flag) => ({ ...flag, required: true })) : flags;
  });
}

export const queryFlags = (parameters: readonly Parameter[]): Flag[] =>
  parameters.flatMap(({ name, schema, description }) =>
    flagsOf(name, { ...schema, description }, false, { in: 'query', path: [name] }),
  );

function flagsOf(name: string, schema: Schema, nullable: boolean, target: Flag['target']): Flag[] {
  const { description = '' } = schema;
  const base = { aliases: [], repeatable: false, description, target, schema, negated: nullable ? null : undefined };
  const flagName = camelToKebab(name);
  if (schema.type === 'boolean') {
    return [{ ...base, name: flagName, takes: null, negated: false, read: last(read('true or false', booleanOf)) }];
  }
  if (schema.type === 'array') return [{ ...base, ...arrayFlag(flagName, schema, nullable) }];
  if (schema.type === 'integer' && name.endsWith('Seconds')) {
    const short = flagName.replace(/-seconds$/, '');
    const aliases = [flagName, ...(short === 'grace-period' ? ['grace'] : [])];
    return [{ ...base, name: short, aliases, takes: 'DURATION', read: last(read(DURATION, durationSeconds)) }];
  }
  if (schema.type === 'integer')
    return [{ ...base, name: flagName, takes: 'N', read: last(read('a whole number', integerOf)) }];
  if (schema.format === 'date-time') return timeFlags(name, flagName, base);
  if (schema.type === 'object' && schema.properties === undefined) {
    return [{ ...base, name: flagName, takes: 'NAME=VALUE', repeatable: true, read: freeObject }];
  }
  if (isContainer(schema) || schema.oneOf !== undefined || schema.anyOf !== undefined) {
    return [{ ...base, name: flagName, takes: compactForm(schema), read: last((text) => compactObject(schema, text)) }];
  }
  const choices = schema.enum?.join('|') ?? '';
  const takes = choices === '' || choices.length > MAX_CHOICES_SHOWN ? metavar(name) : choices;
  return [{ ...base, name: flagName, takes, read: last((text) => text) }];
}

/** More of them are listed in the text of the help. */
const MAX_CHOICES_SHOWN = 40;

const DURATION = 'a duration like 90s, 12h or 7d';
const TIME = 'a time like 2027-01-01 or 2027-01-01T09:30:00Z';

const metavar = (name: string): string => camelToKebab(name).replace(/^.*-/, '').toUpperCase();

/** A reader for text by text, from one that answers null for what it does not know. */
const read =
  (what: string, parse: (text: string) => unknown) =>
  (text: string): unknown => {
    const value = parse(text);
    if (value === null) throw new UsageError(`must be ${what}`);
    return value;
  };

/** The last of a repeated flag counts, as everywhere. */
const last =
  (readOne: (text: string, now: number) => unknown): Reader =>
  (texts, now) =>
    readOne(texts.at(-1) ?? '', now);

type Base = Pick<Flag, 'aliases' | 'repeatable' | 'description' | 'target' | 'schema' | 'negated'>;

/**
 * `--expires-at` takes a time, and `--expires-in` beside it a duration from now. In a query one flag takes both: a
 * duration there means that long ago, or from now for what asks about the future.
 */
function timeFlags(name: string, flagName: string, base: Base): Flag[] {
  if (base.target.in === 'query') {
    const sign = name === 'expiresBefore' ? 1 : -1;
    const what = sign < 0 ? 'that long ago' : 'from now';
    const readTime = last(
      (text, now) => timeOf(text) ?? (durationSeconds(text) === null ? null : moved(text, now, sign)),
    );
    const description = `${base.description} A duration like 7d means ${what}.`;
    return [
      {
        ...base,
        name: flagName,
        takes: 'TIME',
        description,
        read: orFault(`${TIME}, or a duration like 7d`, readTime),
      },
    ];
  }
  const at: Flag = { ...base, name: flagName, takes: 'TIME', read: last(read(TIME, timeOf)) };
  if (!name.endsWith('At')) return [at];
  const inName = flagName.replace(/-at$/, '-in');
  const description = `The same, as a duration from now, like 30d.`;
  const readIn = last((text, now) => (durationSeconds(text) === null ? null : moved(text, now, 1)));
  return [
    at,
    { ...base, name: inName, takes: 'DURATION', description, negated: undefined, read: orFault(DURATION, readIn) },
  ];
}

const moved = (text: string, now: number, sign: number): string => {
  const at = new Date(now + sign * (durationSeconds(text) ?? 0) * 1000);
  if (Number.isNaN(at.getTime())) throw new UsageError(`must be ${DURATION}`);
  return at.toISOString();
};

const orFault =
  (what: string, reader: Reader): Reader =>
  (texts, now) => {
    const value = reader(texts, now);
    if (value === null) throw new UsageError(`must be ${what}`);
    return value;
  };

function arrayFlag(
  flagName: string,
  schema: Schema,
  nullable: boolean,
): Pick<Flag, 'name' | 'aliases' | 'takes' | 'repeatable' | 'negated' | 'read'> {
  const items = schema.items ?? {};
  const name = singular(flagName);
  const aliases = name === flagName ? [] : [flagName];
  // An empty list where there may be one: `--no-scope` of a creation.
  const negated = nullable ? null : (schema.minItems ?? 0) === 0 ? [] : undefined;
  const common = { name, aliases, repeatable: true, negated };
  if (items.type === 'object') {
    const readAll: Reader = (texts) => texts.map((text) => compactObject(items, text));
    return { ...common, takes: compactForm(items), read: readAll };
  }
  // No value that has a pattern or is one of a few has a comma.
  const isSplit = items.enum !== undefined || items.pattern !== undefined;
  const readAll: Reader = (texts) => texts.flatMap((text) => (isSplit ? text.split(',') : [text]));
  return { ...common, takes: items.enum === undefined ? singular(flagName).toUpperCase() : 'NAME', read: readAll };
}

/** `--metadata '{"a":1}'`, or `--metadata team=core` once or more; values of pairs are texts. */
const freeObject: Reader = (texts) => {
  const result: Record<string, unknown> = {};
  for (const text of texts) {
    const object = text.trimStart().startsWith('{') ? objectOf(text) : null;
    const pair = object === null && !text.trimStart().startsWith('{') ? pairOf(text) : null;
    if (object === null && pair === null) throw new UsageError('must be a JSON object or name=value');
    for (const [name, value] of object !== null ? Object.entries(object) : [pair as readonly [string, string]]) {
      setAt(result, [name], value);
    }
  }
  return result;
};

/** `name=calls,limit=100,window=60s`, for the help. */
function compactForm(schema: Schema): string {
  const required = new Set(schema.required);
  const names = Object.entries(propertiesOf(schema)).map(([name, inner]) => {
    const form = `${name.replace(/Seconds$/, '')}=…`;
    return required.has(name) ? form : isNested(nonNull(inner).schema) ? `[${name}.…]` : `[${form}]`;
  });
  return names.join(',');
}

const isNested = (schema: Schema): boolean => Object.keys(propertiesOf(schema)).length > 0;

/** An object with known members, as JSON or as `name=value` pairs with commas; dots lead into inner objects. */
export function compactObject(schema: Schema, text: string): Record<string, unknown> {
  if (text.trimStart().startsWith('{')) return read('a JSON object', objectOf)(text) as Record<string, unknown>;
  const result: Record<string, unknown> = {};
  for (const part of text.split(',')) {
    const pair = pairOf(part);
    if (pair === null) throw new UsageError(`must be JSON or ${compactForm(schema)}`);
    const [path, value] = pair;
    let inner = schema;
    const names = path.split('.').map((name) => {
      const known = propertiesOf(inner);
      const full = [name, `${name}Seconds`].find((candidate) => Object.hasOwn(known, candidate));
      if (full === undefined) throw new UsageError(`has no such member; known are ${listOf(Object.keys(known))}`);
      inner = nonNull(known[full] ?? {}).schema;
      return full;
    });
    setAt(result, names, scalar(names.at(-1) ?? '', inner, value));
  }
  return result;
}

function scalar(name: string, schema: Schema, text: string): unknown {
  const within = (what: string, parse: (text: string) => unknown) => {
    const value = parse(text);
    if (value === null) throw new UsageError(`${name} must be ${what}`);
    return value;
  };
  if (schema.type === 'boolean') return within('true or false', booleanOf);
  if (schema.type === 'integer' || schema.type === 'number') {
    return name.endsWith('Seconds') ? within(DURATION, durationSeconds) : within('a whole number', integerOf);
  }
  return text;
}

/** Headers of a request that a person may want to set. */
export function headerFlags({ headers }: Operation): Flag[] {
  const flag = (name: string, header: string, takes: string, description: string, reader: Reader): Flag => ({
    name,
    aliases: [],
    takes,
    repeatable: false,
    negated: undefined,
    description,
    target: { in: 'header', path: [header] },
    schema: {},
    read: reader,
  });
  const known: Readonly<Record<string, Flag>> = {
    IfMatch: flag(
      'if-version',
      'If-Match',
      'N',
      'Changes it only if it still has this version.',
      (texts) => `"${read('a version, a whole number', integerOf)(texts.at(-1) ?? '')}"`,
    ),
    IdempotencyKey: flag(
      'idempotency-key',
      'Idempotency-Key',
      'TEXT',
      'A request with the same one is applied once; each run of a command has its own by default.',
      last(read('1 to 255 visible ASCII characters', (text) => (/^[\x21-\x7e]{1,255}$/.test(text) ? text : null))),
    ),
    OnBehalfOf: flag(
      'on-behalf-of',
      'X-On-Behalf-Of',
      'PERSON',
      'For whom you act, for the audit log.',
      last((text) => encodeURIComponent(text).replaceAll('%40', '@')),
    ),
  };
  return headers.flatMap((name) => known[name] ?? []);
}

/** The value of a flag from its texts, checked by its schema. The message of a failure names the flag. */
export function valueOfFlag(flag: Flag, texts: readonly string[], now: number): unknown {
  try {
    const value = flag.read(texts, now);
    const fault = faultOf(flag.schema, value);
    if (fault === null) return value;
    const where = fault.path.filter((part) => typeof part === 'string').join('.');
    throw new UsageError(`${where === '' ? '' : `${where} `}${fault.message}`);
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(`--${flag.name} ${error.message}`) : error;
  }
}
