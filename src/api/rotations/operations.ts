/** Operations on rotations under way: watching them, and ending them early one way or the other. */
import { emptyBody } from '../fields.ts';
import { keyOf } from '../keys/operations.ts';
import { keyResource } from '../keys/schemas.ts';
import { BODY_BYTES, type Operation, operation, PATH_OF } from '../operation.ts';
import { changedVersion, page, unwrap } from '../outcomes.ts';
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
    const found = await context.objects.tenant(tenantId, (tenant, target) => tenant.listRotations(target, query));
    const rotations = unwrap(found);
    return page(context, rotations.items.map(toRotationResource), rotations, limit, list);
  },
});

const completeRotation = operation({
  id: 'rotations.complete',
  summary: 'Ends the grace period of a rotated key now',
  method: 'POST',
  path: `${ROTATION}/complete`,
  permission: 'keys:rotate',
  request: { path: PATH_OF.key, body: emptyBody, bodyBytesMax: BODY_BYTES.none },
  response: { body: keyResource },
  errors: ['key_not_rotating', 'precondition_failed'],
  run: async (context, { tenantId, keyId }) => {
    const completed = await context.change(tenantId, (tenant, target, command) =>
      tenant.completeRotation(target, keyId, command),
    );
    return changedVersion(completed, keyOf(tenantId));
  },
});

const cancelRotation = operation({
  id: 'rotations.cancel',
  summary: 'Takes a rotation back: the key stays, its successor is revoked',
  method: 'POST',
  path: `${ROTATION}/cancel`,
  permission: 'keys:rotate',
  request: { path: PATH_OF.key, body: emptyBody, bodyBytesMax: BODY_BYTES.none },
  response: { body: keyResource },
  errors: ['key_not_rotating', 'successor_rotated', 'precondition_failed'],
  run: async (context, { tenantId, keyId }) => {
    const cancelled = await context.change(tenantId, (tenant, target, command) =>
      tenant.cancelRotation(target, keyId, command),
    );
    return changedVersion(cancelled, keyOf(tenantId));
  },
});

export const rotationOperations: readonly Operation[] = [listRotations, completeRotation, cancelRotation];
