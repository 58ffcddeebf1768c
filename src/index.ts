/** The entry points of the Worker: its HTTP handler and the classes of its objects. */
import type { Env } from './env.ts';
import { handle } from './router.ts';

export { Directory } from '../durable-objects/directory/directory.ts';
export { Tenant } from '../durable-objects/tenant/tenant.ts';
export { KeysteadService } from './service.ts';

export default {
  fetch: (request, env, ctx) => handle(request, env, ctx),
} satisfies ExportedHandler<Env>;
