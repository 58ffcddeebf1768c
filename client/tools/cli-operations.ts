/**
 * The table that the command line is made from: each operation of openapi.json with what a command needs of it, and its
 * schemas without references. It is a file of its own, because the description is ten times as large.
 */
import type { Operation, Parameter, Schema } from '../src/cli/api/operations.ts';
import { NOT_FOR_CALLERS } from './elsewhere.ts';

type Document = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, DescribedOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
};
type DescribedOperation = {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly (Partial<Parameter> & { readonly in?: string; readonly $ref?: string })[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> };
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema: Schema }>> }>>;
};

const REFERENCE = '#/components/schemas/';

/** The text of the table. */
export const commandTableOf = (document: object): string =>
  `${JSON.stringify(operationsOf(document as Document), null, 2)}\n`;

function operationsOf(document: Document): Operation[] {
  const { schemas } = document.components;

  const resolved = (schema: Schema): Schema => {
    const { $ref, ...own } = schema as Schema & { readonly $ref?: string };
    if ($ref !== undefined) return { ...resolved(schemas[$ref.slice(REFERENCE.length)] as Schema), ...own };
    return Object.fromEntries(Object.entries(own).map(([name, value]) => [name, resolvedPart(name, value)]));
  };
  const resolvedPart = (name: string, value: unknown): unknown => {
    if (name === 'properties') {
      return Object.fromEntries(
        Object.entries(value as Record<string, Schema>).map(([property, schema]) => [property, resolved(schema)]),
      );
    }
    if (name === 'anyOf' || name === 'oneOf') return (value as Schema[]).map(resolved);
    return name === 'items' ? resolved(value as Schema) : value;
  };

  const describe = (path: string, method: string, described: DescribedOperation): Operation => {
    const parameters = described.parameters ?? [];
    const named = (where: string): Parameter[] =>
      parameters.flatMap(({ in: place, name = '', description = '', required = false, schema = {} }) =>
        place === where ? [{ name, required, description, schema: resolved(schema) }] : [],
      );
    const [, success] = Object.entries(described.responses).find(([status]) => status.startsWith('2')) ?? [];
    const content = success?.content ?? {};
    const answer = content['application/json']?.schema;
    const isList = answer !== undefined && listed(resolved(answer));
    const body = described.requestBody?.content['application/json']?.schema;
    return {
      id: described.operationId,
      method: method.toUpperCase(),
      path,
      summary: described.summary,
      description: described.description ?? '',
      parts: named('path'),
      query: named('query'),
      headers: parameters.flatMap(({ $ref }) => $ref?.split('/').at(-1) ?? []),
      body: body === undefined ? null : resolved(body),
      answer: isList ? 'list' : answer !== undefined ? 'one' : Object.keys(content).length > 0 ? 'text' : 'none',
      types: Object.keys(content),
    };
  };

  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, described]) =>
      NOT_FOR_CALLERS.includes(described.operationId) ? [] : describe(path, method, described),
    ),
  );
}

/** Whether an answer is a list with its items in `data`. */
const listed = (schema: Schema): boolean =>
  schema.properties?.data?.type === 'array' || (schema.anyOf ?? []).some(listed);
