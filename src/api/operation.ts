/**
 * An operation of the API, as data. The one list of them (api/index.ts) is what everything else is made from: the HTTP routes
 * (api/http.ts), who may call (api/authorization.ts), validation, and the description (api/description.ts).
 *
 * To add one: write its schemas and its entry in the folder of its resource, with a `run` that gets valid input and returns a value in
 * the shape of the response; add it to that folder's list. `run` sees neither `Request` nor `Response`. It throws a `Problem` where
 * it cannot go on. Then decide in test/auth/route-table.test.ts who may call it, and name it in docs/api.md: tests ask for both.
 */
import type * as v from 'valibot';
import { SYSTEM_TENANT_ID } from '../../domain/tenants/locator.ts';
import type { Permission } from '../auth/principal.ts';
import { KEY_ID_PATTERN } from '../crypto/key-string.ts';
import type { ListBody } from '../http/bounded.ts';
import type { LongList } from '../http/long-list.ts';
import { TENANT_ID_PATTERN } from './fields.ts';
import type { ProblemCode } from './problems.ts';
import type { RequestContext } from './request-context.ts';

export type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/**
 * Largest bodies (bytes), by what they hold. A body may write any character of a text as `\uXXXX`, six bytes for one, and all of a
 * body at its largest written so must fit. Verification and bulk are exceptions: that would take 61 KiB and 42 MiB there, and no
 * program writes scopes so.
 */
export const BODY_BYTES = {
  /** An empty object at most. */
  none: 1024,
  /** A verification: 117 characters of key, 100 scopes of 100. A tenant, a management key, a reason: 4 KiB at most. */
  small: 16 * 1024,
  /** One key: 100 scopes of 100 characters, 4,096 bytes of metadata, name and owner, six bytes each: 87 KiB. Or 500 ids. */
  key: 96 * 1024,
  /** 500 keys of some 8 KiB each. */
  bulk: 4 * 1024 * 1024,
} as const;

/** A parameter of a path. A text that cannot be one names nothing that exists, so it takes no object call to say so. */
export type PathParameter = { readonly pattern: RegExp; readonly otherwise: ProblemCode };

const tenantIdParameter: PathParameter = { pattern: TENANT_ID_PATTERN, otherwise: 'tenant_not_found' };
/** Also names `_system`, the tenant of the management keys. */
const anyTenantIdParameter: PathParameter = {
  pattern: new RegExp(`${TENANT_ID_PATTERN.source}|^${SYSTEM_TENANT_ID}$`),
  otherwise: 'tenant_not_found',
};

/** The parameters of paths, by what the path leads to. */
export const PATH_OF = {
  tenant: { tenantId: tenantIdParameter },
  anyTenant: { tenantId: anyTenantIdParameter },
  key: { tenantId: tenantIdParameter, keyId: { pattern: KEY_ID_PATTERN, otherwise: 'key_not_found' } },
  managementKey: { keyId: { pattern: KEY_ID_PATTERN, otherwise: 'management_key_not_found' } },
} as const satisfies Record<string, Readonly<Record<string, PathParameter>>>;

type PathParameters = Readonly<Record<string, PathParameter>>;

/** A body as an operation declares it: a schema, or a list so long that validating it takes several turns. */
export type Body = v.GenericSchema | ListBody<unknown>;
type BodyOutput<B> = B extends v.GenericSchema ? v.InferOutput<B> : B extends ListBody<infer T> ? readonly T[] : never;

/** What `run` gets: the parameters of the path, and the query and the body in the shape of their schemas. */
export type Input<P, Q, B> = { readonly [K in keyof P]: string } & {
  readonly query: Q extends v.GenericSchema ? v.InferOutput<Q> : undefined;
  readonly body: BodyOutput<B>;
};

/** What `run` returns: the value of the response, and what the transport tells beside it. */
export type Outcome<T> = {
  readonly value: T | LongList;
  /** Version of the resource; the entity tag in HTTP. */
  readonly version?: number;
  /** Whether this is the kept result of an earlier request with the same `Idempotency-Key`. */
  readonly replayed?: boolean;
  /** The parameter, and its value, with which a list request gets the next page. */
  readonly next?: { readonly parameter: 'cursor' | 'offset'; readonly value: string } | null;
  /** Whether `run` returns this very object again, so that a transport may keep what it makes of it. */
  readonly isKept?: boolean;
};

/** How a transport hands over what a request says. Each throws a problem where it is not valid. */
export type InputReader = {
  readPath(parameters: PathParameters): Readonly<Record<string, string>>;
  readQuery(schema: v.GenericSchema): unknown;
  readBody(body: Body, bytesMax: number): Promise<unknown>;
};

/** Everything about an operation but how it is run. */
export type OperationDescription = {
  /** `resource.verb`, for descriptions and clients. */
  readonly id: string;
  /** One line that says what it does. */
  readonly summary: string;
  readonly method: Method;
  /** A segment that begins with a colon is a parameter. */
  readonly path: string;
  readonly permission: Permission;
  /** Whether callers confined to a tenant may use it. One that is not of one tenant shows them only their own. */
  readonly confined: 'allowed' | 'refused';
  /** Whether it changes something. Then it takes the headers `Idempotency-Key`, `If-Match` and `X-On-Behalf-Of`. */
  readonly changes: boolean;
  /** Whether it adds data: then it is refused where storage runs out, while what ends something goes on. */
  readonly grows: boolean;
  readonly request: {
    readonly path: PathParameters;
    readonly query?: v.GenericSchema | undefined;
    /** Absent: no body is read. */
    readonly body?: Body | undefined;
    /** Largest body that is read. */
    readonly bodyBytesMax: number;
  };
  readonly response: {
    readonly status: 200 | 201 | 204;
    /** null for no body. */
    readonly body: v.GenericSchema | null;
    /** Whether it holds key strings, so that no cache may keep it. */
    readonly isSecret: boolean;
  };
  /** Problems that are its own, beside those of every operation of its form (description.ts). */
  readonly errors: readonly ProblemCode[];
};

export type Operation = OperationDescription & {
  /** Reads the input, in the order path, query, body, and runs. */
  readonly invoke: (context: RequestContext, reader: InputReader) => Promise<Outcome<unknown>>;
};

type Definition<P, Q, B, R> = Pick<OperationDescription, 'id' | 'summary' | 'method' | 'path' | 'permission'> &
  Partial<Pick<OperationDescription, 'confined' | 'changes' | 'grows' | 'errors'>> & {
    readonly request?: { readonly path?: P; readonly query?: Q; readonly body?: B; readonly bodyBytesMax?: number };
    readonly response: { readonly status?: 200 | 201 | 204; readonly body: R; readonly isSecret?: boolean };
    readonly run: (
      context: RequestContext,
      input: Input<P, Q, B>,
    ) => Promise<Outcome<R extends v.GenericSchema ? v.InferOutput<R> : null>>;
  };

/**
 * Makes an operation of its definition. Defaults: callers confined to a tenant may use what is of one tenant; all but a GET changes
 * something, and adds nothing; a body, if one is read, is small; the response is 200 and holds no key string.
 */
export function operation<
  const P extends PathParameters = Readonly<Record<never, never>>,
  const Q extends v.GenericSchema | undefined = undefined,
  const B extends Body | undefined = undefined,
  const R extends v.GenericSchema | null = null,
>({
  run,
  request: { path: parameters, query, body, bodyBytesMax = BODY_BYTES.small } = {},
  ...rest
}: Definition<P, Q, B, R>): Operation {
  const { confined = parameters !== undefined && 'tenantId' in parameters ? 'allowed' : 'refused' } = rest;
  const { status = 200, isSecret = false } = rest.response;
  return {
    ...{ changes: rest.method !== 'GET', grows: false, errors: [], ...rest, confined },
    request: { path: parameters ?? {}, query, body, bodyBytesMax },
    response: { body: rest.response.body, status, isSecret },
    invoke: async (context, reader) => {
      const input = {
        ...reader.readPath(parameters ?? {}),
        query: query === undefined ? undefined : reader.readQuery(query),
        body: body === undefined ? undefined : await reader.readBody(body, bodyBytesMax),
      };
      // The reader has parsed each part with the very schema that its type comes from.
      return run(context, input as Input<P, Q, B>);
    },
  };
}
