/**
 * An operation of the API, as data. Everything else is made from the list of all operations
 * (src/api/all-operations.ts): the HTTP routes (src/router.ts), the check of rights (src/api/authorization.ts),
 * validation (src/api/http-transport.ts) and the description (src/api/openapi/).
 *
 * To add an operation:
 * 1. Write its schemas and its entry in the folder of its resource, and add the entry to that folder's list. Its
 *    `run` gets valid input and returns a value in the shape of the response. It sees neither `Request` nor
 *    `Response`, and throws a `Problem` to refuse the request.
 * 2. Decide in test/auth/route-table.test.ts who may call it.
 * 3. Say what its fields mean in src/api/openapi/descriptions.ts and give an example in examples.ts beside it; document
 *    it in docs/api.md; give test/http/hostile.ts a valid request of it; run `npm run openapi`. Tests fail while step
 *    2 or 3 is missing. CONTRIBUTING.md has an example.
 */
import type * as v from 'valibot';
import { KEY_ID_PATTERN } from '../../domain/key-string/key-string.ts';
import { SYSTEM_TENANT_ID } from '../../domain/tenants/locator.ts';
import type { Permission } from '../auth/principal.ts';
import type { ListBody } from '../http/bounded-schemas.ts';
import type { Csv } from '../http/csv.ts';
import type { JsonText } from '../http/json-text.ts';
import type { LongList } from '../http/long-list.ts';
import type { PlainText } from '../http/plain-text.ts';
import { emptyBody, isOwnerId, PLAN_ID_PATTERN, TENANT_ID_PATTERN } from './fields.ts';
import type { ProblemCode } from './problems.ts';
import type { RequestContext } from './request-context.ts';
import type { ResponseHeader } from './response-headers.ts';
import type { Sender } from './senders.ts';

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/**
 * Largest bodies (bytes), by what they hold. JSON may write any character as `\uXXXX`, six bytes for one, and the
 * largest valid body must fit even when it is written so. Verification and bulk creation are exceptions: they would
 * need 61 KiB and 42 MiB, and no program writes scopes that way.
 */
export const BODY_BYTES = {
  /** At most an empty object. */
  none: 1024,
  /**
   * A verification: a key of 117 characters, 100 scopes of 100. A tenant, a management key or a
   * reason: at most 4 KiB.
   */
  small: 16 * 1024,
  /**
   * One key: 100 scopes of 100 characters, 4,096 bytes of metadata, name and owner, six bytes each:
   * 87 KiB. Or 500 ids, or one owner.
   */
  key: 96 * 1024,
  /** 500 keys of some 8 KiB each. */
  bulk: 4 * 1024 * 1024,
} as const;

/**
 * A parameter of a path. A text that does not match `pattern` names nothing that exists, so the request is refused with
 * the problem `otherwise`, without an object call.
 */
export type PathParameter = {
  readonly pattern: Pick<RegExp, 'test'>;
  /** Whether it is any text, percent-encoded in the path. By default nothing is decoded. */
  readonly isEncoded?: boolean;
  /** Whether it is all the rest of the path, whatever that is. In the path it ends with a plus. */
  readonly isRest?: boolean;
  readonly otherwise: ProblemCode;
};

const tenantIdParameter: PathParameter = { pattern: TENANT_ID_PATTERN, otherwise: 'tenant_not_found' };
/** Also accepts `_system`, the tenant of the management keys. */
const anyTenantIdParameter: PathParameter = {
  pattern: new RegExp(`${TENANT_ID_PATTERN.source}|^${SYSTEM_TENANT_ID}$`),
  otherwise: 'tenant_not_found',
};

/** The parameters of a path, by what the path leads to. */
export const PATH_OF = {
  tenant: { tenantId: tenantIdParameter },
  anyTenant: { tenantId: anyTenantIdParameter },
  key: { tenantId: tenantIdParameter, keyId: { pattern: KEY_ID_PATTERN, otherwise: 'key_not_found' } },
  owner: {
    tenantId: tenantIdParameter,
    ownerId: { pattern: { test: isOwnerId }, isEncoded: true, otherwise: 'owner_not_found' },
  },
  plan: { tenantId: tenantIdParameter, planId: { pattern: PLAN_ID_PATTERN, otherwise: 'plan_not_found' } },
  managementKey: { keyId: { pattern: KEY_ID_PATTERN, otherwise: 'management_key_not_found' } },
  anything: { path: { pattern: { test: () => true }, isRest: true, otherwise: 'not_found' } },
} as const satisfies Record<string, Readonly<Record<string, PathParameter>>>;

type PathParameters = Readonly<Record<string, PathParameter>>;

/** The body of an operation that takes no input there: no body, or an empty object. */
export const EMPTY_BODY = { body: emptyBody, bodyBytesMax: BODY_BYTES.none } as const;

/** The schema of a body, or a list so long that validating it takes several turns of the event loop. */
export type Body = v.GenericSchema | ListBody<unknown>;
type BodyOutput<B> = B extends v.GenericSchema ? v.InferOutput<B> : B extends ListBody<infer T> ? readonly T[] : never;

/**
 * What `run` gets: the parameters of the path, the query and body as their schemas output them, and headers as they
 * were sent.
 */
export type Input<P, Q, B, H extends string = never> = { readonly [K in keyof P]: string } & {
  readonly headers: Readonly<Record<H, string | null>>;
  readonly query: Q extends v.GenericSchema ? v.InferOutput<Q> : undefined;
  readonly body: BodyOutput<B>;
};

/** What `run` returns: the value of the response, and what the transport adds to it (in HTTP: headers). */
export type Outcome<T> = {
  readonly value: T | LongList | JsonText | Csv | PlainText;
  /** Version of the resource; in HTTP the entity tag. */
  readonly version?: number;
  /** Values of the headers that the response of the operation names, without those that it does not have. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether this is the kept result of an earlier request with the same `Idempotency-Key`. */
  readonly replayed?: boolean;
  /** The query parameter that leads to the next page of a list, and its value; null on the last page. */
  readonly next?: { readonly parameter: 'cursor' | 'offset'; readonly value: string } | null;
  /** Whether `run` returns this same object again, so that a transport may keep the reply that it makes from it. */
  readonly isReused?: boolean;
};

/** How a transport hands over the input of an operation. Each method throws a problem when its part is not valid. */
export type InputReader = {
  readPath(parameters: PathParameters): Readonly<Record<string, string>>;
  /** `header` names the header that has the query instead, undefined for none. */
  readQuery(schema: v.GenericSchema, header: string | undefined): unknown;
  readHeaders(names: readonly string[]): Readonly<Record<string, string | null>>;
  readBody(body: Body, bytesMax: number): Promise<unknown>;
};

/** An operation without its code. */
export type OperationDescription = {
  /** `resource.verb`: the name in the description and in clients. */
  readonly id: string;
  /** One line that says what it does. */
  readonly summary: string;
  readonly method: Method;
  /** Whether it answers to every other method in the same way. */
  readonly anyMethod: boolean;
  /** A segment that starts with a colon is a parameter. */
  readonly path: string;
  /** Who sends the requests, and thus where the token of the caller is (src/api/senders.ts). */
  readonly sender: Sender;
  readonly permission: Permission;
  /**
   * Whether callers confined to a tenant may use it. An operation that is allowed although its path names no tenant
   * shows them only what is theirs.
   */
  readonly confined: 'allowed' | 'refused';
  /** Whether it changes something. Then it takes the headers `Idempotency-Key`, `If-Match` and `X-On-Behalf-Of`. */
  readonly changes: boolean;
  /**
   * Whether it adds data. Such operations are refused when storage runs out; those that end or remove
   * something are not.
   */
  readonly grows: boolean;
  readonly request: {
    readonly path: PathParameters;
    readonly query?: v.GenericSchema | undefined;
    /** The header that has the query, for callers who do not choose the address. Absent: it is in the address. */
    readonly queryHeader?: string | undefined;
    /** Headers that `run` gets. */
    readonly headers: readonly string[];
    /** Absent: no body is read. */
    readonly body?: Body | undefined;
    /** Largest body that is read. */
    readonly bodyBytesMax: number;
  };
  readonly response: {
    readonly status: 200 | 201 | 204;
    /** null for a response without a body. */
    readonly body: v.GenericSchema | null;
    /** What the body is. Another text than JSON is a `PlainText`. */
    readonly mediaType: 'application/json' | 'text/plain';
    /** Headers that `run` gives values. */
    readonly headers: readonly ResponseHeader[];
    /** Whether the caller may ask for a table in CSV instead. */
    readonly hasCsv: boolean;
    /** Whether it holds key strings, or says whose a key is: then HTTP caches are told not to store it. */
    readonly isSecret: boolean;
  };
  /** Problems that the form of the operation does not imply already (src/api/description.ts). */
  readonly errors: readonly ProblemCode[];
};

export type Operation = OperationDescription & {
  /** Reads the input in the order path, query, body, then runs. */
  readonly invoke: (context: RequestContext, reader: InputReader) => Promise<Outcome<unknown>>;
};

type Definition<P, Q, B, R, H> = Pick<OperationDescription, 'id' | 'summary' | 'method' | 'path' | 'permission'> &
  Partial<Pick<OperationDescription, 'anyMethod' | 'sender' | 'confined' | 'changes' | 'grows' | 'errors'>> & {
    readonly request?: {
      readonly path?: P;
      readonly query?: Q;
      readonly queryHeader?: string;
      readonly headers?: readonly H[];
      readonly body?: B;
      readonly bodyBytesMax?: number;
    };
    readonly response: {
      readonly status?: 200 | 201 | 204;
      readonly body: R;
      readonly mediaType?: 'text/plain';
      readonly headers?: readonly ResponseHeader[];
      readonly hasCsv?: boolean;
      readonly isSecret?: boolean;
    };
    readonly run: (
      context: RequestContext,
      input: Input<P, Q, B, H & string>,
    ) => Promise<Outcome<R extends v.GenericSchema ? v.InferOutput<R> : null>>;
  };

/**
 * Makes an operation from its definition. Defaults: callers send it themselves, by its one method; a caller confined
 * to a tenant may use it if its path names a tenant; it changes something unless it is a GET; it adds no data; its
 * body, if it reads one, is small; its response has status 200 and holds no key string.
 */
export function operation<
  const P extends PathParameters = Readonly<Record<never, never>>,
  const Q extends v.GenericSchema | undefined = undefined,
  const B extends Body | undefined = undefined,
  const R extends v.GenericSchema | null = null,
  const H extends string = never,
>({
  run,
  request: { path: parameters, query, queryHeader, headers = [], body, bodyBytesMax = BODY_BYTES.small } = {},
  ...rest
}: Definition<P, Q, B, R, H>): Operation {
  const { confined = parameters !== undefined && 'tenantId' in parameters ? 'allowed' : 'refused' } = rest;
  const { status = 200, mediaType = 'application/json', hasCsv = false, isSecret = false } = rest.response;
  return {
    ...{
      anyMethod: false,
      sender: 'caller',
      changes: rest.method !== 'GET',
      grows: false,
      errors: [],
      ...rest,
      confined,
    },
    request: { path: parameters ?? {}, query, queryHeader, headers, body, bodyBytesMax },
    response: { body: rest.response.body, mediaType, headers: rest.response.headers ?? [], status, hasCsv, isSecret },
    invoke: async (context, reader) => {
      const input = {
        ...reader.readPath(parameters ?? {}),
        headers: reader.readHeaders(headers),
        query: query === undefined ? undefined : reader.readQuery(query, queryHeader),
        body: body === undefined ? undefined : await reader.readBody(body, bodyBytesMax),
      };
      // Sound: the reader has parsed each part with the schema that gives the part its type.
      return run(context, input as Input<P, Q, B, H>);
    },
  };
}
