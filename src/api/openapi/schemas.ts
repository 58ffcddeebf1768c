/**
 * The schemas of the API as components of the description. They are converted from the same schemas that validate
 * requests and form responses.
 */
import { type ConversionConfig, toJsonSchemaDefs } from '@valibot/to-json-schema';
import type * as v from 'valibot';
import { emptyBody } from '../fields.ts';
import type { Body, OperationDescription } from '../operation.ts';
import { COMPONENTS, FIELDS } from './descriptions.ts';
import type { JsonSchema } from './openapi.ts';

type Definitions = Record<string, v.GenericSchema>;

export const refTo = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });

/** `keys.createMany` as `KeysCreateMany`. */
export const pascalCase = (text: string) =>
  text.replace(/(?:^|[._])([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** The schema of a body that may be left out, without that. */
function withoutDefault(schema: v.GenericSchema): v.GenericSchema {
  return 'wrapped' in schema && schema.type === 'optional' ? (schema.wrapped as v.GenericSchema) : schema;
}

export const isListBody = (body: Body): body is Exclude<Body, v.GenericSchema> => 'field' in body;
export const isOptional = (schema: v.GenericSchema) => schema.type === 'optional' || schema.type === 'exact_optional';

/** The schemas of bodies and responses by name, and the names by schema. */
export class Components {
  /** All components, by name. */
  readonly schemas: Record<string, JsonSchema>;
  readonly #names = new Map<unknown, string>();
  /** Schemas of parameters, by operation and name. */
  readonly #parameters: Record<string, JsonSchema>;

  constructor(operations: readonly OperationDescription[]) {
    const given: Definitions = {};
    const made: Definitions = {};
    const parameters: Definitions = {};
    const add = (definitions: Definitions, name: string, schema: v.GenericSchema) => {
      if (this.#names.has(schema)) return;
      this.#names.set(schema, name);
      definitions[name] = schema;
    };
    add(given, 'NoInput', withoutDefault(emptyBody));
    for (const [name, schema] of Object.entries(COMPONENTS)) add(made, name, schema);
    for (const { id, request, response } of operations) {
      const { body, query } = request;
      if (body !== undefined && !isListBody(body)) add(given, `${pascalCase(id)}Body`, withoutDefault(body));
      if (body !== undefined && isListBody(body)) add(given, `${pascalCase(id)}Body`, body.whole);
      // Another text than JSON is described where it is.
      const isText = response.mediaType === 'text/plain';
      if (response.body !== null && !isText) add(made, `${pascalCase(id)}Response`, response.body);
      for (const [name, schema] of Object.entries(entriesOf(query))) parameters[`${id}?${name}`] = schema;
    }
    // Items that are no bodies of other operations.
    for (const { id, request } of operations) {
      const { body } = request;
      if (body !== undefined && isListBody(body)) add(given, `${pascalCase(id)}Item`, body.item);
    }
    const inputs = converted(given, 'input');
    for (const { request } of operations) {
      const { body } = request;
      if (body === undefined || !isListBody(body)) continue;
      const list = inputs[this.#names.get(body.whole) ?? '']?.properties?.[body.field];
      if (list !== undefined) list.items = refTo(this.#names.get(body.item) ?? '');
    }
    const outputs = converted(made, 'output');
    this.#parameters = converted(parameters, 'input');
    this.schemas = { ...inputs, ...outputs };
    for (const [name, schema] of Object.entries(this.schemas)) finish(schema, name);
    for (const schema of Object.values(this.#parameters)) finish(schema, '');
  }

  /** A reference to the component of a body or response. */
  of(body: Body): JsonSchema {
    const name = this.#names.get(isListBody(body) ? body.whole : withoutDefault(body));
    if (name === undefined) throw new Error('a schema that no operation has');
    return refTo(name);
  }

  /** The schema of a query parameter of an operation. */
  parameter(id: string, name: string): JsonSchema {
    const schema = this.#parameters[`${id}?${name}`] ?? {};
    const description = FIELDS[`${id}?${name}`] ?? FIELDS[`?${name}`];
    return description === undefined ? schema : { ...schema, description };
  }
}

/** The schemas of which a response has one. */
export function alternativesOf(schema: v.GenericSchema | null): readonly v.GenericSchema[] {
  if (schema === null) return [];
  return 'options' in schema && schema.type === 'union' ? (schema.options as v.GenericSchema[]) : [schema];
}

/** The fields of an object by name, none if it is none. */
export function entriesOf(query: v.GenericSchema | undefined): Record<string, v.GenericSchema> {
  return query !== undefined && 'entries' in query ? (query.entries as Record<string, v.GenericSchema>) : {};
}

/** Checks of our own say what they can in `v.metadata`; the rest of them is in the descriptions. */
const CONVERSION: ConversionConfig = {
  target: 'draft-2020-12',
  ignoreActions: ['check', 'raw_check'],
  overrideSchema: ({ valibotSchema, jsonSchema }) => (valibotSchema.type === 'custom' ? jsonSchema : undefined),
  overrideRef: ({ referenceId }) => refTo(referenceId).$ref,
};

function converted(definitions: Definitions, typeMode: 'input' | 'output'): Record<string, JsonSchema> {
  // The library's own type leaves out that its keywords can be looked up by any name.
  return toJsonSchemaDefs(definitions, { ...CONVERSION, typeMode }) as Record<string, object> as Record<
    string,
    JsonSchema
  >;
}

/** Adds descriptions, and corrects what a schema of texts says of numbers and of true and false. `at` is its path. */
function finish(schema: JsonSchema, at: string): void {
  delete schema.$schema;
  delete schema.propertyNames;
  if (schema.type === 'integer' || schema.type === 'boolean') {
    delete schema.pattern;
    delete schema.enum;
    if (typeof schema.default === 'string') schema.default = Number(schema.default);
  }
  if (schema.required?.length === 0) delete schema.required;
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const path = `${at}.${name}`;
    const description = descriptionAt(path);
    if (description !== undefined) property.description = description;
    finish(property, path);
  }
  for (const part of [schema.items, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]) {
    if (part !== undefined) finish(part, at);
  }
  if (typeof schema.additionalProperties === 'object') finish(schema.additionalProperties, at);
}

/** The description of a field: that of the longest end of its path that has one. */
function descriptionAt(path: string): string | undefined {
  for (let rest = path; ; rest = rest.slice(rest.indexOf('.') + 1)) {
    const found = FIELDS[rest];
    if (found !== undefined || !rest.includes('.')) return found;
  }
}
