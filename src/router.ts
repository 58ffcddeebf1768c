/**
 * From a request to a response: finds the route, authenticates, authorizes, runs the handler, and turns whatever went wrong into a problem.
 * The only `catch` around handlers.
 */
import { IttyRouter } from 'itty-router';
import { bearerToken } from './callers/authenticate.ts';
import { mayReach, type Principal } from './callers/principal.ts';
import { type Runtime, runtimeOf } from './config/runtime.ts';
import type { Env } from './env.ts';
import { Call } from './http/call.ts';
import { logError } from './http/log.ts';
import { forbidden, misconfigured, Problem, unauthenticated } from './http/problem.ts';
import { requestIdOf } from './http/request-id.ts';
import { Objects } from './objects.ts';
import { routes } from './routes/index.ts';
import type { PathParams, Route } from './routes/route.ts';

const router = IttyRouter();
for (const route of routes) {
  router.all(route.path, ({ params }, request: Request, env: Env, requestId: string) =>
    request.method === route.method ? answer(route, request, params, env, requestId) : undefined,
  );
}

/** Answers a request, whatever it is. Never throws. */
export async function handle(request: Request, env: Env): Promise<Response> {
  const requestId = requestIdOf(request);
  const response = await respond(request, env, requestId);
  response.headers.set('X-Request-Id', requestId);
  return response;
}

async function respond(request: Request, env: Env, requestId: string): Promise<Response> {
  try {
    const found: Response | undefined = await router.fetch(
      { method: request.method, url: request.url },
      request,
      env,
      requestId,
    );
    return found ?? notRouted(request).toResponse(requestId);
  } catch (error) {
    if (error instanceof Problem) return error.toResponse(requestId);
    logError('request_failed', error, { requestId });
    return new Problem('internal_error').toResponse(requestId);
  }
}

async function answer(
  route: Route,
  request: Request,
  params: PathParams,
  env: Env,
  requestId: string,
): Promise<Response> {
  const runtime = runtimeOf(env);
  if (Array.isArray(runtime)) throw misconfigured(runtime);
  const caller = await authenticate(runtime, request);
  // Before the permission: a caller confined elsewhere learns nothing about this tenant, not even what it would need.
  if (params.tenantId !== undefined && !mayReach(caller, params.tenantId)) throw new Problem('tenant_not_found');
  if (!caller.permissions.has(route.permission)) throw forbidden(route.permission);
  return route.handler(new Call({ request, requestId, caller, runtime, objects: new Objects(env) }), params);
}

async function authenticate(runtime: Runtime, request: Request): Promise<Principal> {
  const token = bearerToken(request);
  const caller = token === null ? null : await runtime.authenticator.authenticate(token);
  if (caller === null) throw unauthenticated();
  return caller;
}

/** No route has this method and path: 405 with `Allow` when others have the path. */
function notRouted(request: Request): Problem {
  const { pathname } = new URL(request.url);
  const allowed = routes.filter((_, index) => router.routes[index]?.[1].test(pathname)).map(({ method }) => method);
  if (allowed.length === 0) return new Problem('not_found');
  return new Problem('method_not_allowed', { headers: { Allow: [...new Set(allowed)].join(', ') } });
}
