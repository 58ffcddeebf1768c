/** The check of a limit for what has no key. */
import { limitDecisions } from '../../../domain/metrics/isolate-metrics.ts';
import { type Operation, operation, PATH_OF } from '../operation.ts';
import { checkBody, checkOut, toCheck } from './schemas.ts';

/** Whoever verifies keys checks limits too: both are asked for each request of a visitor. */
const checkLimit = operation({
  id: 'limits.check',
  summary: 'Counts a use by an identifier, by a limit of the tenant, and says whether it is allowed',
  method: 'POST',
  path: '/v1/tenants/:tenantId/limits/check',
  permission: 'keys:verify',
  changes: false,
  request: { path: PATH_OF.tenant, body: checkBody },
  response: { body: checkOut },
  errors: ['limit_not_found', 'identifiers_full'],
  run: async (context, { tenantId, body: { identifier, name, cost } }) => {
    const digest = await context.runtime.identifiers.digest(tenantId, identifier);
    const check = { name, identifier: digest, cost };
    const checked = await context.read(tenantId, (tenant, target) => tenant.checkLimit(target, check));
    limitDecisions.at('identifier', 'object', checked.code).count += 1;
    return { value: toCheck(checked) };
  },
});

export const limitOperations: readonly Operation[] = [checkLimit];
