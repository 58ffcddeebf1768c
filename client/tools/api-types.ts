/**
 * Makes the client's types and its table of operations from openapi.json. So a new operation has its method in the
 * client as soon as `npm run openapi` has written the description.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { ELSEWHERE } from './elsewhere.ts';

const ROOT = join(import.meta.dirname, '../..');

export type Schema = {
  readonly $ref?: string;
  readonly type?: string;
  readonly const?: string | number | boolean;
  readonly enum?: readonly (string | number | boolean)[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly description?: string;
  readonly format?: string;
};
type Parameter = {
  readonly $ref?: string;
  readonly name: string;
  readonly in: string;
  readonly description?: string;
  readonly schema: Schema;
};
type Content = Readonly<Record<string, { readonly schema: Schema }>>;
type Operation = {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
};
export type Description = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
};

const HEADER = '// Made from openapi.json by `npm run openapi`; see client/tools/api-types.ts.\n';

/** The text of client/src/api/types.ts: what requests and answers hold. */
export function typesOf({ components: { schemas } }: Description): string {
  const codes = Object.entries(schemas).flatMap(([name, { properties }]) =>
    name.endsWith('Problem') && properties?.code?.const !== undefined ? [literal(properties.code.const)] : [],
  );
  const types = Object.entries(schemas).flatMap(([name, schema]) => {
    if (/.Problem$/.test(name) || name === 'NoInput') return [];
    const type = typeOf(schema, name.endsWith('Body'));
    const isObject = schema.properties !== undefined;
    const declared = isObject ? `interface ${name} ${type}` : `type ${name} = ${type};`;
    return `${comment(schema.description)}export ${declared}\n`;
  });
  const meaning = comment('The codes of problems. Later versions may add some.');
  const code = `${meaning}export type ProblemCode = ${codes.join(' | ')};\n`;
  return formatted('types', `${HEADER}\n${[...types, code].join('\n')}`);
}

/** The text of client/src/api/operations.ts: the methods, as types for the compiler and as a table for the program. */
export function operationsOf(description: Description): string {
  const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => methodOf(description, path, method, operation)),
  );
  const groups = Map.groupBy(
    operations.filter(({ id }) => !ELSEWHERE.includes(id)),
    ({ id }) => id.split('.')[0] ?? '',
  );
  const interfaces: string[] = [];
  const members: string[] = [];
  const table: string[] = [];
  for (const [group, methods] of groups) {
    const name = `${upper(group)}Resource`;
    interfaces.push(`export interface ${name} {\n${methods.map(({ signature }) => signature).join('\n')}}\n`);
    members.push(`readonly ${group}: ${name};`);
    table.push(`${group}: {${methods.map(({ id, entry }) => `${id.split('.')[1]}: ${literal(entry)},`).join('\n')}},`);
  }
  const queries = operations.flatMap(({ query }) => query ?? []);
  const text = [...queries, ...interfaces].join('\n');
  const used = Object.keys(description.components.schemas).filter((name) => new RegExp(`\\b${name}\\b`).test(text));
  const options = ['CallOptions', 'ChangeOptions', 'ConditionalOptions', 'List', 'OffsetList'];
  return formatted(
    'operations',
    `${HEADER}
import type { ${options.filter((name) => text.includes(name)).join(', ')} } from '../resources/options.ts';
import type { ${used.sort().join(', ')} } from './types.ts';

${text}
/** All operations, in groups. */
export interface Resources {\n${members.join('\n')}\n}

/**
 * How each of them is sent: method, path, and what it takes. \`body\` and \`query\` are arguments after those of the
 * path, a \`list\` is read page by page, and \`once\` says that it takes an \`Idempotency-Key\`.
 */
export const OPERATIONS = {\n${table.join('\n')}\n} as const;\n`,
  );
}

type Method = { readonly id: string; readonly signature: string; readonly entry: string; readonly query?: string };

function methodOf({ components }: Description, path: string, method: string, operation: Operation): Method {
  const { operationId: id, summary, parameters = [], requestBody, responses } = operation;
  const takes = (name: string) => parameters.some(({ $ref }) => $ref?.endsWith(`/${name}`));
  const once = takes('IdempotencyKey');
  const inQuery = parameters.filter((parameter) => parameter.in === 'query' && parameter.name !== 'format');
  const isList = inQuery.some(({ name }) => name === 'cursor');
  const answer = Object.entries(responses).find(([status]) => status.startsWith('2'))?.[1];
  const [type = 'application/json', { schema }] = Object.entries(answer?.content ?? {})[0] ?? [
    undefined,
    { schema: undefined },
  ];
  const body = requestBody?.content['application/json']?.schema.$ref?.split('/').pop();
  const hasBody = body !== undefined && body !== 'NoInput';
  const queryName = `${id.split('.').map(upper).join('')}Query`;

  const args = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => `${name}: string`);
  if (hasBody) args.push(`body${mayBeEmpty(method, components.schemas[body]) ? '?' : ''}: ${body}`);
  if (inQuery.length > 0) args.push(`query?: ${queryName}`);
  const options = takes('IfMatch') ? 'ConditionalOptions' : once ? 'ChangeOptions' : 'CallOptions';
  args.push(`options?: ${options}`);
  let result = schema === undefined ? 'void' : typeOf(schema, false);
  if (isList) {
    const pages = components.schemas[result]?.anyOf?.map((page) => typeOf(page, false)) ?? [result];
    const first = components.schemas[pages[0] ?? ''];
    const item = typeOf(first?.properties?.data?.items ?? {}, false);
    result = `${pages.length > 1 ? 'OffsetList' : 'List'}<${[item, ...pages].join(', ')}>`;
  } else result = `Promise<${result}>`;

  const flags = [hasBody && 'body', isList ? 'list' : inQuery.length > 0 && 'query', once && 'once'];
  if (type !== 'application/json') flags.push(type);
  const entry = [method.toUpperCase(), path, ...flags.filter((flag) => flag !== false)].join(' ');
  const signature = `${comment(`${summary}.`)}${id.split('.')[1]}(${args.join(', ')}): ${result};\n`;
  if (inQuery.length === 0) return { id, signature, entry };
  const fields = inQuery
    .filter(({ name }) => name !== 'offset')
    .map(
      (parameter) =>
        `${comment(parameter.description)}${parameter.name}?: ${typeOf(parameter.schema, true)} | undefined;`,
    );
  return { id, signature, entry, query: `export interface ${queryName} {\n${fields.join('\n')}\n}\n` };
}

/** Whether a body may be left out: one that may be empty, but of a change it says what changes. */
const mayBeEmpty = (method: string, { required = [], anyOf, oneOf }: Schema = {}) =>
  method !== 'patch' && required.length === 0 && anyOf === undefined && oneOf === undefined;

/** A schema as a type. What requests hold is more generous: lists may be read-only, times a `Date`. */
function typeOf(schema: Schema, isInput: boolean): string {
  if (schema.$ref !== undefined) return schema.$ref.split('/').pop() ?? '';
  if (schema.const !== undefined) return literal(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(literal).join(' | ');
  const parts = schema.anyOf ?? schema.oneOf;
  if (parts !== undefined) return [...new Set(parts.map((part) => typeOf(part, isInput)))].join(' | ');
  switch (schema.type) {
    case 'array':
      return `${isInput ? 'readonly ' : ''}(${typeOf(schema.items ?? {}, isInput)})[]`;
    case 'object':
      return objectOf(schema, isInput);
    case 'string':
      return isInput && schema.format === 'date-time' ? 'string | Date' : 'string';
    case 'integer':
    case 'number':
      return 'number';
    case 'boolean':
    case 'null':
      return schema.type;
    case undefined:
      return 'unknown';
    default:
      throw new Error(`no type for a schema of type ${schema.type}`);
  }
}

function objectOf({ properties, required = [] }: Schema, isInput: boolean): string {
  if (properties === undefined) return 'Record<string, unknown>';
  const fields = Object.entries(properties).map(([name, field]) => {
    const isOptional = !required.includes(name);
    const type = typeOf(field, isInput) + (isOptional && isInput ? ' | undefined' : '');
    return `${comment(field.description)}${name}${isOptional ? '?' : ''}: ${type};`;
  });
  return `{\n${fields.join('\n')}\n}`;
}

const literal = (value: string | number | boolean) => JSON.stringify(value);
const upper = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** A comment of one line, or of several when it is long; also in the middle of a type, where it is indented. */
function comment(text: string | undefined): string {
  if (text === undefined) return '';
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < 100) lines.splice(-1, 1, `${last} ${word}`);
    else lines.push(word);
  }
  return lines.length === 1 ? `/** ${text} */\n` : `/**\n${lines.map((line) => ` * ${line}\n`).join('')} */\n`;
}

function formatted(name: string, text: string): string {
  const biome = join(ROOT, 'node_modules/@biomejs/biome/bin/biome');
  const args = [biome, 'check', '--write', `--stdin-file-path=client/src/api/${name}.ts`];
  return execFileSync(process.execPath, args, { cwd: ROOT, input: text, encoding: 'utf8' });
}
