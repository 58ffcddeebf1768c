/**
 * From a request to a response: finds the route, authenticates, authorizes, runs the handler, turns whatever went wrong into a problem, and
 * logs one line. The only `catch` around handlers.
 */
import { mayReach, type Principal } from './auth/principal.ts';
import type { ConfigProblem } from './config/config.ts';
import { type Runtime, runtimeOf } from './config/runtime.ts';
import type { Env } from './env.ts';
import { type Answer, toResponse } from './http/answer.ts';
import { bearerToken } from './http/bearer-token.ts';
import { Call } from './api/request-context.ts';
import { logError, logRequest, type RequestLog, setLogLevel } from './http/log.ts';
import { forbidden, misconfigured, Problem, unauthenticated } from './http/problem.ts';
import { requestIdOf } from './http/request-id.ts';
import { type PathParams, RouteTable } from './http/route-table.ts';
import { type Target, targetOf } from './http/target.ts';
import { type Background, DETACHED, ObjectClient, TenantMemory } from './object-client.ts';
import { HEALTH_PATHS, health } from './api/health/operations.ts';
import { routes } from './api/index.ts';
import type { Method, Route } from './api/operation.ts';
import { verifyRoute } from './api/verification/operations.ts';
import { TENANT_ID_PATTERN } from './api/fields.ts';

/** One request on its way: what its route needs, and what its log line will say. */
type Context = {
  readonly request: Request;
  readonly method: string;
  readonly runtime: Runtime | ConfigProblem[];
  readonly objects: ObjectClient;
  readonly log: RequestLog;
};

/** What stands at a method and a path, and how it answers. */
type Entry = {
  readonly method: Method;
  readonly path: string;
  readonly respond: (params: PathParams, target: Target, context: Context) => Promise<Answer>;
};

const table = new RouteTable<Entry>([
  ...HEALTH_PATHS.map(
    (path): Entry => ({
      method: 'GET',
      path,
      respond: (_params, _target, { runtime, objects, log }) => {
        log.route = path;
        return health(path, runtime, objects);
      },
    }),
  ),
  ...routes.map(
    (route): Entry => ({
      method: route.method,
      path: route.path,
      respond: (params, target, context) => answer(route, params, target, context),
    }),
  ),
]);

/** Answers a request, whatever it is. Never throws. */
export async function handle(request: Request, env: Env, background: Background = DETACHED): Promise<Response> {
  const startedAt = Date.now();
  const { method } = request;
  const runtime = runtimeOf(env);
  if (!Array.isArray(runtime)) setLogLevel(runtime.logLevel);
  const objects = new ObjectClient(env, Array.isArray(runtime) ? new TenantMemory() : runtime.tenants, background);
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
  };
  let answered: Answer;
  try {
    answered = await respond({ request, method, runtime, objects, log });
  } catch (error) {
    const problem = error instanceof Problem ? error : new Problem('internal_error');
    if (problem !== error) logError('request_failed', error, { requestId: log.requestId });
    log.code = problem.code;
    answered = problem.toAnswer(log.requestId);
  }
  log.status = answered.status;
  log.durationMs = Date.now() - startedAt;
  log.objectCalls = objects.calls;
  logRequest(log);
  return toResponse(answered, log.requestId);
}

/** Methods that are logged by name; any other is a caller's own word. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Finds the route and has it answer. The one that is asked most needs no search. */
function respond(context: Context): Promise<Answer> {
  const target = targetOf(context.request);
  const { path } = target;
  if (path === verifyRoute.path && context.method === verifyRoute.method) {
    return answer(verifyRoute, {}, target, context);
  }
  const found = table.find(context.method, path);
  if (found === null) throw notRouted(path);
  return found.route.respond(found.params, target, context);
}

async function answer(
  route: Route,
  params: PathParams,
  target: Target,
  { request, runtime, objects, log }: Context,
): Promise<Answer> {
  log.route = route.path;
  if (Array.isArray(runtime)) throw misconfigured(runtime);
  const token = bearerToken(request);
  const caller = token === null ? null : await runtime.authenticator.authenticate(token, runtime, objects);
  if (caller === null) throw unauthenticated();
  log.caller = caller.actor.id;
  authorize(caller, route, params);
  objects.confineTo(caller.confinement);
  if (params.tenantId !== undefined && TENANT_ID_PATTERN.test(params.tenantId)) log.tenant = params.tenantId;
  const { requestId } = log;
  const call = new Call({
    request,
    target,
    bodyBytesMax: route.bodyBytesMax,
    requestId,
    log,
    caller,
    runtime,
    objects,
    grows: route.grows,
  });
  return await route.handler(call, params);
}

function authorize(caller: Principal, route: Route, { tenantId }: PathParams): void {
  // Before the permission: a caller confined elsewhere learns nothing about this tenant, not even what it would need.
  if (tenantId !== undefined && !mayReach(caller, tenantId)) throw new Problem('tenant_not_found');
  if (!caller.permissions.has(route.permission)) throw forbidden(route.permission);
  if (caller.confinement !== null && route.confined === 'refused') {
    throw new Problem('forbidden', { detail: 'The caller is confined to one tenant.' });
  }
}

/** No route has this method and path: 405 with `Allow` when others have the path. */
function notRouted(path: string): Problem {
  const allowed = table.methodsAt(path);
  if (allowed.length === 0) return new Problem('not_found');
  return new Problem('method_not_allowed', { headers: { Allow: allowed.join(', ') } });
}
