/**
 * From a request to a response: finds the operation, authenticates and authorizes the caller, runs the operation, turns
 * whatever went wrong into a problem, and logs one line. Nothing else catches what operations throw.
 */
import { requestDurations, requests } from '../domain/metrics/isolate-metrics.ts';
import { logError, setLogLevel } from '../durable-objects/log.ts';
import { operations } from './api/all-operations.ts';
import { authorize } from './api/authorization.ts';
import { TENANT_ID_PATTERN } from './api/fields.ts';
import { HEALTH_PATHS, health } from './api/health/health.ts';
import { HttpRequest, toReply } from './api/http-transport.ts';
import { DESCRIPTION_PATHS, ServedDescription } from './api/openapi/served.ts';
import type { Operation } from './api/operation.ts';
import { RequestContext } from './api/request-context.ts';
import { SENDERS, type Sender } from './api/senders.ts';
import type { Principal } from './auth/principal.ts';
import type { ConfigProblem } from './config/config.ts';
import { type Runtime, runtimeOf } from './config/runtime.ts';
import type { Env } from './env.ts';
import { NO_ROUTE, writeRequest } from './http/analytics.ts';
import { HTTP_PROBLEMS, misconfigured, Problem, unauthenticated } from './http/problem.ts';
import { type Reply, toResponse } from './http/reply.ts';
import { requestIdOf } from './http/request-id.ts';
import { logRequest, type RequestLog } from './http/request-log.ts';
import { type RequestTarget, requestTargetOf } from './http/request-target.ts';
import { type PathParams, RouteTable } from './http/route-table.ts';
import { traceContextOf } from './http/trace-context.ts';
import { type Background, DETACHED, ObjectClient } from './object-client.ts';
import { TenantMemory } from './tenant-memory.ts';
import { VERSION } from './version.ts';

/** One request under way: what is needed to carry it out, and its log line as far as it is known. */
type Exchange = {
  readonly request: Request;
  readonly method: string;
  readonly authenticate: Authenticate;
  readonly runtime: Runtime | ConfigProblem[];
  readonly objects: ObjectClient;
  readonly log: RequestLog;
};

type Route = {
  readonly method: Operation['method'];
  readonly anyMethod?: boolean;
  readonly path: string;
  readonly respond: (params: PathParams, target: RequestTarget, exchange: Exchange) => Promise<Reply>;
};

/** Responds to a request, whatever it is. Never throws. */
export type Handle = (
  request: Request,
  env: Env,
  background?: Background,
  authenticate?: Authenticate,
) => Promise<Response>;

/** The caller of a request, null for nobody. Throws a problem to say more. */
type Authenticate = (
  request: Request,
  sender: Sender,
  runtime: Runtime,
  objects: ObjectClient,
) => Principal | null | Promise<Principal | null>;

/** By the token, which is where the sender of the operation has it. */
const byToken: Authenticate = (request, sender, runtime, objects) => {
  const token = SENDERS[sender].tokenOf(request);
  return token === null ? null : runtime.authenticator.authenticate(token, runtime, objects);
};

/**
 * A handler for these operations, their description and the health paths. The first operation is found without a
 * search.
 */
export function handlerOf(operations: readonly Operation[]): Handle {
  const table = new RouteTable<Route>([...healthRoutes, ...operations.map(routeOf), ...descriptionRoutes(operations)]);
  const [first] = operations;
  return (request, env, background, authenticate) =>
    handleWith((exchange) => respond(table, first, exchange), request, env, background, authenticate);
}

const healthRoutes = HEALTH_PATHS.map(
  (path): Route => ({
    method: 'GET',
    path,
    respond: (_params, _target, { runtime, objects, log }) => {
      log.route = path;
      return health(path, runtime, objects);
    },
  }),
);

function descriptionRoutes(operations: readonly Operation[]): Route[] {
  const served = new ServedDescription(operations);
  return DESCRIPTION_PATHS.map((path) => ({
    method: 'GET',
    path,
    respond: (_params, _target, { runtime, log }) => {
      log.route = path;
      return served.reply(path, runtime);
    },
  }));
}

const routeOf = (operation: Operation): Route => ({
  method: operation.method,
  anyMethod: operation.anyMethod,
  path: operation.path,
  respond: (params, target, exchange) => perform(operation, params, target, exchange),
});

async function handleWith(
  respond: (exchange: Exchange) => Promise<Reply>,
  request: Request,
  env: Env,
  background: Background = DETACHED,
  authenticate: Authenticate = byToken,
): Promise<Response> {
  const startedAt = Date.now();
  const { method } = request;
  const runtime = runtimeOf(env);
  if (!Array.isArray(runtime)) setLogLevel(runtime.logLevel);
  const objects = new ObjectClient(env, Array.isArray(runtime) ? new TenantMemory() : runtime.tenants, background);
  const trace = traceContextOf(request);
  const log: RequestLog = {
    requestId: requestIdOf(request),
    method: METHODS.has(method) ? method : 'OTHER',
    route: null,
    status: 0,
    code: null,
    tenant: null,
    caller: null,
    durationMs: 0,
    objectCalls: 0,
    traceId: trace?.traceId,
    parentSpanId: trace?.parentSpanId,
  };
  objects.requestedBy(log);
  let reply: Reply;
  try {
    reply = await respond({ request, method, authenticate, runtime, objects, log });
  } catch (error) {
    const problem = error instanceof Problem ? error : new Problem(HTTP_PROBLEMS.internal_error);
    if (problem !== error) logError('request_failed', error, { requestId: log.requestId });
    log.code = problem.type.code;
    reply = problem.toReply(log.requestId);
  }
  log.status = reply.status;
  log.durationMs = Date.now() - startedAt;
  log.objectCalls = objects.calls;
  count(log);
  logRequest(log);
  writeRequest(env, log, VERSION);
  return toResponse(reply, log.requestId);
}

function count({ route, method, status, durationMs }: RequestLog): void {
  const name = route ?? NO_ROUTE;
  requests.at(name, method, String(status)).count += 1;
  requestDurations.at(name).observe(durationMs / 1000);
}

/** Methods that are logged by name. Any other is a text of the caller's choice, so it stays out of the log. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Finds the route and has it respond. */
function respond(table: RouteTable<Route>, first: Operation | undefined, exchange: Exchange): Promise<Reply> {
  const target = requestTargetOf(exchange.request);
  const { path } = target;
  if (path === first?.path && exchange.method === first.method) return perform(first, {}, target, exchange);
  const found = table.find(exchange.method, path);
  if (found === null) throw notRouted(table, path);
  return found.route.respond(found.params, target, exchange);
}

/** Carries out an operation for an authenticated and authorized caller. Throws a problem otherwise. */
async function perform(
  operation: Operation,
  params: PathParams,
  target: RequestTarget,
  { request, authenticate, runtime, objects, log }: Exchange,
): Promise<Reply> {
  log.route = operation.path;
  if (Array.isArray(runtime)) throw misconfigured(runtime);
  try {
    const caller = await authenticate(request, operation.sender, runtime, objects);
    if (caller === null) throw unauthenticated();
    log.caller = caller.actor.id;
    authorize(caller, operation, params.tenantId);
    objects.confineTo(caller.confinement);
    if (params.tenantId !== undefined && TENANT_ID_PATTERN.test(params.tenantId)) log.tenant = params.tenantId;
    const source = new HttpRequest(request, target, params, log.requestId);
    const context = new RequestContext({ caller, runtime, objects, log, source, grows: operation.grows });
    return toReply(operation, await operation.invoke(context, source), target);
  } catch (error) {
    throw error instanceof Problem ? SENDERS[operation.sender].told(error) : error;
  }
}

/**
 * The problem when no route has this method and path: 405 with `Allow` when routes with other methods have the path.
 */
function notRouted(table: RouteTable<Route>, path: string): Problem {
  const allowed = table.methodsAt(path);
  if (allowed.length === 0) return new Problem(HTTP_PROBLEMS.not_found);
  return new Problem(HTTP_PROBLEMS.method_not_allowed, { headers: { Allow: allowed.join(', ') } });
}

export const handle = handlerOf(operations);
