/**
 * The description of the API in OpenAPI 3.1, made from the operations and their schemas, so that it says what the
 * running program does.
 */
import { problemsOf } from '../description.ts';
import type { OperationDescription, PathParameter } from '../operation.ts';
import type { ProblemCode } from '../problems.ts';
import { RESPONSE_HEADERS } from '../response-headers.ts';
import { GATEWAY_TOKEN_HEADER, type Sender } from '../senders.ts';
import { FIELDS, NOTES, PATH_PARAMETERS, TAGS } from './descriptions.ts';
import { EXAMPLES } from './examples.ts';
import {
  type ApiDocument,
  headerRef,
  type JsonSchema,
  type MediaTypes,
  type OperationObject,
  type Parameter,
  parameterRef,
  type Reference,
} from './openapi.ts';
import { ProblemResponses } from './problem-responses.ts';
import { alternativesOf, Components, entriesOf, isListBody, isOptional } from './schemas.ts';

/** The description of these operations and of the paths of the service itself. */
export function describeApi(operations: readonly OperationDescription[], version: string): ApiDocument {
  const components = new Components(operations);
  const problems = new ProblemResponses();
  const paths: Record<string, Record<string, OperationObject>> = {};
  for (const operation of operations) {
    const path = operation.path.replaceAll(/:(\w+)\+?/g, '{$1}');
    paths[path] ??= {};
    paths[path][operation.method.toLowerCase()] = toOperation(operation, components, problems);
  }
  for (const [path, operation] of Object.entries(servicePaths(problems))) paths[path] = { get: operation };
  const tags = new Set(Object.values(paths).flatMap((methods) => Object.values(methods).flatMap((one) => one.tags)));
  return {
    openapi: '3.1.1',
    info: {
      title: 'Keystead',
      version,
      summary: 'API keys for your customers: issue, verify, limit, rotate, revoke.',
      description: INTRODUCTION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    tags: [...tags].map((name) => ({ name, description: TAGS[name] })),
    paths,
    components: {
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'The admin token or the key string of a management key.',
        },
        gateway: {
          type: 'apiKey',
          in: 'header',
          name: GATEWAY_TOKEN_HEADER,
          description: 'The admin token or the key string of a management key. The gateway sets it.',
        },
        customerBearer: { type: 'http', scheme: 'bearer', description: "The customer's key string." },
        customerHeader: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: "The customer's key string." },
      },
      parameters: PARAMETERS,
      headers: HEADERS,
      responses: problems.responses,
      schemas: { ...components.schemas, ...problems.schemas },
    },
  };
}

const INTRODUCTION = [
  'Bodies are JSON in UTF-8. Times are RFC 3339; answers give them in UTC with milliseconds. Unknown fields are',
  'refused, and so are unknown query parameters of lists. `HEAD` works wherever `GET` does. Texts are measured in',
  'UTF-16 units and must not have control characters. Decide by the `code` of a problem; its `title` and `detail`',
  'are for people.',
].join(' ');

function toOperation(
  operation: OperationDescription,
  components: Components,
  problems: ProblemResponses,
): OperationObject {
  const { id, summary, sender, anyMethod, permission, confined, request, response } = operation;
  const example = EXAMPLES[id];
  const note = NOTES[id];
  const scope = confined === 'allowed' ? '' : ' Not for callers who are confined to a tenant.';
  const parameters = parametersOf(operation, components);
  return {
    operationId: id,
    tags: [id.split('.')[0] ?? ''],
    summary,
    description: `${note === undefined ? '' : `${note} `}Needs the permission \`${permission}\`.${scope}`,
    ...(SECURITY[sender] === undefined ? {} : { security: SECURITY[sender] }),
    ...(anyMethod ? { 'x-any-method': true as const } : {}),
    ...(Object.values(request.path).some(({ isRest }) => isRest) ? { 'x-any-path': true as const } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(request.body === undefined
      ? {}
      : {
          requestBody: {
            required: isListBody(request.body) || !isOptional(request.body),
            content: jsonContent(components.of(request.body), example?.request),
          },
        }),
    responses: {
      [response.status]: {
        description: response.body === null ? 'Done.' : 'Done; the body says the result.',
        headers: headersOf(operation),
        ...(response.body === null
          ? {}
          : {
              content:
                response.mediaType === 'text/plain'
                  ? textContent(example?.response)
                  : {
                      ...jsonContent(components.of(response.body), example?.response),
                      ...(response.hasCsv ? { 'text/csv': { schema: { type: 'string' } } } : {}),
                    },
            }),
      },
      ...problems.of(problemsOf(operation), operation.changes),
    },
  };
}

/** What an operation needs instead of the caller's own token. */
const SECURITY: Readonly<Record<Sender, OperationObject['security']>> = {
  caller: undefined,
  gateway: [
    { gateway: [], customerBearer: [] },
    { gateway: [], customerHeader: [] },
  ],
};

const jsonContent = (schema: JsonSchema, example: unknown): MediaTypes => ({
  'application/json': { schema, ...(example === undefined ? {} : { example }) },
});

const textContent = (example: unknown): MediaTypes => ({ 'text/plain': { schema: { type: 'string' }, example } });

function parametersOf(
  { id, request, changes, errors }: OperationDescription,
  components: Components,
): (Parameter | Reference)[] {
  const inPath = Object.entries(request.path).map(([name, parameter]) => pathParameter(name, parameter));
  const { queryHeader } = request;
  const inQuery = Object.entries(queryHeader === undefined ? entriesOf(request.query) : {}).map(
    ([name, schema]): Parameter => {
      const { description, ...shape } = components.parameter(id, name);
      const style = shape.type === 'array' ? ({ style: 'form', explode: false } as const) : {};
      return { name, in: 'query', required: !isOptional(schema), description, ...style, schema: shape };
    },
  );
  const inHeader: Parameter[] =
    queryHeader === undefined
      ? []
      : [
          {
            name: queryHeader,
            in: 'header',
            required: true,
            description: FIELDS[queryHeader],
            schema: { type: 'string' },
          },
        ];
  return [
    ...inPath,
    ...inQuery,
    ...inHeader,
    ...(changes ? [parameterRef('IdempotencyKey')] : []),
    ...(errors.includes('precondition_failed') ? [parameterRef('IfMatch')] : []),
    ...(changes ? [parameterRef('OnBehalfOf')] : []),
    parameterRef('RequestId'),
  ];
}

function pathParameter(name: string, { pattern }: PathParameter): Parameter {
  const known = PATH_PARAMETERS[name];
  const schema: JsonSchema = { type: 'string', ...(pattern instanceof RegExp ? { pattern: pattern.source } : {}) };
  const example = known === undefined ? {} : { example: known.example };
  return { name, in: 'path', required: true, description: known?.description, schema, ...example };
}

/** The headers of a success. An entity tag comes with resources that have a version, and a link with pages. */
function headersOf({ changes, response }: OperationDescription): Record<string, Reference> {
  const fields = new Set(alternativesOf(response.body).flatMap((schema) => Object.keys(entriesOf(schema))));
  return {
    'X-Request-Id': headerRef('RequestId'),
    ...(fields.has('version') ? { ETag: headerRef('EntityTag') } : {}),
    ...(fields.has('page') ? { Link: headerRef('Link') } : {}),
    ...(response.hasCsv ? { Vary: headerRef('Vary') } : {}),
    ...(response.isSecret ? { 'Cache-Control': headerRef('NoStore') } : {}),
    ...Object.fromEntries(response.headers.map((name) => [name, headerRef(name.replaceAll('-', ''))])),
    ...(changes ? { 'Idempotency-Replayed': headerRef('Replayed') } : {}),
  };
}

/** The parts of the API that are no operations: they need no caller. */
function servicePaths(problems: ProblemResponses): Record<string, OperationObject> {
  const service = (
    id: string,
    summary: string,
    description: string,
    content: MediaTypes,
    codes: readonly ProblemCode[],
    headers: Readonly<Record<string, Reference>> = {},
  ): OperationObject => ({
    operationId: `service.${id}`,
    tags: ['service'],
    summary,
    description,
    security: [],
    parameters: [parameterRef('RequestId')],
    responses: {
      200: { description: 'Yes.', headers: { 'X-Request-Id': headerRef('RequestId'), ...headers }, content },
      ...problems.of(['invalid_host', 'internal_error', ...codes], false),
    },
  });
  const noStore = { 'Cache-Control': headerRef('NoStore') };
  const anyObject: JsonSchema = { type: 'object', additionalProperties: true };
  return {
    '/healthz': service(
      'health',
      'Says that the process answers',
      'Also tells the version of the program.',
      jsonContent(statusOf({ version: { type: 'string', description: 'The version of the program.' } }), {
        status: 'ok',
        version: '1.0.0',
      }),
      [],
      noStore,
    ),
    '/readyz': service(
      'readiness',
      'Says whether requests can be served',
      'The configuration is valid, somebody can call, and storage takes a write.',
      jsonContent(statusOf({}), { status: 'ok' }),
      ['storage_full', 'unavailable', 'misconfigured'],
      noStore,
    ),
    '/openapi.json': service(
      'description',
      'Returns this description',
      'OpenAPI 3.1, made from the running program.',
      jsonContent(anyObject, undefined),
      [],
      { 'Cache-Control': headerRef('Cached') },
    ),
    '/docs': service(
      'docs',
      'Shows this description as a page for people',
      'Not there when the variable `DOCS` is `off`.',
      { 'text/html': { schema: { type: 'string' } } },
      ['not_found', 'misconfigured'],
      { 'Cache-Control': headerRef('Cached'), 'Content-Security-Policy': headerRef('ContentSecurityPolicy') },
    ),
  };
}

function statusOf(more: Readonly<Record<string, JsonSchema>>): JsonSchema {
  const properties = { status: { type: 'string', const: 'ok', description: 'Always `ok`.' }, ...more };
  return { type: 'object', properties, required: Object.keys(properties), additionalProperties: false };
}

const PARAMETERS: Readonly<Record<string, Parameter>> = {
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description:
      'A request with the same key, body and caller is applied once, and gets the first answer for 24 hours.',
    schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' },
    example: 'b6a1f2c4-4f0e-4a5e-9d0b-0c3f6f0f2f11',
  },
  IfMatch: {
    name: 'If-Match',
    in: 'header',
    required: false,
    description: 'The `ETag` of the version that the change is for, with its quotes. `*` stands for any version.',
    schema: { type: 'string' },
    example: '"3"',
  },
  OnBehalfOf: {
    name: 'X-On-Behalf-Of',
    in: 'header',
    required: false,
    description: 'For whom the caller acts, for the audit log: 1 to 200 characters, percent-encoded if not ASCII.',
    schema: { type: 'string', minLength: 1, maxLength: 1800 },
    example: 'ada@example.com',
  },
  RequestId: {
    name: 'X-Request-Id',
    in: 'header',
    required: false,
    description: 'An id of your own for the request. The answer and the log have it; without one they have a new id.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9_.:-]{1,64}$' },
    example: 'checkout-7f3a',
  },
};

const textHeader = (description: string, required: boolean, schema: object = {}) => ({
  description,
  required,
  schema: { type: 'string', ...schema },
});

const HEADERS: Readonly<Record<string, object>> = {
  RequestId: textHeader('The id of the request.', true),
  EntityTag: textHeader('The version of the resource, for `If-Match`.', false, { pattern: '^"\\d+"$' }),
  Link: textHeader('The address of the next page (`rel="next"`), while there is one.', false),
  NoStore: textHeader('No cache may keep the answer.', true, { const: 'no-store' }),
  Vary: textHeader('The answer depends on this header of the request.', true, { const: 'Accept' }),
  Cached: textHeader('How long a cache may keep the answer.', true),
  ContentSecurityPolicy: textHeader('What the page may load: nothing.', true),
  Replayed: textHeader('The answer is that of an earlier request with the same `Idempotency-Key`.', false, {
    const: 'true',
  }),
  ...Object.fromEntries(
    Object.entries(RESPONSE_HEADERS).map(([name, meaning]) => [
      name.replaceAll('-', ''),
      textHeader(meaning.description, meaning.isAlways, 'pattern' in meaning ? { pattern: meaning.pattern } : {}),
    ]),
  ),
  RetryAfterIfKnown: textHeader('In how many seconds to try again, if that can be known.', false, {
    pattern: '^\\d+$',
  }),
  RetryAfter: textHeader('In how many seconds to try again.', true, { pattern: '^\\d+$' }),
  Challenge: textHeader('How to authenticate.', true),
};
