/**
 * The description of the API: it is valid OpenAPI 3.1, complete, true, and the file `openapi.json` is what the program
 * makes. `npm run openapi` writes the file.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import * as v from 'valibot';
import { describe, expect, test, vi } from 'vitest';
import { type Description, operationsOf, typesOf } from '../../client/tools/api-types.ts';
import { commandTableOf } from '../../client/tools/cli-operations.ts';
import type { ApiDocument, JsonSchema, OperationObject, Parameter } from '../../src/api/openapi/openapi.ts';
import { DocumentCheck, partAt } from '../support/document-check.ts';
import { Schemas } from './described.ts';
import { ROOT } from './server.ts';

vi.mock('cloudflare:workers', () => ({ DurableObject: class {} }));

/** A module of the Worker, whose types are not those of Node. */
const load = (path: string): Promise<Record<string, unknown>> => import(join(ROOT, path));

type Shown = {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly request: {
    readonly body?: v.GenericSchema | { readonly whole: v.GenericSchema; readonly item: v.GenericSchema };
  };
  readonly response: { readonly body: v.GenericSchema | null };
};

const { operations } = (await load('src/api/all-operations.ts')) as { operations: readonly Shown[] };
const { EXAMPLES } = (await load('src/api/openapi/examples.ts')) as {
  EXAMPLES: Readonly<Record<string, { readonly request?: unknown; readonly response?: unknown }>>;
};
const { describeApi } = (await load('src/api/openapi/document.ts')) as {
  describeApi: (operations: readonly Shown[], version: string) => ApiDocument;
};
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const document: ApiDocument = JSON.parse(JSON.stringify(describeApi(operations, version)));

const described = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]): readonly [string, string, OperationObject] => [
    method,
    path,
    operation,
  ]),
);

test('the file openapi.json is up to date; npm run openapi writes it', async () => {
  await expect(`${JSON.stringify(document, null, 2)}\n`).toMatchFileSnapshot('../../openapi.json');
});

test("the client's types and table of operations are made from it; npm run openapi writes them", async () => {
  const description: Description = JSON.parse(JSON.stringify(document));
  await expect(typesOf(description)).toMatchFileSnapshot('../../client/src/api/types.ts');
  await expect(operationsOf(description)).toMatchFileSnapshot('../../client/src/api/operations.ts');
  await expect(commandTableOf(document)).toMatchFileSnapshot('../../client/src/cli/api/operations.json');
});

test('is valid by the official schema of OpenAPI 3.1', async () => {
  const validator = new Validator();
  expect(await validator.validate(structuredClone(document))).toMatchObject({ valid: true });
  expect(validator.version).toBe('3.1');
});

const validation = new Schemas(document);

/** Every field of a schema and of those within it, with its path. */
function fieldsIn(schema: JsonSchema, path: string): (readonly [string, JsonSchema])[] {
  const fields = Object.entries(schema.properties ?? {}).map(([name, field]) => [`${path}.${name}`, field] as const);
  const parts = [schema.items, ...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].filter((part) => part !== undefined);
  return [
    ...fields,
    ...fields.flatMap(([at, field]) => fieldsIn(field, at)),
    ...parts.flatMap((part) => fieldsIn(part, path)),
  ];
}

const parametersOf = ({ parameters = [] }: OperationObject): Parameter[] =>
  parameters.map((parameter) =>
    '$ref' in parameter ? (partAt(document, parameter.$ref.slice(1)) as unknown as Parameter) : parameter,
  );

describe('each schema', () => {
  const schemas = Object.entries(document.components.schemas);

  test('is valid JSON Schema 2020-12 without unknown keywords', () => {
    expect(schemas.length).toBeGreaterThan(60);
    for (const [name, schema] of schemas) expect(() => validation.compile(schema), name).not.toThrow();
    for (const [, , operation] of described) {
      for (const { schema } of parametersOf(operation)) expect(() => validation.compile(schema)).not.toThrow();
    }
  });

  test('says of each field what it means and what it may be', () => {
    const fields = schemas
      .filter(([name]) => !name.endsWith('Problem') || name === 'Problem')
      .flatMap(([name, schema]) => fieldsIn(schema, name));
    const silent = fields.filter(([, { description }]) => description === undefined).map(([path]) => path);
    expect(silent, 'to describe in FIELDS of src/api/openapi/descriptions.ts').toEqual([]);
    const open = fields.filter(
      ([, { description: _, ...rest }]) =>
        !['$ref', 'type', 'const', 'enum', 'anyOf', 'oneOf'].some((key) => key in rest),
    );
    expect(
      open.map(([path]) => path),
      'to say with v.metadata in the schema',
    ).toEqual([]);
  });

  test('is used, and each reference leads somewhere', () => {
    const refs = new Set(
      [...JSON.stringify(document).matchAll(/"(#\/components\/[^"]+)"/g)].map(([, ref = '']) => ref),
    );
    for (const ref of refs) expect(() => partAt(document, ref.slice(1))).not.toThrow();
    const { securitySchemes: _, ...parts } = document.components;
    const names = Object.entries(parts).flatMap(([kind, all]) =>
      Object.keys(all).map((name) => `#/components/${kind}/${name}`),
    );
    expect(names.filter((name) => !refs.has(name))).toEqual([]);
  });
});

describe('each operation', () => {
  test('is described under its own id, with a tag and parameters that are described', () => {
    const ids = described.map(([, , { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(expect.arrayContaining(operations.map(({ id }) => id)));
    const silentTags = document.tags.filter(({ description }) => description === undefined).map(({ name }) => name);
    expect(silentTags, 'to describe in TAGS of src/api/openapi/descriptions.ts').toEqual([]);
    const silent = described.flatMap(([, , operation]) =>
      parametersOf(operation)
        .filter(({ description }) => description === undefined)
        .map(({ name }) => `${operation.operationId}?${name}`),
    );
    expect(silent, 'to describe in FIELDS or PATH_PARAMETERS of src/api/openapi/descriptions.ts').toEqual([]);
    for (const [, path, operation] of described) {
      const inPath = parametersOf(operation).filter((parameter) => parameter.in === 'path');
      expect(inPath.map(({ name }) => name)).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    }
  });

  test('needs a token, but for those of the service itself', () => {
    const open = described.filter(([, , { security }]) => security?.length === 0).map(([, path]) => path);
    expect(open).toEqual(['/healthz', '/readyz', '/openapi.json', '/docs']);
    const otherwise = described.filter(([, , { security }]) => security !== undefined && security.length > 0);
    expect(otherwise.map(([, path]) => path)).toEqual(['/v1/authorize', '/v1/authorize/{path}']);
  });

  test('has the problems that any caller may meet, and success', () => {
    for (const [, , { operationId, security, responses }] of described) {
      const usual = security === undefined ? ['400', '401', '403', '500', '503'] : ['400', '500'];
      expect(Object.keys(responses), operationId).toEqual(expect.arrayContaining(usual));
      expect(Object.keys(responses).some((status) => /^20[014]$/.test(status))).toBe(true);
    }
  });
});

describe('each example', () => {
  const missing = (kind: 'request' | 'response', ids: readonly string[]) =>
    ids.filter((id) => EXAMPLES[id]?.[kind] === undefined);

  test('is there: of each body that may have something in it, and of each answer', () => {
    const withBody = described.flatMap(([, , { operationId, requestBody }]) => {
      const ref = requestBody?.content['application/json']?.schema.$ref;
      return ref === undefined || ref.endsWith('/NoInput') ? [] : operationId;
    });
    const withAnswer = operations.flatMap(({ id, response }) => (response.body === null ? [] : id));
    const message = 'to write in src/api/openapi/examples.ts';
    expect(missing('request', withBody), message).toEqual([]);
    expect(missing('response', withAnswer), message).toEqual([]);
    expect(Object.keys(EXAMPLES).filter((id) => !operations.some((operation) => operation.id === id))).toEqual([]);
  });

  const isValid = (schema: JsonSchema, example: unknown) => validation.compile(schema)(example);

  test('is valid by the description', () => {
    for (const [, , operation] of described) {
      const { operationId, requestBody, responses } = operation;
      const contents = [requestBody, ...Object.values(responses)].flatMap((part) =>
        part !== undefined && 'content' in part ? Object.values(part.content ?? {}) : [],
      );
      for (const { schema, example } of contents) {
        if (example !== undefined) expect(isValid(schema, example), operationId).toBe(true);
      }
      for (const { name, schema, example } of parametersOf(operation)) {
        if (example !== undefined) expect(isValid(schema, example), name).toBe(true);
      }
    }
  });

  test('is valid by the schemas of the program', () => {
    for (const { id, request, response } of operations) {
      const { request: sent, response: answer } = EXAMPLES[id] ?? {};
      const { body } = request;
      if (sent !== undefined && body !== undefined) {
        expect(v.safeParse('whole' in body ? body.whole : body, sent).issues, id).toBe(undefined);
      }
      if (answer !== undefined && response.body !== null) {
        expect(v.safeParse(response.body, answer).issues, id).toBe(undefined);
      }
    }
  });
});

test('an operation that nobody has described is noticed', () => {
  const secretive = v.strictObject({ unheardOf: v.string() });
  const [first] = operations;
  const odd = {
    ...first,
    id: 'oddities.get',
    path: '/v1/oddities',
    request: { path: {} },
    response: { status: 200, headers: [], body: secretive },
  };
  const { components, tags } = describeApi([odd as unknown as Shown], version);
  expect(components.schemas.OdditiesGetResponse?.properties?.unheardOf).toEqual({ type: 'string' });
  expect(tags.find(({ name }) => name === 'oddities')).toMatchObject({ description: undefined });
});

describe('an answer that is not as described is noticed', () => {
  const check = new DocumentCheck(document, (pointer, value) => validation.wrongAt(pointer, value));
  const json = { 'Content-Type': 'application/json', 'X-Request-Id': 'one' };
  const key = EXAMPLES['keys.get']?.response as object;
  const right = {
    method: 'GET',
    pathAndQuery: '/v1/tenants/acme/keys/key_0ERzJOXhf2wvA8dMx',
    status: 200,
    headers: new Headers({ ...json, ETag: '"1"' }),
    body: key,
  };
  const problem = {
    ...{
      type: 'urn:keystead:problem:key_not_found',
      title: 'None',
      status: 404,
      detail: 'None.',
      code: 'key_not_found',
    },
    requestId: 'one',
  };
  const refused = {
    ...right,
    status: 404,
    headers: new Headers({ ...json, 'Content-Type': 'application/problem+json' }),
    body: problem,
  };

  test('and one that is, passes', () => {
    expect(() => check.expectDescribed(right)).not.toThrow();
    expect(() => check.expectDescribed(refused)).not.toThrow();
  });

  test.each([
    ['an unknown status', { ...right, status: 418 }, 'has no such status'],
    ['a success of another kind', { ...right, status: 201 }, 'has no such status'],
    ['a member more', { ...right, body: { ...key, more: 1 } }, 'must NOT have additional properties'],
    ['a member less', { ...right, body: { ...key, name: undefined } }, 'name'],
    ['another type', { ...right, body: { ...key, scopes: 'all' } }, 'scopes must be array'],
    ['no body', { ...right, body: undefined }, 'must be object'],
    ['another content type', { ...right, headers: new Headers({ ...json, 'Content-Type': 'text/html' }) }, 'text/html'],
    ['no request id', { ...right, headers: new Headers({ 'Content-Type': json['Content-Type'] }) }, 'X-Request-Id'],
    [
      'a header that is not described',
      { ...right, headers: new Headers({ ...json, 'Retry-After': '1' }) },
      'Retry-After',
    ],
    ['a header of another form', { ...right, headers: new Headers({ ...json, ETag: 'W/"1"' }) }, 'ETag'],
    ['a problem of another operation', { ...refused, body: { ...problem, code: 'plan_not_found' } }, 'code'],
    ['a member of another problem', { ...refused, body: { ...problem, ids: [] } }, 'unevaluated'],
    ['an answer where nothing is', { ...right, pathAndQuery: '/v1/nothing' }, 'no such operation'],
  ])('%s', (_name, exchange, message) => {
    expect(() => check.expectDescribed(exchange)).toThrow(message);
  });

  test('a body that was accepted although the description does not allow it', () => {
    const changed = { ...right, method: 'PATCH', body: EXAMPLES['keys.update']?.response };
    expect(() => check.expectDescribed({ ...changed, sent: { name: 'New' } })).not.toThrow();
    expect(() => check.expectDescribed({ ...changed, sent: { colour: 'red' } })).toThrow('the body was accepted');
  });
});
