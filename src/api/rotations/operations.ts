/** Operations on rotations: listing them, and ending one early by completing or cancelling it. */
import { changeKey } from '../keys/change.ts';
import { keyResource } from '../keys/schemas.ts';
import { EMPTY_BODY, type Operation, operation, PATH_OF } from '../operation.ts';
import { page } from '../outcomes.ts';
import { listRotationsQuery, rotationList, toRotationResource } from './schemas.ts';

const TENANT = '/v1/tenants/:tenantId';
const ROTATION = `${TENANT}/keys/:keyId/rotation`;

const listRotations = operation({
  id: 'rotations.list',
  summary: 'Lists rotations, the newest first',
  method: 'GET',
  path: `${TENANT}/rotations`,
  permission: 'keys:read',
  request: { path: PATH_OF.tenant, query: listRotationsQuery },
  response: { body: rotationList },
  errors: ['invalid_cursor'],
  run: async (context, { tenantId, query: { limit, cursor, ...filter } }) => {
    const list = { list: 'rotations', tenantId, filter };
    const query = { ...filter, limit, after: await context.position(cursor, list) };
    const rotations = await context.read(tenantId, (tenant, target) => tenant.listRotations(target, query));
    return page(context, rotations.items.map(toRotationResource), rotations, limit, list);
  },
});

const completeRotation = operation({
  id: 'rotations.complete',
  summary: 'Ends the grace period of a rotated key now',
  method: 'POST',
  path: `${ROTATION}/complete`,
  permission: 'keys:rotate',
  request: { path: PATH_OF.key, ...EMPTY_BODY },
  response: { body: keyResource },
  errors: ['key_not_rotating', 'precondition_failed'],
  run: (context, { tenantId, keyId }) =>
    changeKey(context, tenantId, (tenant, target, command) => tenant.completeRotation(target, keyId, command)),
});

const cancelRotation = operation({
  id: 'rotations.cancel',
  summary: 'Cancels a rotation: the key stays, its successor is revoked',
  method: 'POST',
  path: `${ROTATION}/cancel`,
  permission: 'keys:rotate',
  request: { path: PATH_OF.key, ...EMPTY_BODY },
  response: { body: keyResource },
  errors: ['key_not_rotating', 'successor_rotated', 'precondition_failed'],
  run: (context, { tenantId, keyId }) =>
    changeKey(context, tenantId, (tenant, target, command) => tenant.cancelRotation(target, keyId, command)),
});

export const rotationOperations: readonly Operation[] = [listRotations, completeRotation, cancelRotation];
