/**
 * Keystead for Workers that have a service binding to it, without a token: `ctx.props` of the binding say what it may
 * do. Three ways to call the same operations:
 *
 * - `fetch`: the HTTP API as it is, for the client;
 * - `verify`: the operation that is called most;
 * - `call`: any other operation by its id, with plain data in and out.
 *
 * All of them go through the handler of HTTP requests, so that bounds, validation, idempotency, conditions, problems
 * and log lines are the same. Only the caller comes from elsewhere.
 */
import { WorkerEntrypoint } from 'cloudflare:workers';
import type { VerificationAnswer } from '../domain/keys/verification-answer.ts';
import { operations } from './api/all-operations.ts';
import type { Operation } from './api/operation.ts';
import { problem } from './api/problems.ts';
import { principalOfBinding } from './auth/service-binding.ts';
import { randomId } from './crypto/random-id.ts';
import type { Env } from './env.ts';
import { forbidden, Problem, validationFailed } from './http/problem.ts';
import { handle } from './router.ts';

/** The input of an operation. Parameters of the path are not encoded. */
export type ServiceInput = {
  readonly path?: Readonly<Record<string, string>>;
  /** Lists are joined by commas, and a `Date` is sent as its time. Undefined members are left out. */
  readonly query?: Readonly<Record<string, unknown>>;
  /** As it would be in JSON. */
  readonly body?: unknown;
};

/** What goes with a change, as in the headers of HTTP. */
export type ServiceOptions = {
  readonly idempotencyKey?: string;
  readonly onBehalfOf?: string;
  /** The version of the resource that the change is for. */
  readonly ifVersion?: number;
  readonly requestId?: string;
  /** `traceparent` of the W3C Trace Context. */
  readonly traceparent?: string;
};

/** A problem document, as HTTP has it. */
export type ServiceProblem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly requestId: string;
  readonly [member: string]: unknown;
};

export type ServiceResult<T = unknown> =
  | {
      readonly ok: true;
      /** Null where the operation answers nothing. */
      readonly value: T;
      /** Of resources that have one. */
      readonly version?: number;
      /** Whether this is the kept result of an earlier call with the same `idempotencyKey`. */
      readonly replayed?: true;
    }
  | { readonly ok: false; readonly problem: ServiceProblem; readonly retryAfterSeconds?: number };

const byId: ReadonlyMap<string, Operation> = new Map(
  operations.filter(({ sender }) => sender === 'caller').map((operation) => [operation.id, operation]),
);

/** The host of requests that are made here. It leads nowhere. */
const ORIGIN = 'http://keystead';

export class KeysteadService extends WorkerEntrypoint<Env, unknown> {
  /** The HTTP API. `Authorization` is not read. */
  override fetch(request: Request): Promise<Response> {
    return handle(request, this.env, this.ctx, () => this.#caller());
  }

  /** Verifies a key string: the body of `POST /v1/keys/verify` and of its answer. */
  async verify(input: {
    readonly key: string;
    readonly scopes?: readonly string[];
    readonly tenantId?: string;
    readonly cost?: number;
    readonly limits?: readonly { readonly name: string; readonly cost?: number }[];
    readonly fresh?: boolean;
  }): Promise<ServiceResult<VerificationAnswer>> {
    // Sound: the operation answers with a value of this schema.
    return (await this.call('keys.verify', { body: input })) as ServiceResult<VerificationAnswer>;
  }

  /** Calls an operation by its `operationId`. */
  async call(operationId: string, input: ServiceInput = {}, options: ServiceOptions = {}): Promise<ServiceResult> {
    let request: Request;
    try {
      request = requestFor(operationId, input, options);
    } catch (error) {
      const refused = error instanceof Problem ? error : unusable();
      return { ok: false, problem: JSON.parse(String(refused.toReply(randomId('req')).body)) };
    }
    const response = await this.fetch(request);
    const isJson = /^application\/(?:problem\+)?json$/.test(response.headers.get('Content-Type') ?? '');
    const text = await response.text();
    return toResult(text, response.headers, response.status, isJson);
  }

  #caller() {
    const caller = principalOfBinding(this.ctx.props);
    if (caller === null) throw forbidden('The service binding has no props, or props that are not valid.');
    return caller;
  }
}

const unusable = () => validationFailed([{ path: 'input', message: 'must be plain data' }]);

/** The request of HTTP that says the same. Throws a problem, or any error when the input is no plain data. */
function requestFor(
  operationId: string,
  { path = {}, query = {}, body }: ServiceInput,
  { idempotencyKey, onBehalfOf, ifVersion, requestId, traceparent }: ServiceOptions,
): Request {
  const operation = byId.get(operationId);
  if (operation === undefined) throw problem('not_found');
  const place = operation.path.replaceAll(/:(\w+)/g, (_, name: string) => {
    const { pattern, isEncoded = false, otherwise } = operation.request.path[name] ?? {};
    const value = path[name];
    // Checked before it becomes a part of the path, so that it cannot become more of it.
    if (typeof value !== 'string' || !pattern?.test(value)) throw problem(otherwise ?? 'not_found');
    return isEncoded ? encodeURIComponent(value) : value;
  });
  const pairs = Object.entries(query).flatMap(([name, value]): [string, string][] => {
    if (value === undefined || value === null) return [];
    return [[name, value instanceof Date ? value.toISOString() : String(value)]];
  });
  const search = pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
  const headers = new Headers();
  if (body !== undefined) headers.set('Content-Type', 'application/json');
  if (idempotencyKey !== undefined) headers.set('Idempotency-Key', idempotencyKey);
  if (onBehalfOf !== undefined) headers.set('X-On-Behalf-Of', encodeURIComponent(onBehalfOf));
  if (ifVersion !== undefined) headers.set('If-Match', `"${ifVersion}"`);
  if (requestId !== undefined) headers.set('X-Request-Id', requestId);
  if (traceparent !== undefined) headers.set('traceparent', traceparent);
  const text = body === undefined ? null : JSON.stringify(body);
  return new Request(`${ORIGIN}${place}${search}`, { method: operation.method, headers, body: text ?? null });
}

function toResult(text: string, headers: Headers, status: number, isJson: boolean): ServiceResult {
  const value: unknown = text === '' ? null : isJson ? JSON.parse(text) : text;
  if (status >= 400) {
    const seconds = headers.get('Retry-After');
    // Sound: every failure of the API is a problem document.
    const failed = { ok: false as const, problem: value as ServiceProblem };
    return seconds === null ? failed : { ...failed, retryAfterSeconds: Number(seconds) };
  }
  const tag = /^"(\d+)"$/.exec(headers.get('ETag') ?? '')?.[1];
  return {
    ok: true,
    value,
    ...(tag === undefined ? {} : { version: Number(tag) }),
    ...(headers.has('Idempotency-Replayed') ? { replayed: true as const } : {}),
  };
}
