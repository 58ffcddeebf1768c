/**
 * From a request to a response: finds the route, authenticates, authorizes, runs the handler, turns whatever went wrong into a problem, and
 * logs one line. The only `catch` around handlers.
 */
import { IttyRouter } from 'itty-router';
import { mayReach, type Principal } from './callers/principal.ts';
import type { ConfigProblem } from './config/config.ts';
import { type Runtime, runtimeOf } from './config/runtime.ts';
import type { Env } from './env.ts';
import { type Answer, toResponse } from './http/answer.ts';
import { bearerToken } from './http/bearer-token.ts';
import { Call } from './http/call.ts';
import { logError, logRequest, type RequestLog, setLogLevel } from './http/log.ts';
import { forbidden, misconfigured, Problem, unauthenticated } from './http/problem.ts';
import { requestIdOf } from './http/request-id.ts';
import { type Background, DETACHED, Objects, TenantMemory } from './objects.ts';
import { HEALTH_PATHS, health } from './routes/health.ts';
import { routes } from './routes/index.ts';
import type { PathParams, Route } from './routes/route.ts';
import { verifyRoute } from './routes/verify.ts';
import { TENANT_ID_PATTERN } from './schemas/common.ts';

/** One request on its way: what its route needs, and what its log line will say. */
type Context = {
  readonly request: Request;
  readonly method: string;
  readonly runtime: Runtime | ConfigProblem[];
  readonly objects: Objects;
  readonly log: RequestLog;
};

const router = IttyRouter();
for (const path of HEALTH_PATHS) {
  router.all(path, (_, { method, runtime, objects, log }: Context) => {
    if (method !== 'GET') return undefined;
    log.route = path;
    return health(path, runtime, objects);
  });
}
for (const route of routes) {
  router.all(route.path, ({ params }, context: Context) =>
    context.method === route.method ? answer(route, params, context) : undefined,
  );
}

/** Answers a request, whatever it is. Never throws. */
export async function handle(request: Request, env: Env, background: Background = DETACHED): Promise<Response> {
  const startedAt = Date.now();
  const { method } = request;
  const runtime = runtimeOf(env);
  if (!Array.isArray(runtime)) setLogLevel(runtime.logLevel);
  const objects = new Objects(env, Array.isArray(runtime) ? new TenantMemory() : runtime.tenants, background);
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
  const path = pathOf(context.request.url);
  const isVerification = path === verifyRoute.path && context.method === verifyRoute.method;
  return isVerification ? answer(verifyRoute, {}, context) : routed(path, context);
}

async function routed(path: string, context: Context): Promise<Answer> {
  // Without its query, which the router would parse at a cost that is quadratic in repeated names.
  const url = `http://router${path}`;
  const found: Answer | undefined = await router.fetch({ method: context.method, url }, context);
  if (found === undefined) throw notRouted(path);
  return found;
}

/** The path of a URL as the platform gives it: absolute and normalised. */
function pathOf(url: string): string {
  const start = url.indexOf('/', url.indexOf('://') + 3);
  const end = url.search(/[?#]/);
  return start < 0 ? '/' : url.slice(start, end < 0 ? undefined : end);
}

async function answer(route: Route, params: PathParams, { request, runtime, objects, log }: Context): Promise<Answer> {
  log.route = route.path;
  if (Array.isArray(runtime)) throw misconfigured(runtime);
  const token = bearerToken(request);
  const caller = token === null ? null : await runtime.authenticator.authenticate(token, runtime, objects);
  if (caller === null) throw unauthenticated();
  log.caller = caller.actor.id;
  authorize(caller, route, params);
  objects.confineTo(caller.confinement);
  if (params.tenantId !== undefined && TENANT_ID_PATTERN.test(params.tenantId)) log.tenant = params.tenantId;
  return await route.handler(
    new Call({ request, requestId: log.requestId, caller, runtime, objects, grows: route.grows }),
    params,
  );
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
  const methods = [...HEALTH_PATHS.map(() => 'GET'), ...routes.map(({ method }) => method)];
  const allowed = methods.filter((_, index) => router.routes[index]?.[1].test(path));
  if (allowed.length === 0) return new Problem('not_found');
  return new Problem('method_not_allowed', { headers: { Allow: [...new Set(allowed)].join(', ') } });
}
