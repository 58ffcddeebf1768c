/**
 * Operations on balances of credits. Whoever may change a key or an owner may change what it has: a patch can give
 * credits too, so a permission of their own would keep nobody from it.
 */
import { changeKey } from '../keys/change.ts';
import { keyResource } from '../keys/schemas.ts';
import { type Operation, operation, PATH_OF } from '../operation.ts';
import { changedVersion } from '../outcomes.ts';
import { ownerResource, toOwnerResource } from '../owners/schemas.ts';
import { balanceBody } from './schemas.ts';

const changeKeyCredits = operation({
  id: 'keys.changeCredits',
  summary: 'Sets, increments or decrements the credits of a key',
  method: 'POST',
  path: '/v1/tenants/:tenantId/keys/:keyId/credits',
  permission: 'keys:update',
  grows: true,
  request: { path: PATH_OF.key, body: balanceBody },
  response: { body: keyResource },
  errors: ['key_not_active', 'no_credits', 'precondition_failed'],
  run: (context, { tenantId, keyId, body }) =>
    changeKey(context, tenantId, (tenant, target, command) => tenant.changeKeyCredits(target, keyId, body, command)),
});

const changeOwnerCredits = operation({
  id: 'owners.changeCredits',
  summary: 'Sets, increments or decrements the credits of an owner',
  method: 'POST',
  path: '/v1/tenants/:tenantId/owners/:ownerId/credits',
  permission: 'owners:write',
  grows: true,
  request: { path: PATH_OF.owner, body: balanceBody },
  response: { body: ownerResource },
  errors: ['no_credits', 'precondition_failed'],
  run: async (context, { tenantId, ownerId, body }) => {
    const changed = await context.change(tenantId, (tenant, target, command) =>
      tenant.changeOwnerCredits(target, ownerId, body, command),
    );
    return changedVersion(changed, (owner) => toOwnerResource(tenantId, owner));
  },
});

export const creditOperations: readonly Operation[] = [changeKeyCredits, changeOwnerCredits];
