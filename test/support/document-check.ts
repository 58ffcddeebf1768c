/**
 * Holds answers against the description of the API: status, headers, content type and body. It knows nothing of the
 * program but that document, and needs no runtime of its own: a validator of JSON Schema comes from outside.
 */
import type {
  ApiDocument,
  JsonSchema,
  OperationObject,
  Reference,
  ResponseObject,
} from '../../src/api/openapi/openapi.ts';

/** One exchange. Bodies are parsed JSON, or another text; undefined for none. */
export type Exchange = {
  readonly method: string;
  readonly pathAndQuery: string;
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
  /** The body of the request where it was JSON. */
  readonly sent?: unknown;
};

/** What is wrong with a value by the schema at a place of the document (a JSON pointer), null for nothing. */
export type Validate = (pointer: string, value: unknown) => string | null;

/** Headers that the API gives a meaning. An answer has them only where the description says so. */
const HEADERS = [
  ...['Cache-Control', 'Deprecation', 'ETag', 'Idempotency-Replayed', 'Link', 'RateLimit', 'RateLimit-Policy'],
  ...['Retry-After', 'Sunset', 'WWW-Authenticate'],
  ...['X-Keystead-Key', 'X-Keystead-Owner', 'X-Keystead-Scopes', 'X-Keystead-Tenant'],
];

const PATTERN_OF_NO_OPERATION = /^(?:400 invalid_host|404 not_found|405 method_not_allowed)$/;

type Known = {
  readonly pattern: RegExp;
  readonly path: string;
  readonly operation: OperationObject;
  readonly method: string;
};

export class DocumentCheck {
  readonly #document: ApiDocument;
  readonly #known: readonly Known[];
  readonly #validate: Validate;

  constructor(document: ApiDocument, validate: Validate) {
    this.#document = document;
    this.#validate = validate;
    this.#known = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        pattern: new RegExp(
          `^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, operation['x-any-path'] ? '.*' : '[^/]+')}$`,
        ),
        path,
        method,
        operation,
      })),
    );
  }

  /** Throws when the description does not allow the exchange. */
  expectDescribed(exchange: Exchange): void {
    const { method, pathAndQuery, status } = exchange;
    const [path = '', query = ''] = pathAndQuery.split('?', 2);
    const wanted = method === 'HEAD' ? 'get' : method.toLowerCase();
    const known = this.#known.find(
      (one) => (one.method === wanted || one.operation['x-any-method']) && one.pattern.test(path),
    );
    const wrong = known === undefined ? this.#wrongOutside(exchange) : this.#wrong(known, exchange, query);
    if (wrong !== null) {
      throw new Error(
        `${method} ${path.slice(0, 200)} answered ${status}, and the description says otherwise: ${wrong}`,
      );
    }
  }

  /** An answer where there is no operation must be one of a few problems. */
  #wrongOutside({ method, status, body }: Exchange): string | null {
    if (method === 'HEAD' && body === undefined) return null;
    const code = typeof body === 'object' && body !== null ? Reflect.get(body, 'code') : undefined;
    if (!PATTERN_OF_NO_OPERATION.test(`${status} ${code}`)) return 'there is no such operation';
    return this.#validate('/components/schemas/Problem', body);
  }

  #wrong({ path, method, operation }: Known, exchange: Exchange, query: string): string | null {
    const { status, headers, body, sent } = exchange;
    // A path that is too long, or ends with a slash, leads nowhere although it has the form of one.
    if (status === 404 && this.#wrongOutside(exchange) === null) return null;
    const place = `/paths/${path.replaceAll('~', '~0').replaceAll('/', '~1')}/${method}`;
    const given = operation.responses[status];
    if (given === undefined) return `${operation.operationId} has no such status`;
    const response = this.#resolved(given);
    const at = '$ref' in given ? given.$ref.slice(1) : `${place}/responses/${status}`;
    return (
      this.#wrongHeaders(response, headers) ??
      (exchange.method === 'HEAD' ? null : this.#wrongBody(response, at, headers, body)) ??
      (status < 300 ? this.#wrongRequest(operation, place, query, sent) : null)
    );
  }

  #wrongHeaders({ headers: described = {} }: ResponseObject, headers: Headers): string | null {
    for (const name of HEADERS) {
      if (headers.has(name) && !(name in described)) return `the header ${name} is not described`;
    }
    for (const [name, { $ref }] of Object.entries(described)) {
      const value = headers.get(name);
      const header = this.#document.components.headers[$ref.slice($ref.lastIndexOf('/') + 1)];
      if (value === null) {
        if (header !== undefined && Reflect.get(header, 'required') === true) return `the header ${name} is missing`;
        continue;
      }
      const wrong = this.#validate(`${$ref.slice(1)}/schema`, value);
      if (wrong !== null) return `the header ${name}: ${wrong}`;
    }
    return null;
  }

  #wrongBody({ content }: ResponseObject, at: string, headers: Headers, body: unknown): string | null {
    const type = headers.get('Content-Type')?.split(';')[0];
    if (content === undefined) return body === undefined && type === undefined ? null : 'it has no body';
    if (type === undefined || content[type] === undefined) return `its content is not ${type}`;
    return this.#validate(`${at}/content/${type.replaceAll('/', '~1')}/schema`, body);
  }

  /** What was accepted must be allowed by the description too. */
  #wrongRequest(operation: OperationObject, place: string, query: string, sent: unknown): string | null {
    const names = new Set(
      (operation.parameters ?? []).flatMap((parameter) =>
        'in' in parameter && parameter.in === 'query' ? parameter.name : [],
      ),
    );
    // Operations that take no query leave it unread.
    for (const name of names.size === 0 ? [] : new URLSearchParams(query).keys()) {
      if (!names.has(name)) return `the query parameter ${name} was accepted`;
    }
    if (sent === undefined || operation.requestBody === undefined) return null;
    const wrong = this.#validate(`${place}/requestBody/content/application~1json/schema`, sent);
    return wrong === null ? null : `the body was accepted: ${wrong}`;
  }

  #resolved(response: ResponseObject | Reference): ResponseObject {
    if (!('$ref' in response)) return response;
    const found = this.#document.components.responses[response.$ref.slice(response.$ref.lastIndexOf('/') + 1)];
    if (found === undefined) throw new Error(`the description has no ${response.$ref}`);
    return found;
  }
}

/** The part of a document at a JSON pointer. */
export function partAt(document: object, pointer: string): JsonSchema {
  const names = pointer
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
  const part = names.reduce<unknown>(
    (at, name) => (typeof at === 'object' && at !== null ? Reflect.get(at, name) : undefined),
    document,
  );
  if (typeof part !== 'object' || part === null) throw new Error(`the description has nothing at ${pointer}`);
  return part as JsonSchema;
}
