/** Problems as responses of the description: one schema for each code, one response for each set of codes. */
import { PROBLEMS, type ProblemCode } from '../problems.ts';
import { PROBLEM_MEMBERS } from './descriptions.ts';
import { headerRef, type JsonSchema, type Reference, type ResponseObject } from './openapi.ts';
import { pascalCase, refTo } from './schemas.ts';

/** Collects the schemas and responses that operations need. */
export class ProblemResponses {
  readonly schemas: Record<string, JsonSchema> = { Problem: PROBLEM };
  readonly responses: Record<string, ResponseObject> = {};

  /** The responses for these codes by status. A change may answer with a kept problem. */
  of(codes: readonly ProblemCode[], changes: boolean): Record<string, Reference> {
    const byStatus = Map.groupBy(codes, (code) => PROBLEMS[code].status);
    return Object.fromEntries([...byStatus].map(([status, some]) => [status, this.#response(status, some, changes)]));
  }

  #response(status: number, codes: readonly ProblemCode[], changes: boolean): Reference {
    const isKept = changes && KEPT.has(status);
    const name = `${codes.join('-')}${isKept ? '-kept' : ''}`;
    this.responses[name] ??= {
      description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join(' '),
      headers: {
        'X-Request-Id': headerRef('RequestId'),
        ...(status === 401 ? { 'WWW-Authenticate': headerRef('Challenge') } : {}),
        ...(status === 503 ? { 'Retry-After': headerRef('RetryAfter') } : {}),
        ...(status === 429 ? LIMIT_HEADERS : {}),
        ...(isKept ? { 'Idempotency-Replayed': headerRef('Replayed') } : {}),
      },
      content: { 'application/problem+json': { schema: this.#oneOf(codes) } },
    };
    return { $ref: `#/components/responses/${name}` };
  }

  #oneOf(codes: readonly ProblemCode[]): JsonSchema {
    const names = codes.map((code) => [code, this.#schema(code)] as const);
    const [first] = names;
    if (first !== undefined && names.length === 1) return refTo(first[1]);
    const mapping = Object.fromEntries(names.map(([code, name]) => [code, `#/components/schemas/${name}`]));
    return { oneOf: names.map(([, name]) => refTo(name)), discriminator: { propertyName: 'code', mapping } };
  }

  #schema(code: ProblemCode): string {
    const { status, title } = PROBLEMS[code];
    const name = `${pascalCase(code)}Problem`;
    const { required = [], properties = {} } = PROBLEM_MEMBERS[code] ?? {};
    this.schemas[name] ??= {
      description: `${title}.`,
      allOf: [refTo('Problem')],
      type: 'object',
      properties: {
        type: { const: `urn:keystead:problem:${code}` },
        status: { const: status },
        code: { const: code },
        ...properties,
      },
      ...(required.length === 0 ? {} : { required }),
      unevaluatedProperties: false,
    };
    return name;
  }
}

const LIMIT_HEADERS = {
  'Retry-After': headerRef('RetryAfterIfKnown'),
  RateLimit: headerRef('RateLimit'),
  'RateLimit-Policy': headerRef('RateLimitPolicy'),
};

/** Statuses of problems that the object of a tenant decides, whose answers are kept for an `Idempotency-Key`. */
const KEPT: ReadonlySet<number> = new Set([403, 404, 409, 412, 422]);

const PROBLEM: JsonSchema = {
  description: 'A problem by RFC 9457.',
  type: 'object',
  properties: {
    type: { type: 'string', description: 'A URN that ends with the code.' },
    title: { type: 'string', description: 'For people: what the code means.' },
    status: { type: 'integer', description: 'The HTTP status.' },
    detail: { type: 'string', description: 'For people: more about this case.' },
    code: { type: 'string', description: 'Decide by this.' },
    requestId: { type: 'string', description: 'The `X-Request-Id` of the request.' },
  },
  required: ['type', 'title', 'status', 'detail', 'code', 'requestId'],
};
